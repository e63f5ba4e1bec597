"""ConvFormer: what is particular to it."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.errors import ConfigError, InputError
from zoo_pose.convformer_pose.attention import ConvolutionalAttention, DynamicConv
from zoo_pose.convformer_pose.network import JOINTS, predict


@pytest.mark.parametrize(("preset", "parameters"), [("9", 2_560_533), ("27", 2_653_647), ("243", 10_240_647)])
def test_parameter_counts(preset, parameters):
    assert zoo.info(f"convformer-pose/{preset}").parameters == parameters


def test_counts_of_variants():
    assert zoo.info("convformer-pose/9", kernels=[3]).parameters == 2_440_677
    assert zoo.info("convformer-pose/9", qkv="linear").parameters == 4_798_525
    assert round(zoo.info("convformer-pose/9", dim=64).parameters / 1e6, 2) == 10.12


@pytest.mark.parametrize("over_rows", [True, False])
def test_attention_is_the_stated_one(over_rows):
    torch.manual_seed(0)
    rows, width, heads = 5, 8, 2
    layer = ConvolutionalAttention(rows, width, heads, (3, 5), over_rows=over_rows).eval()
    x = torch.randn(1, rows, width)
    with torch.no_grad():
        parts = []
        for role in (layer.q, layer.k, layer.v):
            role.eta.normal_()
            mixed = 0
            for weight, conv in zip(role.eta.softmax(0), role.convs, strict=True):
                mixed = mixed + weight * (conv(x.transpose(1, 2)).transpose(1, 2) if over_rows else conv(x))
            parts.append(mixed[0])
        heads_out = []
        for head in range(heads):
            query, key, value = (part[:, head * 4 : head * 4 + 4] for part in parts)
            heads_out.append((query @ key.T / 2).softmax(-1) @ value)
        joined = torch.cat(heads_out, 1)
        kernel, bias = layer.out.weight[..., 0], layer.out.bias
        expected = joined @ kernel.T + bias if over_rows else kernel @ joined + bias[:, None]
        torch.testing.assert_close(layer(x)[0], expected)


def test_convolutions_of_joints_slide_over_joints():
    layer = DynamicConv(4, (3,))
    x = torch.randn(1, 4, JOINTS, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x)[0, 2, 5], x)
    assert (gradient[0] != 0).any(0).nonzero().flatten().tolist() == [4, 5, 6]
    assert (gradient[0, :, 4:7] != 0).all()


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="even"):
        zoo.load("convformer-pose", num_frames=8)
    for kernels in ([3, 4], []):
        with pytest.raises(ConfigError, match="kernels"):
            zoo.load("convformer-pose", kernels=kernels)
    with pytest.raises(InputError, match=r"\(batch, 9, 17, 2\)"):
        zoo.load("convformer-pose/tiny")(torch.zeros(1, 7, JOINTS, 2))


def test_one_frame_and_no_blocks_work():
    model = zoo.load("convformer-pose/tiny", num_frames=1, spatial_depth=0, temporal_depth=0)
    assert model(torch.randn(2, 1, JOINTS, 2)).shape == (2, 1, JOINTS, 3)


@pytest.mark.parametrize("frames", [1, 12])
def test_every_frame_of_a_track_is_lifted(frames):
    model = zoo.load("convformer-pose/tiny")
    answer = predict(model, model.config, {"keypoints": torch.rand(frames, 17, 2).tolist(), "width": 1, "height": 1})
    assert answer["frames"] == frames
