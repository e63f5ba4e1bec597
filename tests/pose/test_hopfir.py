"""HopFIR: what is particular to it."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.errors import ConfigError, InputError
from zoo_pose.hopfir.layers import JOINTS, LIMBS, TORSO, SemanticGraphConv, hop_matrices
from zoo_pose.hopfir.network import predict
from zoo_pose.skeletons import HUMAN36M


def test_groups():
    assert LIMBS == ((1, 2, 3), (4, 5, 6), (14, 15, 16), (11, 12, 13))
    assert TORSO == (0, 7, 8, 9, 10)


def test_hops_by_hand():
    hops = hop_matrices(9)
    # One limb from the thorax: spine, nose and both shoulders.
    assert hops[1, 8].nonzero().flatten().tolist() == [7, 9, 11, 14]
    assert hops[1, 8].sum() == 1
    assert torch.equal(hops[0], torch.eye(JOINTS))
    # Eight limbs lie between an ankle and a wrist alone.
    assert hops[8].nonzero().tolist() == [[3, 13], [3, 16], [6, 13], [6, 16], [13, 3], [13, 6], [16, 3], [16, 6]]


@pytest.mark.parametrize("attend", ["joints", "hops"])
@pytest.mark.parametrize("num_hops", [4, 9])
def test_attention_is_the_stated_one(attend, num_hops):
    """Joint by joint; nine hops have empty groups."""
    torch.manual_seed(0)
    layer = zoo.load("hopfir-attention", dim=18 if num_hops == 9 else 16, num_hops=num_hops, attend=attend).eval()
    dim, width = layer.config.dim, layer.config.dim // num_hops
    x = torch.randn(1, JOINTS, dim)
    distances = torch.tensor(HUMAN36M.distances())
    with torch.no_grad():
        expected = torch.zeros(JOINTS, dim)
        groups = torch.zeros(num_hops, JOINTS, dim)
        there = torch.zeros(num_hops, JOINTS, dtype=torch.bool)
        for k in range(num_hops):
            for j in range(JOINTS):
                members = distances[j] == k
                there[k, j] = members.any()
                groups[k, j] = x[0, members].mean(0) if members.any() else 0
        for i in range(JOINTS):
            own = []
            for k in range(num_hops):
                query = x[0, i] @ layer.q[k]
                if attend == "joints":
                    keys, values = groups[k, there[k]] @ layer.k[k], groups[k, there[k]] @ layer.v[k]
                    expected[i, k * width : (k + 1) * width] = (keys @ query / width**0.5).softmax(0) @ values
                else:
                    own.append(query @ (groups[k, i] @ layer.k[k]) / width**0.5 if there[k, i] else -torch.inf)
            if attend == "hops":
                for k, weight in enumerate(torch.tensor(own).softmax(0)):
                    expected[i, k * width : (k + 1) * width] = weight * (groups[k, i] @ layer.v[k])
        torch.testing.assert_close(layer(x)[0], layer.out(expected))


def test_a_tip_hears_its_limb_and_nobody_else_hears_the_path():
    layer = zoo.load("hopfir-refinement/tiny").eval()
    x = torch.randn(2, JOINTS, 16)
    with torch.no_grad():
        before = layer(x)
        layer.tip[2].bias += 1.0
        after = layer(x)
    changed = (after - before).abs().amax((0, 2)) > 1e-6
    assert changed.nonzero().flatten().tolist() == [3, 6, 13, 16]


def test_semantic_convolution_weighs_edges_alone():
    layer = SemanticGraphConv(3, 2)
    with torch.no_grad():
        layer.e.normal_()
        x = torch.randn(1, JOINTS, 3)
        found = layer(x)
        near = [8, 7, 9, 11, 14]
        weights = layer.e[8, near].softmax(0)
        expected = weights[0] * (x[0, 8] @ layer.W[0]) + layer.bias
        for weight, joint in zip(weights[1:], near[1:], strict=True):
            expected = expected + weight * (x[0, joint] @ layer.W[1])
    torch.testing.assert_close(found[0, 8], expected)


@pytest.mark.parametrize("switch", ["hop_attention", "refinement"])
def test_switches_take_parts_away(switch):
    whole, without = zoo.info("hopfir/tiny").parameters, zoo.info("hopfir/tiny", **{switch: False}).parameters
    dim = 16
    part = 3 * dim * dim + dim * dim + dim + 2 * dim
    if switch == "refinement":
        part = (3 * dim * dim + 3 * dim) + (dim * dim + dim) + (3 * dim * dim + dim) + (dim * dim + dim) + 2 * dim
    assert whole - without == part


def test_both_shapes_and_single_frames():
    model = zoo.load("hopfir/tiny")
    keypoints = torch.randn(3, JOINTS, 2)
    torch.testing.assert_close(model(keypoints[:, None])[:, 0], model(keypoints))
    for wrong in (torch.zeros(3, 2, JOINTS, 2), torch.zeros(3, 16, 2), torch.zeros(JOINTS, 2)[0]):
        with pytest.raises(InputError, match="keypoints"):
            model(wrong)
    with pytest.raises(InputError, match="tokens"):
        zoo.load("hopfir-attention/tiny")(torch.zeros(1, 16, 16))


def test_configs_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="num_hops"):
        zoo.load("hopfir", num_hops=3)
    with pytest.raises(ConfigError, match="num_hops"):
        zoo.load("hopfir", num_hops=10)


def test_a_track_is_lifted():
    model = zoo.load("hopfir/tiny")
    answer = predict(model, model.config, {"keypoints": torch.rand(3, 17, 2).tolist(), "width": 1, "height": 1})
    assert answer["frames"] == 3
