"""FIRM: what is particular to it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional

import zoo
from zoo.errors import ConfigError, InputError
from zoo_vision import restoration
from zoo_vision.firm import losses
from zoo_vision.firm.guidance import REFLECTION, TRANSMISSION, mask_of
from zoo_vision.firm.naf import local_mean, window_at
from zoo_vision.firm.network import predict
from zoo_vision.firm.training import marked


def test_parameter_counts():
    assert zoo.info("firm").parameters == 61_973_763
    assert zoo.info("firm-guidance-block").parameters == 4_728_064


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.integers(1, 12))
def test_local_means_are_box_means_moved_inside(rows, columns, height, width):
    x = torch.randn(1, 2, rows, columns, generator=torch.Generator().manual_seed(rows * 10 + columns))
    found = local_mean(x, height, width)
    if height >= rows and width >= columns:
        torch.testing.assert_close(found, x.mean((2, 3), keepdim=True))
        return
    height, width = min(height, rows), min(width, columns)
    means = functional.avg_pool2d(x, (height, width), stride=1)
    for row in range(rows):
        for column in range(columns):
            place = (
                min(max(row - (height - 1) // 2, 0), rows - height),
                min(max(column - (width - 1) // 2, 0), columns - width),
            )
            torch.testing.assert_close(found[..., row, column], means[..., place[0], place[1]])


def test_windows_are_those_of_the_padded_training_image():
    assert window_at(0, None, 4) is None
    assert window_at(0, [224, 224], 4) == (336, 336)
    assert window_at(4, [224, 224], 4) == (21, 21)
    # 40 is padded to 48, whose eighth is 6; 6 * 60 // 40 = 9.
    assert window_at(3, [40, 32], 4) == (9, 6)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (33, 18)])
def test_any_size_comes_back_at_that_size(size):
    model = zoo.load("firm/tiny")
    answer = model(torch.rand(1, 3, *size), torch.zeros(1, 1, *size))
    assert answer.transmission.shape == answer.reflection.shape == (1, 3, *size)


def test_each_kind_of_guidance_reaches_its_own_answer_only():
    model = zoo.load("firm/tiny")
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    # At the first convolution guidance is a channel like any other: leave it out there.
    model.intro.weight.data[:, 3] = 0
    image, none = torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    plain = model(image, none)
    scene = model(image, none + TRANSMISSION)
    mirrored = model(image, none + REFLECTION)
    assert not torch.equal(scene.transmission, plain.transmission)
    assert torch.equal(scene.reflection, plain.reflection)
    assert torch.equal(mirrored.transmission, plain.transmission)
    assert not torch.equal(mirrored.reflection, plain.reflection)


def test_rims_of_a_reflection_are_scene_by_the_authors_rule_only():
    guidance = torch.zeros(1, 1, 16, 16)
    guidance[..., :6] = REFLECTION
    deepest = torch.zeros(1, 1, 4, 4)
    reflected, transmitted = zoo.load("firm/tiny")._masks(guidance, deepest)
    assert transmitted.sum() == 4
    assert reflected.sum() == 4
    reflected, transmitted = zoo.load("firm/tiny", mask_rule="nearest")._masks(guidance, deepest)
    assert transmitted.sum() == 0
    assert reflected.sum() == 4


class TestGuidance:
    def test_boxes_points_and_strokes(self):
        mask = mask_of([("transmission", (0, 0, 9, 9)), ("reflection", (5, 5))], 40, 30)
        assert mask.shape == (1, 1, 40, 30)
        assert mask[0, 0, 5, 5] == REFLECTION
        assert mask[0, 0, 0, 0] == pytest.approx(TRANSMISSION)
        assert mask[0, 0, 30, 20] == 0
        stroke = mask_of([("reflection", (2, 2, 20, 2, 20, 30))], 40, 30)
        assert stroke[0, 0, 2, 12] == stroke[0, 0, 16, 20] == REFLECTION

    @pytest.mark.parametrize("mark", [("glass", (1, 2)), ("reflection", (1, 2, 3)), ("reflection", ())])
    def test_nonsense_is_refused(self, mark):
        with pytest.raises(InputError, match="reflection"):
            mask_of([mark], 10, 10)

    def test_drawn_from_the_truth(self):
        scene = torch.full((1, 3, 40, 40), 0.4)
        image = scene.clone()
        image[..., 5:20, 5:20] += 0.3
        seen = set()
        for seed in range(12):
            drawn = marked(image, scene, torch.Generator().manual_seed(seed))
            seen |= set(drawn.unique().tolist())
            assert not (drawn[..., :5, :] == REFLECTION).any()
            assert not ((drawn[..., 5:20, 5:20] != REFLECTION) & (drawn[..., 5:20, 5:20] != 0)).any()
        assert sorted(seen) == pytest.approx([0, TRANSMISSION, REFLECTION])


def test_edges_in_the_same_place_cost_and_elsewhere_do_not():
    step = torch.zeros(1, 3, 32, 32)
    step[..., 16:] = 1
    other = step.transpose(2, 3)
    assert losses.exclusion_loss(step, step) > 2 * losses.exclusion_loss(step, other)


def test_equal_layers_cost_nothing():
    x = torch.rand(1, 3, 20, 20)
    assert losses.pixel_loss(x, x) == 0
    assert losses.structural_loss(x, x) == pytest.approx(0, abs=1e-6)
    assert losses.perceptual(x, x, lambda image: [image] * 5) == 0


def test_glass_adds_two_layers():
    images = torch.rand(4, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    seen, scene, reflection = restoration.reflected(images[:2], images[2:], torch.Generator().manual_seed(1))
    torch.testing.assert_close(seen, (scene + reflection).clamp(max=1))
    assert (scene <= images[:2]).all()


def test_a_photograph_with_and_without_marks(tmp_path):
    path = tmp_path / "window.png"
    Image.new("RGB", (21, 14), (90, 80, 70)).save(path)
    model = zoo.load("firm/tiny")
    for source in (path, (path, [("reflection", (3, 3))])):
        answer = predict(model, model.config, source)
        assert answer["transmission"].size == answer["reflection"].size == (21, 14)


def test_configs_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="levels"):
        zoo.load("firm", encoder_blocks=[1, 1])
    with pytest.raises(ConfigError, match="height and width"):
        zoo.load("firm/tiny", local_train_size=[224])


def test_large_maps_are_guided_in_linear_time(monkeypatch):
    """Unmarked positions share one query; the answer is that of all queries, also where images are marked unlike."""
    block = zoo.load("firm-guidance-block/tiny")
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(3, 16, 70, 65, generator=generator)
    mask = torch.zeros(3, 1, 70, 65)
    mask[0, :, 10:30, 5:40], mask[1, :, :3, :3] = 1, 1
    sizes = []
    read = block._read
    monkeypatch.setattr(block, "_read", lambda x, anchors: sizes.append(anchors.shape[1]) or read(x, anchors))
    with torch.no_grad():
        found = block(features, mask)
        assert sizes == [20 * 35 + 1]
        monkeypatch.setattr(block, "_has_few", lambda *_: False)
        assert torch.allclose(found, block(features, mask), atol=1e-5)
        assert sizes[1] == 70 * 65


class Scenes(torch.nn.Module):
    """The transmission alone: programs answer with tensors."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor, guidance: torch.Tensor) -> torch.Tensor:
        return self.model(images, guidance).transmission


def test_a_program_takes_any_number_of_images():
    """The check of shapes must not tie the program to the batch that it was traced with."""
    model = Scenes(zoo.load("firm/tiny")).eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    inputs = {"images": torch.rand(2, 3, 32, 32), "guidance": torch.zeros(2, 1, 32, 32)}
    program = torch.export.export(model, (), inputs, dynamic_shapes={name: {0: batch} for name in inputs})
    more = {name: tensor.repeat(2, 1, 1, 1)[:3] for name, tensor in inputs.items()}
    with torch.no_grad():
        torch.testing.assert_close(program.module()(**more), model(**more))
