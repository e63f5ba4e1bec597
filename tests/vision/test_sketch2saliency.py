"""Sketch2Saliency: what is particular to it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

import zoo
from zoo.evidence.measuring import count_parameters
from zoo.testing.specimens import stir
from zoo_vision.sketch2saliency import drawings
from zoo_vision.sketch2saliency.conversion import convert
from zoo_vision.sketch2saliency.decoder import Mixture
from zoo_vision.sketch2saliency.losses import (
    density,
    equivariance_loss,
    mean_attention,
    random_affine,
    sketch_loss,
    warped,
    warped_strokes,
)
from zoo_vision.sketch2saliency.network import predict, saliency_of


def test_parameter_counts():
    assert zoo.info("sketch2saliency-decoder").parameters == 3_618_172
    whole = zoo.info("sketch2saliency/base").parameters
    assert whole == zoo.info("sketch2saliency-photo2sketch/base").parameters == 14_714_688 + 65_664 + 3_618_172
    decoder = zoo.load("sketch2saliency-decoder/tiny", weights=None, feature_channels=512, hidden_dim=512)
    assert count_parameters(zoo.load("sketch2saliency-decoder/base", weights=None).attention_cell) == 1_311_489
    assert decoder.lstm.weight_ih.shape == (2048, 517)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return stir(zoo.load("sketch2saliency-photo2sketch/tiny")).eval()


def test_a_free_run_is_the_run_along_its_own_points(model):
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        points, attention = model.draw(images, 6)
        along = model(images, points[:, :-1])
    torch.testing.assert_close(along.mixture.mode(), points)
    torch.testing.assert_close(along.attention, attention)


def test_both_entries_hold_the_same_network(model):
    other = zoo.load("sketch2saliency/tiny")
    other.load_state_dict(model.state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(other(images), model.saliency(images))


@pytest.mark.parametrize("size", [(64, 64), (1, 1), (33, 70)])
@pytest.mark.parametrize("scales", [1, 3])
def test_any_size_gives_a_map_of_that_size(size, scales):
    found = zoo.load("sketch2saliency/tiny", scales=scales)(torch.randn(1, 3, *size))
    assert found.shape == (1, 1, *size)
    assert found.min() >= 0
    assert found.max() <= 1


def test_three_scales_sum_finer_places_where_coarse_ones_lie():
    model = zoo.load("sketch2saliency-photo2sketch/tiny", scales=3).eval()
    decoder = model.sketch_decoder
    maps = [torch.zeros(1, 16, 2 * 2**scale, 3 * 2**scale) for scale in range(3)]
    for each in maps:
        each[..., 0, 0] = 1000.0
    with torch.no_grad():
        decoder.attention_cell.conv_f.weight.zero_()
        decoder.attention_cell.conv_f.weight[:, :, 1, 1] = 1.0
        decoder.attention_cell.conv_att.weight.fill_(5.0)
        _, attention = decoder.draw(maps, torch.zeros(1, 10), 2)
    torch.testing.assert_close(attention[0, 0], torch.tensor([[1.0, 0, 0], [0, 0, 0]]), atol=1e-3, rtol=0)


def test_density_is_that_of_the_mixture_of_normal_distributions():
    generator = torch.Generator().manual_seed(0)
    numbers = [torch.randn(4, 3, generator=generator, dtype=torch.float64) for _ in range(6)]
    pi, mu_x, mu_y, sigma_x, sigma_y, rho = numbers
    mixture = Mixture(pi.softmax(-1), mu_x, mu_y, sigma_x.exp(), sigma_y.exp(), rho.tanh(), torch.zeros(4, 3))
    both = mixture.rho * mixture.sigma_x * mixture.sigma_y
    covariance = torch.stack((mixture.sigma_x.square(), both, both, mixture.sigma_y.square()), -1).unflatten(-1, (2, 2))
    expected = MixtureSameFamily(Categorical(mixture.pi), MultivariateNormal(torch.stack((mu_x, mu_y), -1), covariance))
    offset = torch.randn(4, 2, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(density(mixture, offset).log(), expected.log_prob(offset))


def test_rows_after_the_end_cost_nothing_but_count():
    pen = torch.tensor([[[3.0, 0.0, 0.0]] * 3])
    wide = [torch.ones(1, 3, 1), *[torch.zeros(1, 3, 1)] * 2, *[torch.ones(1, 3, 1)] * 2, torch.zeros(1, 3, 1)]
    mixture = Mixture(*wide, pen)
    strokes = torch.tensor([[[0.0, 0.0, 1.0, 0.0, 0.0], [*drawings.END]]])
    single = -math.log(1 / (2 * math.pi) + 1e-6) - math.log(math.exp(3) / (math.exp(3) + 2))
    assert sketch_loss(mixture, strokes).item() == pytest.approx(single / 3, rel=1e-5)
    with pytest.raises(zoo.InputError, match="3 points; expected one more"):
        sketch_loss(mixture, torch.zeros(1, 3, 5))


def test_equivariance_is_free_for_what_follows_the_picture():
    images = torch.rand(3, 3, 24, 24)
    theta = random_affine(3, torch.Generator().manual_seed(0))
    assert equivariance_loss(lambda x: x.mean(1, keepdim=True), images, theta).item() == pytest.approx(0, abs=1e-10)
    assert equivariance_loss(lambda x: torch.ones_like(x[:, :1]), images, theta) > 1e-3
    same = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]]).expand(3, -1, -1)
    torch.testing.assert_close(warped(images, same), images)


def test_sketches_are_warped_as_their_pictures_are():
    pytest.importorskip("skimage")
    rows, columns = torch.meshgrid(torch.arange(96), torch.arange(96), indexing="ij")
    mask = ((columns - 55).abs() < 22) & ((rows - 40).abs() < 9)
    theta = random_affine(4, torch.Generator().manual_seed(3))
    before = drawings.outline(mask.numpy())
    moved = warped_strokes(before[None].expand(4, -1, -1), theta)
    for each, points in zip(theta, moved, strict=True):
        picture = warped(mask[None, None].float(), each[None])[0, 0] > 0.5
        after = drawings.outline(picture.numpy())
        spans = [line[:, :2].cumsum(0).aminmax(dim=0) for line in (points, after)]
        torch.testing.assert_close(*(high - low for low, high in spans), atol=0.12, rtol=0)
        assert torch.equal(points[:, 2:], before[:, 2:])


def test_attention_after_the_end_does_not_count():
    attention = torch.zeros(1, 4, 2, 2)
    attention[0, :3, 0, 0] = 1
    attention[0, 3, 1, 1] = 1
    strokes = torch.tensor([[[0, 0, 1, 0, 0], [1, 0, 0, 1, 0], [0, 0, 0, 0, 1.0]]])
    assert mean_attention(attention, strokes).tolist() == [[[[4, 0], [0, 0]]]]


class TestDrawings:
    def test_a_square_is_drawn_in_the_middle(self):
        mask = np.zeros((64, 64), dtype=bool)
        mask[16:48, 8:40] = True
        pytest.importorskip("skimage")
        points = drawings.outline(mask)
        places = points[:, :2].cumsum(0) * drawings.SCALE
        assert len(points) == 5
        assert (places.amax(0) - places.amin(0)).tolist() == pytest.approx([128, 128], abs=6)
        assert points[0, :2].tolist() == [0, 0]
        assert points[-1, 2:].tolist() == [0, 1, 0]
        picture = np.asarray(drawings.rasterised(points, 64)) < 128
        assert picture.any()
        assert not picture[20:44, 20:44].any()
        with pytest.raises(zoo.InputError, match="no outline"):
            drawings.outline(np.zeros((4, 4), dtype=bool))

    def test_a_sketch_ends_where_it_says(self):
        first, second = drawings.circle(20, points=4), drawings.circle(10, points=7)
        both = drawings.batched([first, second])
        assert both.shape == (2, 8, 5)
        assert torch.equal(drawings.cut(both[0]), first)
        assert torch.equal(drawings.cut(second), second)
        torch.testing.assert_close(first[:, :2].cumsum(0)[0], first[:, :2].cumsum(0)[-1])

    def test_lifted_pens_draw_nothing(self):
        lines = [np.array([[10.0, 10.0], [60.0, 10.0]]), np.array([[200.0, 200.0], [240.0, 200.0]])]
        picture = np.asarray(drawings.rasterised(drawings.sequence(lines), 256)) < 128
        # 230 x 190 pixels, in the middle of 256 x 256.
        assert picture[33, 14:63].all()
        assert picture[223, 204:242].all()
        assert not picture[40:215].any()


def test_official_names_are_read_whole_and_of_the_decoder_alone(model):
    own = model.state_dict()
    official = {
        name.replace("image_encoder", "Image_Encoder")
        .replace("sketch_decoder", "Sketch_Decoder")
        .replace("weight_ih", "weight_ih_l0")
        .replace("weight_hh", "weight_hh_l0")
        .replace("bias_ih", "bias_ih_l0")
        .replace("bias_hh", "bias_hh_l0"): tensor
        for name, tensor in own.items()
    }
    assert "Sketch_Decoder.lstm.weight_ih_l0" in official
    assert convert(official, model.config).keys() == own.keys()


def test_saliency_is_the_mean_over_its_maximum():
    attention = torch.tensor([[[[0.5, 0.5]], [[0.1, 0.9]]]])
    torch.testing.assert_close(saliency_of(attention), torch.tensor([[[0.3 / 0.7, 1.0]]]))


def test_predictions_are_pictures(model, tmp_path):
    path = tmp_path / "wide.png"
    Image.new("RGB", (90, 31), (10, 200, 30)).save(path)
    answer = zoo.load("sketch2saliency/tiny")
    found = predict(answer, answer.config, path)
    assert found["saliency"].size == (90, 31)
    assert found["sketch"].size == (256, 256)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"encoder_widths": [8, 16]}, "encoder_widths"),
        ({"feature_channels": 17}, "feature_channels"),
        ({"encoder_widths": [16], "encoder_depths": [1], "scales": 3}, "encoder_widths"),
    ],
)
def test_configs_that_do_not_fit_are_refused(options, field):
    with pytest.raises(zoo.ConfigError) as caught:
        zoo.load("sketch2saliency/tiny", **options)
    assert caught.value.field == field


def test_inputs_that_do_not_fit_are_refused(model):
    with pytest.raises(zoo.InputError, match=r"expected \(batch, 3, height, width\)"):
        model(torch.randn(1, 1, 64, 64), torch.randn(1, 2, 5))
    with pytest.raises(zoo.InputError, match=r"expected \(1, points, 5\)"):
        model(torch.randn(1, 3, 64, 64), torch.randn(2, 2, 5))
    with pytest.raises(zoo.InputError, match="1 maps for scales=3"):
        zoo.load("sketch2saliency-decoder/tiny", scales=3)(
            torch.randn(1, 16, 4, 4), torch.randn(1, 10), torch.randn(1, 2, 5)
        )
