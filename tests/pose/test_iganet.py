"""IGANet: what is particular to it."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.errors import ConfigError, InputError
from zoo_pose.iganet.conversion import convert
from zoo_pose.iganet.layers import GCN, JOINTS, UMLP, adjacency
from zoo_pose.iganet.network import predict
from zoo_pose.skeletons import HUMAN36M


@pytest.mark.parametrize(("preset", "parameters"), [("3", 10_623_663), ("2", 7_141_003), ("4", 14_106_323)])
def test_parameter_counts(preset, parameters):
    assert zoo.info(f"iganet/{preset}").parameters == parameters


def test_the_scales_do_not_train():
    model = zoo.load("iganet/tiny")
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert frozen == [f"blocks.{index}.s_{edge}" for index in (0, 1) for edge in ("gcn2attn", "attn2gcn")]


def test_slices():
    slices = adjacency()
    torch.testing.assert_close(slices.sum((0, 1)), torch.ones(JOINTS))
    assert ((slices > 0).sum(0) <= 1).all()
    knee, hip, ankle, other = (HUMAN36M.index(name) for name in ("left_knee", "left_hip", "left_ankle", "right_knee"))
    # A knee's column: itself, the hip, the ankle, the other knee.
    assert slices[0, knee, knee] == slices[2, hip, knee] == slices[1, ankle, knee] == slices[3, other, knee] == 0.25
    assert (slices[:, :, knee] > 0).sum() == 4


def test_the_graph_layer_is_the_stated_sum():
    torch.manual_seed(0)
    layer = GCN(3)
    x = torch.randn(1, JOINTS, 3)
    weight, bias = layer.linear.weight.view(4, 3, 3), layer.linear.bias.view(4, 3)
    slices = adjacency()
    with torch.no_grad():
        for w in range(JOINTS):
            expected = torch.zeros(3)
            for k in range(4):
                for v in range(JOINTS):
                    expected += (weight[k] @ x[0, v] + bias[k]) * slices[k, v, w]
            torch.testing.assert_close(layer(x)[0, w], expected)


def test_umlp_has_a_residual_across_and_an_activation_after_the_way_up():
    layer = UMLP(4, 2, 0.0)
    with torch.no_grad():
        layer.across.weight.zero_()
        layer.across.bias.fill_(-30.0)
        x = torch.randn(5, 4)
        gelu = torch.nn.functional.gelu
        torch.testing.assert_close(layer(x), gelu(layer.up(gelu(layer.down(x)))))


def test_kernels_of_size_one_become_matrices():
    state = {"IGANet.blocks.0.GCN_Block1.conv1d.weight": torch.zeros(8, 2, 1), "encoder.fc5.bias": torch.zeros(2)}
    assert {name: tuple(value.shape) for name, value in convert(state, None).items()} == {
        "blocks.0.gcn1.linear.weight": (8, 2),
        "encoder.3.bias": (2,),
    }


def test_frames_are_lifted_each_by_itself():
    model = zoo.load("iganet/tiny")
    keypoints = torch.randn(2, 3, JOINTS, 2)
    found = model(keypoints)
    assert found.shape == (2, 3, JOINTS, 3)
    torch.testing.assert_close(found[:, 1:2], model(keypoints[:, 1:2]))
    with pytest.raises(InputError, match="17, 2"):
        model(keypoints[:, 0])
    answer = predict(model, model.config, {"keypoints": torch.rand(17, 2).tolist(), "width": 1, "height": 1})
    assert answer["frames"] == 1


def test_configs_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="num_heads"):
        zoo.load("iganet", num_heads=7)
    with pytest.raises(ConfigError, match="encoder_widths"):
        zoo.load("iganet", dim=12, num_heads=4)
    assert zoo.load("iganet/tiny", dim=12, num_heads=4, encoder_widths=[5], mlp_dim=3).encoder[0].out_features == 5
