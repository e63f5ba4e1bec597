"""KTPFormer: what is particular to it."""

from __future__ import annotations

import json

import pytest
import torch

import zoo
from zoo.errors import ConfigError, InputError
from zoo_pose.ktpformer import training
from zoo_pose.ktpformer.conversion import convert
from zoo_pose.ktpformer.network import JOINTS, predict
from zoo_pose.ktpformer.priors import KPA, TPA


@pytest.mark.parametrize(("preset", "parameters"), [("243", 35_213_430), ("81", 34_859_622), ("27", 34_765_014)])
def test_parameter_counts(preset, parameters):
    assert zoo.info(f"ktpformer/{preset}").parameters == parameters


def test_counts_of_the_priors():
    with torch.device("meta"):
        assert sum(p.numel() for p in KPA(2, 512).parameters()) == 12_577
        assert sum(p.numel() for p in TPA(512, 243).parameters()) == 1_418_578


def test_topologies():
    skeleton = KPA(2, 4).gconv.adjacency
    # The pelvis has three neighbours, an ankle one, and everything itself.
    assert skeleton[0, [0, 1, 4, 7]].tolist() == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3])
    assert len(skeleton[0].nonzero()) == 4
    assert skeleton[3].nonzero().flatten().tolist() == [2, 3]
    assert skeleton[3, 2] == 1
    frames = TPA(4, 4).gconv1.gconv.adjacency
    expected = [[1, 1, 0, 0], [0.5, 1, 0.5, 0], [0, 0.5, 1, 0.5], [0, 0, 1, 1]]
    assert frames.tolist() == expected


def test_the_graph_layer_is_the_stated_sum():
    torch.manual_seed(0)
    layer = KPA(2, 3).gconv
    with torch.no_grad():
        layer.M.normal_()
        layer.adj2.normal_()
        x = torch.randn(1, JOINTS, 2)
        found = layer(x)
    total = layer.adjacency + layer.adj2
    for j in range(JOINTS):
        expected = layer.bias.clone()
        for k in range(JOINTS):
            weight = (total[j, k] + total[k, j]) / 2
            expected = expected + weight * layer.M[k] * (x[0, k] @ layer.W[0 if j == k else 1])
        torch.testing.assert_close(found[0, j], expected)


def test_frames_and_joints_keep_their_places():
    """Without attention over frames, a frame's tokens after the kinematic block depend on that frame alone."""
    model = zoo.load("ktpformer/tiny")
    keypoints = torch.randn(1, 9, JOINTS, 2, requires_grad=True)
    tokens = model.kinematic(keypoints).unflatten(0, (1, JOINTS))
    (gradient,) = torch.autograd.grad(tokens[0, 5, 3, 0], keypoints)
    assert gradient[0, 3].abs().sum() > 0
    assert gradient[0, torch.arange(9) != 3].abs().max() == 0


def test_names_with_and_without_module():
    state = {"module.kpattention.attn.kpa.gconv.W": torch.zeros(1), "module.STEblocks.1.norm1.weight": torch.zeros(1)}
    assert set(convert(state, None)) == {"kpa_block.attn.prior.gconv.W", "spatial_blocks.1.norm1.weight"}


def test_windows_of_another_length_are_refused():
    model = zoo.load("ktpformer/tiny")
    with pytest.raises(InputError, match=r"\(batch, 9, 17, 2\)"):
        model(torch.zeros(1, 8, JOINTS, 2))
    with pytest.raises(ConfigError, match="num_heads"):
        zoo.load("ktpformer/tiny", num_heads=3)


def test_the_loss_by_hand():
    truth = torch.zeros(1, 2, JOINTS, 3)
    predicted = truth.clone()
    predicted[0, 1, 13, 0] = 1.0
    # One left wrist (weight 4) is 1 off in the second of two frames, and moved by 1.
    expected = 4 / (2 * JOINTS) + 0.5 * 4 / (3 * JOINTS) + 2 * 1 / JOINTS
    assert training.loss(predicted, truth).item() == pytest.approx(expected)


@pytest.mark.parametrize("frames", [1, 9, 23])
def test_a_track_of_any_length_is_lifted(tmp_path, frames):
    model = zoo.load("ktpformer/tiny")
    keypoints = torch.rand(frames, 17, 3) * 200
    path = tmp_path / "track.json"
    path.write_text(json.dumps({"keypoints": keypoints.tolist(), "width": 320, "height": 240, "skeleton": "coco"}))
    answer = predict(model, model.config, path)
    assert answer["frames"] == frames
    assert answer["picture"].width > 100
    poses = json.loads(answer["poses"][1])
    assert len(poses["joints"]) == frames
    assert poses["joints"][0][0] == [0, 0, 0]
