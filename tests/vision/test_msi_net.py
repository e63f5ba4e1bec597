"""MSI-Net: what is particular to it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import zoo
from zoo.errors import InputError
from zoo.evidence.replay import read_recording
from zoo_vision.msi_net import saliency
from zoo_vision.msi_net.conversion import convert, replay
from zoo_vision.msi_net.network import doubled, predict

GOLDEN = Path(__file__).parents[1] / "golden/msi-net/msi-net-tiny.safetensors"


def test_parameter_counts():
    assert zoo.info("msi-net/salicon").parameters == 24_934_209


@given(st.integers(1, 5), st.integers(1, 4))
def test_enlargement_is_the_stated_rule(height, width):
    x = torch.randn(1, 2, height, width, generator=torch.Generator().manual_seed(height * 7 + width))
    found = doubled(x)
    assert found.shape == (1, 2, 2 * height, 2 * width)
    for row in range(2 * height):
        for column in range(2 * width):
            rows = (row // 2, min((row + 1) // 2, height - 1))
            columns = (column // 2, min((column + 1) // 2, width - 1))
            expected = sum(x[..., r, c] for r in rows for c in columns) / 4
            torch.testing.assert_close(found[..., row, column], expected)


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (17, 30)])
def test_any_size_gives_a_map_of_that_size(size):
    found = zoo.load("msi-net/tiny")(torch.rand(1, 3, *size) * 255)
    assert found.shape == (1, 1, *size)
    assert found.isfinite().all()


def test_a_multiple_of_eight_is_not_padded():
    model = zoo.load("msi-net/tiny")
    images = torch.rand(1, 3, 16, 24) * 255
    longer = torch.cat((images, images[..., -1:].expand(-1, -1, -1, 8)), 3)
    assert model.raw(images).shape[3] == 24
    # The column that padding would repeat matters, so padding where none is needed would show.
    assert not torch.equal(model.raw(longer)[..., :24], model.raw(images))


def test_a_recording_of_other_sides_is_not_padded():
    """The authors' graph answers 8 * floor(side / 8): what the loss compares has that size, too."""
    recording = read_recording(GOLDEN)
    inputs = {"images": recording.inputs["images"][:, :21, :30], "ground_truth": torch.rand(2, 16, 24, 1)}
    inputs["images"] = inputs["images"].repeat(2, 1, 1, 1)[:2]
    found = replay("msi-net", recording.config, recording.call, recording.state, inputs)
    assert found["decoder_raw"].shape == found["saliency"].shape == (2, 16, 24, 1)
    assert found["kld"].isfinite()


def test_tensorflow_names_are_transposed_and_ours_left_alone():
    model = zoo.load("msi-net/tiny")
    own = model.state_dict()
    foreign = {"conv1/conv1_1/kernel:0": own["encoder.stages.0.0.weight"].permute(2, 3, 1, 0)}
    foreign |= {"decoder/conv4/bias": own["head.bias"], "context.mix.bias": own["context.mix.bias"]}
    found = convert(foreign, model.config)
    assert torch.equal(found["encoder.stages.0.0.weight"], own["encoder.stages.0.0.weight"])
    assert found.keys() == {"encoder.stages.0.0.weight", "head.bias", "context.mix.bias"}
    with pytest.raises(zoo.CheckpointMismatch, match=r"head\.bias"):
        convert({**foreign, "head.bias": own["head.bias"]}, model.config)


def test_a_picture_of_any_shape_gives_a_map_of_its_shape(tmp_path):
    model = zoo.load("msi-net/tiny")
    path = tmp_path / "wide.png"
    Image.new("RGB", (90, 31), (10, 200, 30)).save(path)
    answer = predict(model, model.config, path)
    assert answer["saliency"].size == (90, 31)
    assert 0 <= answer["peak"]["x"] < 90
    assert 0 <= answer["peak"]["y"] < 31


class TestMetrics:
    def test_by_hand(self):
        truth = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
        even = torch.ones(1, 1, 2, 2)
        assert saliency.similarity(even, truth).item() == pytest.approx(0.25)
        assert saliency.divergence(even, truth).item() == pytest.approx(torch.log(torch.tensor(4.0)).item(), abs=1e-5)
        # The one fixated pixel lies sqrt(3) deviations above the mean of (1, 0, 0, 0).
        assert saliency.scanpath_saliency(truth, truth).item() == pytest.approx(3**0.5)
        assert saliency.correlation(truth, truth).item() == pytest.approx(1)
        assert saliency.correlation(-truth, truth).item() == pytest.approx(-1)

    def test_area_is_the_share_of_ordered_pairs(self):
        generator = torch.Generator().manual_seed(0)
        maps = torch.randint(0, 5, (2, 1, 4, 5), generator=generator).float()
        fixations = torch.rand(2, 1, 4, 5, generator=generator) > 0.7
        found = saliency.area_under_curve(maps, fixations)
        for values, looked, area in zip(maps.flatten(1), fixations.flatten(1), found, strict=True):
            right, wrong = values[looked], values[~looked]
            pairs = (right[:, None] > wrong).float() + 0.5 * (right[:, None] == wrong).float()
            assert area.item() == pytest.approx(pairs.mean().item())

    def test_an_image_without_a_fixation_is_an_error(self):
        with pytest.raises(InputError, match="without a fixation"):
            saliency.scanpath_saliency(torch.rand(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
