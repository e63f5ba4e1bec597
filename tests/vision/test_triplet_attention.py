"""Triplet attention: what is particular to it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import zoo
from zoo.nn.resnet import ResidualBlock
from zoo.weights import convert_pickle
from zoo_vision.counting import multiply_adds
from zoo_vision.triplet_attention.config import TripletConfig
from zoo_vision.triplet_attention.conversion import convert, replay
from zoo_vision.triplet_attention.gates import Gate, TripletAttention, attention_maps
from zoo_vision.triplet_attention.networks import TripletBlock


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("triplet-attention", 300),
        ("triplet-attention/k3", 60),
        ("triplet-attention-resnet/18", 11_691_912),
        ("triplet-attention-resnet/50", 25_561_832),
        ("triplet-attention-resnet/101", 44_559_060),
    ],
)
def test_parameter_counts(name, parameters):
    assert zoo.info(name).to_dict()["parameters"] == parameters


@pytest.mark.parametrize(
    ("name", "plain", "modules"),
    [
        ("triplet-attention-resnet/18", 11_689_512, 8),
        ("triplet-attention-resnet/34", 21_797_672, 16),
        ("triplet-attention-resnet/50", 25_557_032, 16),
        ("triplet-attention-mobilenetv2", 3_504_872, 17),
    ],
)
@pytest.mark.parametrize(("options", "each"), [({}, 300), ({"kernel_size": 3}, 60), ({"no_spatial": True}, 200)])
def test_every_block_carries_one_module(name, plain, modules, options, each):
    def count(**overrides):
        return zoo.info(name, **overrides).to_dict()["parameters"]

    assert count(triplet=False) == plain
    assert count(**options) == plain + modules * each


def randomised(module):
    """Batch norms as after training, so that a test sees them."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for tensor in (part.weight.data, part.bias.data, part.running_mean):
                tensor.normal_()
            part.running_var.uniform_(0.5, 2)
    return module.eval()


def by_definition(x, module):
    """The module's equation, with every permutation written out."""

    def gate(t, part):
        pooled = torch.stack((t.max(1).values, t.mean(1)), 1)
        norm = part.conv.bn
        u = functional.conv2d(pooled, part.conv.conv.weight, padding=part.conv.conv.padding)
        u = (u - norm.running_mean) / (norm.running_var + 1e-5).sqrt() * norm.weight + norm.bias
        return t / (1 + (-u).exp())

    parts = [
        gate(x.permute(0, 2, 1, 3), module.cw).permute(0, 2, 1, 3),
        gate(x.permute(0, 3, 2, 1), module.hc).permute(0, 3, 2, 1),
    ]
    if module.hw is not None:
        parts.append(gate(x, module.hw))
    return sum(parts) / len(parts)


class TestModule:
    @settings(max_examples=30, deadline=None)
    @given(st.tuples(*[st.integers(1, 9)] * 3), st.sampled_from([1, 3, 5, 7]), st.booleans(), st.integers(0, 2**31))
    def test_is_its_definition(self, sizes, kernel_size, no_spatial, seed):
        torch.manual_seed(seed)
        module = randomised(TripletAttention(TripletConfig(kernel_size, no_spatial)).double())
        x = torch.randn(2, *sizes, dtype=torch.float64)
        torch.testing.assert_close(module(x), by_definition(x, module), rtol=1e-12, atol=1e-12)

    def test_gates_of_half_halve_the_input(self):
        module = TripletAttention(TripletConfig()).eval()
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                nn.init.zeros_(part.weight)
        x = torch.randn(1, 4, 5, 6)
        torch.testing.assert_close(module(x), x / 2)

    def test_running_statistics_move_slowly(self):
        assert Gate(7).conv.bn.momentum == 0.01

    def test_other_ranks_are_refused(self):
        with pytest.raises(zoo.InputError, match="expected \\(batch, channels, height, width\\)"):
            TripletAttention(TripletConfig())(torch.randn(4, 5, 6))

    @pytest.mark.parametrize(
        "entry", ["triplet-attention", "triplet-attention-resnet", "triplet-attention-mobilenetv2"]
    )
    def test_even_kernels_are_refused(self, entry):
        with pytest.raises(zoo.ConfigError, match="kernel_size=4 is even"):
            zoo.load(entry, kernel_size=4)


class TestNetworks:
    def test_small_images_keep_their_resolution_up_to_stage_two(self):
        model = zoo.load("triplet-attention-resnet/test")
        shapes = [tuple(stage.shape[1:]) for stage in model.maps(torch.randn(1, 3, 32, 32))]
        assert shapes == [(8, 32, 32), (16, 16, 16), (32, 8, 8), (64, 4, 4)]

    def test_imagenet_stem_divides_by_four(self):
        model = zoo.load("triplet-attention-resnet/test", network_type="ImageNet")
        assert model.maps(torch.randn(1, 3, 224, 224))[-1].shape == (1, 64, 7, 7)

    def test_plain_spatial_gates_start_at_one_half(self):
        torch.manual_seed(0)
        model = zoo.load("triplet-attention-resnet/test")
        assert torch.equal(attention_maps(model, torch.randn(1, 3, 32, 32)), torch.full((1, 32, 32), 0.5))

    @pytest.mark.parametrize(
        ("field", "value"), [("depth", 20), ("depths", [1, 1]), ("network_type", "MNIST"), ("num_classes", 0)]
    )
    def test_bad_config_is_named(self, field, value):
        with pytest.raises(zoo.ConfigError, match=field):
            zoo.load("triplet-attention-resnet/test", **{field: value})

    def test_depth_with_own_depths_still_says_which_block(self):
        shallow = zoo.load("triplet-attention-resnet", depth=50, depths=[1, 1, 1, 1], width=8, num_classes=3)
        assert shallow.fc.in_features == 8 * 8 * 4

    def test_mobilenet_appends_the_module_to_flat_sequences(self):
        model = zoo.load("triplet-attention-mobilenetv2/test")
        places = [name for name, part in model.named_modules() if isinstance(part, TripletAttention)]
        assert places == ["features.1.conv.5", *(f"features.{index}.conv.8" for index in range(2, 18))]

    @pytest.mark.parametrize("entry", ["triplet-attention-resnet", "triplet-attention-mobilenetv2"])
    @pytest.mark.parametrize("size", [(64, 96), (65, 33), (1, 1)])
    def test_backbones_give_a_pyramid(self, entry, size):
        options = {"network_type": "ImageNet"} if entry.endswith("resnet") else {}
        model = zoo.load(f"{entry}/test", **options)
        maps = model(torch.randn(1, 3, *size), features=True)
        sides = [tuple(math.ceil(side / stride) for side in size) for stride in (4, 8, 16, 32)]
        assert [tuple(found.shape[-2:]) for found in maps] == sides

    def test_mobilenet_kernel_is_obeyed(self):
        model = zoo.load("triplet-attention-mobilenetv2/test", kernel_size=3)
        assert model.features[1].conv[5].cw.conv.conv.kernel_size == (3, 3)


class TestMaps:
    def test_are_the_gates_of_the_chosen_block(self):
        torch.manual_seed(0)
        model = randomised(zoo.load("triplet-attention-resnet/test"))
        images = torch.randn(2, 3, 32, 32)
        first, last = attention_maps(model, images), attention_maps(model, images, block=-1)
        assert first.shape == (2, 32, 32)
        assert last.shape == (2, 4, 4)
        block = model.layer1[0]
        stem = model.bn1(model.conv1(images)).relu()
        with torch.no_grad():
            branch = ResidualBlock.branch(block, stem)
            expected = block.triplet_attention.hw.weights(branch)[:, 0]
        torch.testing.assert_close(first, expected)
        assert not model.layer1[0].triplet_attention.hw._forward_pre_hooks

    def test_of_other_hosts(self):
        images = torch.randn(1, 3, 32, 32)
        assert attention_maps(zoo.load("triplet-attention-mobilenetv2/test"), images).shape == (1, 16, 16)
        assert attention_maps(zoo.load("triplet-attention"), torch.randn(1, 6, 5, 4)).shape == (1, 5, 4)

    @pytest.mark.parametrize(
        ("options", "block"), [({"no_spatial": True}, 0), ({"triplet": False}, 0), ({}, 4), ({}, -5)]
    )
    def test_missing_gates_are_an_error(self, options, block):
        model = zoo.load("triplet-attention-resnet/test", **options)
        with pytest.raises(zoo.InputError, match="gates over the H-W plane"):
            attention_maps(model, torch.randn(1, 3, 32, 32), block)


def old_names(state):
    """As the published checkpoints name the gates."""
    renamed = {}
    for name, tensor in state.items():
        for new, old in (("cw", "ChannelGateH"), ("hc", "ChannelGateW"), ("hw", "SpatialGate")):
            name = name.replace(f"{new}.conv.", f"{old}.spatial.")
        renamed[name] = tensor
    return renamed


class TestCheckpoints:
    @pytest.mark.parametrize("name", ["triplet-attention-resnet/test", "triplet-attention-mobilenetv2/test"])
    def test_published_form_loads_after_conversion(self, name, tmp_path):
        torch.manual_seed(0)
        model = randomised(zoo.load(name))
        state = {f"module.{key}": tensor for key, tensor in old_names(model.state_dict()).items()}
        assert any("SpatialGate.spatial.bn" in key for key in state)
        torch.save({"epoch": 99, "arch": "resnet", "state_dict": state}, tmp_path / "published.pth")
        again = zoo.load(name, weights=str(convert_pickle(tmp_path / "published.pth")))
        assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())

    def test_conversion_leaves_our_names_alone(self):
        state = zoo.load("triplet-attention-resnet/test").state_dict()
        assert list(convert(state, None)) == list(state)

    def test_wrapper_in_the_names_goes(self):
        assert list(convert({"state_dict.module.fc.bias": torch.zeros(1)}, None)) == ["fc.bias"]


class TestRecordedBlocks:
    @pytest.mark.parametrize("kind", ["BasicBlock", "Bottleneck"])
    @pytest.mark.parametrize("triplet", [True, False])
    @pytest.mark.parametrize(("stride", "inplanes", "project"), [(1, 16, False), (1, 16, True), (2, 6, True)])
    def test_any_block_replays(self, kind, triplet, stride, inplanes, project):
        torch.manual_seed(0)
        planes = 16 if kind == "BasicBlock" else 4
        arguments = (inplanes, planes, stride, kind == "Bottleneck", project)
        block = TripletBlock(*arguments, triplet=TripletConfig()) if triplet else ResidualBlock(*arguments)
        block = randomised(block)
        assert (block.downsample is not None) == project
        config = {"block": kind, "inplanes": inplanes, "planes": planes, "stride": stride}
        config |= {"downsample": project, "use_triplet_attention": triplet}
        x = torch.randn(2, inplanes, 9, 8)
        outputs = replay("resnet-block", config, {}, old_names(block.state_dict()), {"x": x})
        assert torch.equal(outputs["y"], block(x))

    def test_unknown_component_is_named(self):
        with pytest.raises(zoo.InputError, match="triplet-module, resnet-block"):
            replay("mobilenet", {}, {}, {}, {})


class TestCounting:
    def test_by_hand(self):
        model = nn.Sequential(
            nn.Conv2d(4, 6, 3, padding=1, groups=2),
            nn.BatchNorm2d(6),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 5),
        )
        image = torch.randn(2, 4, 7, 5)
        convolution, norm, head = 2 * 6 * 35 * 2 * 9, 2 * 6 * 35, 2 * 5 * 6
        assert multiply_adds(model, image) == convolution + head
        assert multiply_adds(model, image, per_norm_output=2) == convolution + 2 * norm + head

    def test_leaves_the_model_as_it_was(self):
        model = TripletAttention(TripletConfig()).train()
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        multiply_adds(model, torch.randn(2, 3, 8, 8))
        assert model.training
        assert not any(part._forward_hooks for part in model.modules())
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
