"""ShiftViT: what is particular to it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import zoo
from zoo.evidence.replay import read_recording
from zoo.weights import convert_pickle
from zoo_vision.shiftvit.config import ShiftConfig, ShiftViTConfig
from zoo_vision.shiftvit.conversion import convert, replay
from zoo_vision.shiftvit.network import ShiftViT, attention_maps
from zoo_vision.shiftvit.shift import Shift, shift


@pytest.mark.parametrize(
    ("preset", "parameters"),
    [
        ("light-tiny", 19_608_328),
        ("light_tiny", 19_608_328),
        ("r2-tiny", 28_566_664),
        ("Tiny", 28_566_664),
        ("r4_tiny", 31_426_312),
        ("light-small", 33_796_360),
        ("r4-small", 51_523_336),
        ("r2-base", 89_026_408),
        ("base", 89_026_408),
    ],
)
def test_parameter_counts(preset, parameters):
    assert zoo.info(f"shiftvit/{preset}").to_dict()["parameters"] == parameters


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_the_papers_sizes_are_the_rows_with_ratio_two(size):
    assert zoo.config(f"shiftvit/{size}") == zoo.config(f"shiftvit/r2-{size}")


def by_definition(x, n_div):
    """The shift, pixel by pixel."""
    _, channels, height, width = x.shape
    group = channels // n_div
    out = torch.zeros_like(x)
    for channel in range(channels):
        move = channel // group if group else 4
        down, right = {0: (0, 1), 1: (0, -1), 2: (1, 0), 3: (-1, 0)}.get(move, (0, 0))
        for row in range(height):
            for column in range(width):
                source, beside = row + down, column + right
                if 0 <= source < height and 0 <= beside < width:
                    out[:, channel, row, column] = x[:, channel, source, beside]
    return out


class TestShift:
    @settings(max_examples=40, deadline=None)
    @given(st.integers(1, 14), st.integers(1, 5), st.integers(1, 5), st.integers(1, 13), st.integers(0, 2**31))
    def test_is_its_definition(self, channels, height, width, n_div, seed):
        x = torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(shift(x, n_div), by_definition(x, n_div))

    @settings(max_examples=20, deadline=None)
    @given(st.integers(4, 12), st.integers(0, 2**31))
    def test_gradient_flows_the_opposite_way(self, n_div, seed):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(1, 12, 4, 5, dtype=torch.float64, generator=generator, requires_grad=True)
        incoming = torch.randn(1, 12, 4, 5, dtype=torch.float64, generator=generator)
        shift(x, n_div).backward(incoming)
        group = 12 // n_div
        order = list(range(12))
        for first, second in ((0, group), (2 * group, 3 * group)):
            for index in range(group):
                order[first + index], order[second + index] = order[second + index], order[first + index]
        assert torch.equal(x.grad, shift(incoming[:, order], n_div)[:, order])

    def test_leaves_its_input_alone(self):
        x = torch.randn(1, 24, 5, 5)
        before = x.clone()
        shift(x, 12)
        assert torch.equal(x, before)

    def test_entry_answers_to_the_name_of_the_code(self):
        assert isinstance(zoo.load("shift", n_div=6), Shift)

    def test_entry_refuses_other_ranks(self):
        with pytest.raises(zoo.InputError, match="expected \\(batch, channels, height, width\\)"):
            Shift(ShiftConfig())(torch.randn(24, 5, 5))


class TestNetwork:
    @pytest.fixture
    def model(self):
        torch.manual_seed(0)
        return zoo.load("shiftvit/test")

    def test_stage_maps_halve_and_double(self, model):
        maps = model.stage_maps(torch.randn(2, 3, 96, 64))
        assert [tuple(m.shape[1:]) for m in maps] == [(12, 24, 16), (24, 12, 8), (48, 6, 4), (96, 3, 2)]

    def test_logits_are_the_head_of_the_features(self, model):
        images = torch.randn(2, 3, 64, 64)
        features = model.features(images)
        assert features.shape == (2, 96)
        assert torch.equal(model(images), model.head(features))

    def test_without_a_head_it_gives_features(self):
        model = zoo.load("shiftvit/test", num_classes=0)
        assert model(torch.randn(1, 3, 32, 32)).shape == (1, 96)

    def test_stochastic_depth_grows_linearly_through_all_stages(self):
        model = ShiftViT(ShiftViTConfig(embed_dim=12, depths=[1, 2, 1, 1], drop_path=0.4))
        rates = [block.drop_path.rate for stage in model.layers for block in stage.blocks]
        assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])

    def test_dropping_every_path_leaves_the_shifts(self):
        model = zoo.load("shiftvit/test", drop_path=1.0).train()
        assert model(torch.randn(2, 3, 32, 32)).isfinite().all()

    def test_batch_norm_and_a_bare_embedding_are_options(self):
        model = zoo.load("shiftvit/test", norm="batch", patch_norm=False)
        assert isinstance(model.layers[0].blocks[0].norm2, nn.BatchNorm2d)
        assert not any(name.startswith("patch_embed.norm") for name in model.state_dict())
        assert model(torch.randn(1, 3, 32, 32)).isfinite().all()

    @pytest.mark.parametrize("shape", [(1, 1, 64, 64), (3, 64, 64), (1, 3, 0, 64)])
    def test_images_of_another_form_are_refused(self, model, shape):
        with pytest.raises(zoo.InputError, match=r"expected \(batch, 3, height, width\)"):
            model(torch.randn(shape))

    @pytest.mark.parametrize("size", [(48, 64), (64, 33), (1, 1), (95, 31)])
    def test_any_size_gives_logits_and_a_pyramid_of_its_size(self, model, size):
        images = torch.randn(1, 3, *size)
        padded = functional.pad(images, (0, -size[1] % 32, 0, -size[0] % 32))
        maps, whole = model(images, features=True), model(padded, features=True)
        for stride, found, all_of_it in zip((4, 8, 16, 32), maps, whole, strict=True):
            rows, columns = math.ceil(size[0] / stride), math.ceil(size[1] / stride)
            assert torch.equal(found, all_of_it[..., :rows, :columns])
        torch.testing.assert_close(model(images), model(padded))

    @pytest.mark.parametrize(
        ("field", "value"),
        [("depths", [1, 2, 1]), ("mlp_ratio", 0.01), ("image_size", 100), ("n_div", 0), ("norm", "layer")],
    )
    def test_bad_config_is_named(self, field, value):
        with pytest.raises(zoo.ConfigError, match=field):
            zoo.load("shiftvit/test", **{field: value})

    def test_fractional_ratio_is_floored(self):
        model = zoo.load("shiftvit/test", mlp_ratio=1.3)
        assert model.layers[0].blocks[0].mlp.fc1.out_channels == int(12 * 1.3)

    def test_maps_lie_between_zero_and_one_even_over_a_flat_image(self, model):
        for images in (torch.randn(2, 3, 64, 32), torch.zeros(2, 3, 64, 32)):
            maps = attention_maps(model, images, stage=1)
            assert maps.shape == (2, 8, 4)
            assert 0 <= maps.min() <= maps.max() <= 1


class TestCheckpoints:
    def test_official_file_loads_after_conversion(self, tmp_path):
        model = zoo.load("shiftvit/test")
        torch.save({"model": model.state_dict(), "epoch": 300}, tmp_path / "official.pth")
        path = convert_pickle(tmp_path / "official.pth")
        again = zoo.load("shiftvit/test", weights=str(path))
        assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())

    def test_conversion_takes_prefixes_off_and_leaves_our_names(self):
        tensor = torch.zeros(1)
        assert list(convert({"model.head.bias": tensor, "norm.weight": tensor}, None)) == ["head.bias", "norm.weight"]

    def test_another_size_is_refused_by_name(self, tmp_path):
        torch.save({"model": zoo.load("shiftvit/test").state_dict()}, tmp_path / "official.pth")
        path = convert_pickle(tmp_path / "official.pth")
        with pytest.raises(zoo.CheckpointMismatch, match=r"layers\.1\.blocks\.2"):
            zoo.load("shiftvit/test", depths=[1, 3, 1, 1], weights=str(path))


def test_replay_names_the_components_it_knows():
    with pytest.raises(zoo.InputError, match="shift, shiftvit"):
        replay("attention", {}, {}, {}, {})


def test_a_recording_of_other_sides_is_not_padded():
    """The authors' patch embedding drops pixels that fill no patch: they change nothing."""
    recording = read_recording(Path(__file__).parents[1] / "golden/shiftvit/shiftvit-tiny.safetensors")
    whole = torch.randn(1, 3, 67, 96, generator=torch.Generator().manual_seed(0))
    found, cut = (
        replay("shiftvit", recording.config, recording.call, recording.state, {"x": x})
        for x in (whole, whole[:, :, :64])
    )
    assert torch.equal(found["features"], cut["features"])
