"""COPILOT: what is particular to it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import zoo
from zoo.errors import ConfigError, InputError
from zoo_activity.copilot_collision.attention import (
    from_spatial_groups,
    from_temporal_groups,
    spatial_groups,
    temporal_groups,
)
from zoo_activity.copilot_collision.benchmark import Collisions, always, forecaster
from zoo_activity.copilot_collision.config import ATTENTIONS, WorldConfig
from zoo_activity.copilot_collision.control import steer, walk
from zoo_activity.copilot_collision.network import CollisionForecast, example
from zoo_activity.copilot_collision.objective import f1, histogram_intersection, loss, metrics, region_divergence
from zoo_activity.copilot_collision.world import Scene, blurred, collisions, label, observe, random_scene, render

WORLD = WorldConfig(num_cases=6, num_views=4)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_groups_hold_what_they_say_and_come_back(attention):
    places = torch.stack(torch.meshgrid(*(torch.arange(size) for size in (2, 3, 4, 5)), indexing="ij"), -1)
    groups = spatial_groups(places, attention)
    assert torch.equal(from_spatial_groups(groups, attention, 3, 4, 5), places)
    same = {"joint": [0], "cross_view_spatial": [0, 2]}.get(attention, [0, 1, 2])
    assert all((groups[..., axis] == groups[..., :1, axis]).all() for axis in same)
    if attention != "joint":
        groups = temporal_groups(places, attention)
        assert torch.equal(from_temporal_groups(groups, attention, 3, 4, 5), places)
        same = [0, 3] if attention == "same_view_spatial" else [0, 1, 3]
        assert all((groups[..., axis] == groups[..., :1, axis]).all() for axis in same)
        assert groups.shape[1] == (12 if attention == "same_view_spatial" else 4)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_times_begin_as_an_image_model(attention):
    """At first the temporal branch adds nothing, as an image model's weights need."""
    model = zoo.load("copilot-collision/tiny", attention=attention).eval()
    block = model.blocks[0]
    cls, x = torch.randn(2, 32), torch.randn(2, 3, 2, 16, 32)
    before = block(cls, x)
    if attention != "joint":
        torch.nn.init.normal_(block.temporal_attn.qkv.weight)
        assert all(torch.equal(a, b) for a, b in zip(before, block(cls, x), strict=True))
        torch.nn.init.normal_(block.temporal_fc.weight)
        assert not torch.equal(before[1], block(cls, x)[1])


def test_outputs_and_fewer_frames():
    model = zoo.load("copilot-collision/tiny", in_channels=4, num_joints=7).eval()
    inputs = example(model.config)
    found = model(**inputs)
    assert found.collision.shape == (2,)
    assert found.joints.shape == (2, 7)
    assert found.heatmap.shape == (2, 3, 1, 32, 32)
    # A single frame is the latest one.
    with torch.no_grad():
        model.embed.time.normal_()
    _, x = model.embed(inputs["video"][:, :, -1:], torch.arange(3)[None].expand(2, -1))
    _, whole = model.embed(inputs["video"], torch.arange(3)[None].expand(2, -1))
    torch.testing.assert_close(x[:, :, 0], whole[:, :, 1])


def test_parameters_by_hand():
    dim, mlp = 384, 4 * 384
    attention = (3 * dim * dim + 3 * dim) + (dim * dim + dim)
    block = 2 * attention + (dim * dim + dim) + 3 * 2 * dim + (dim * mlp + mlp) + (mlp * dim + dim)
    embed = (3 * 256 * dim + dim) + dim + 196 * dim + 5 * dim + 6 * dim
    head = 2 * dim + (dim + 1) + (10 * dim + 10)
    heatmap = 4 * (dim * 128 + 128) + (512 * 128 + 128) + 2 * (128 * 128 * 9 + 128) + 129
    assert zoo.info("copilot-collision/small").parameters == embed + 12 * block + head + heatmap


def test_metrics_by_hand():
    region = torch.zeros(1, 2, 1, 4)
    region[0, 0, 0, :2] = 0.5
    divergence, seen = region_divergence(torch.zeros(1, 2, 1, 4), region)
    # 2 * 0.5 * ln(0.5 / 0.25) nats, and a view that sees nothing.
    assert divergence[0].tolist() == pytest.approx([math.log(2), 0])
    assert seen[0].tolist() == [1, 0]
    assert histogram_intersection(torch.zeros(1, 2, 1, 4), region)[0].tolist() == pytest.approx([0.5, 0])
    true, false = torch.tensor(True), torch.tensor(False)
    # One hit, one false alarm, two misses: 2 / (2 + 3).
    found = torch.stack((true, true, false, false, false))
    assert f1(found, torch.stack((true, false, true, true, false))) == pytest.approx(0.4)
    forecast = CollisionForecast(torch.tensor([1.0]), torch.tensor([[1.0, -1.0]]), torch.zeros(1, 2, 1, 1, 4))
    scores = metrics(forecast, torch.zeros(1), torch.tensor([[1.0, 0.0]]), region)
    assert scores["accuracy"] == 0 == scores["f1"]
    assert scores["joint_f1"] == 1
    assert scores["divergence"] == pytest.approx(math.log(2))
    value = loss(forecast, torch.zeros(1), torch.tensor([[1.0, 0.0]]), region, region_weight=2.0)
    expected = math.log1p(math.e) + math.log1p(math.exp(-1)) + 2 * math.log(2)
    assert value.item() == pytest.approx(expected)


def test_nobody_sees_anything():
    forecast = CollisionForecast(torch.zeros(1), torch.zeros(1, 2), torch.zeros(1, 2, 1, 1, 4))
    assert "divergence" not in metrics(forecast, torch.zeros(1), torch.zeros(1, 2), torch.zeros(1, 2, 1, 4))
    assert loss(forecast, torch.zeros(1), torch.zeros(1, 2), torch.zeros(1, 2, 1, 4)).item() == pytest.approx(
        2 * math.log(2)
    )


def _ahead(x: float) -> Scene:
    """A body at the origin that walks at 1 m/s along x, a box from x on."""
    return Scene(np.array([[x, -0.5, x + 1, 0.5]]), np.ones((1, 3)), np.zeros(2), np.array([1.0, 0.0]))


def test_collisions_by_hand():
    # The front joint starts at 0.4 m, reaches 1.4 m within the second, and has a radius of 0.1 m.
    joints, boxes = collisions(WORLD, _ahead(1.45))
    assert boxes.tolist() == [True]
    assert joints.nonzero()[0].tolist() == [0]
    assert not collisions(WORLD, _ahead(1.55))[1].any()
    assert not collisions(WORLD, _ahead(-2.0))[1].any()


def test_a_box_ahead_is_seen_by_the_front_camera_alone():
    pictures, owner = render(WORLD, _ahead(1.0), np.zeros(2))
    assert (owner >= 0).any((1, 2)).tolist() == [True, False, False, False]
    # At 1 m it covers half a picture's width, its top (2 m, the camera at 1 m) is at the picture's upper edge.
    assert (owner[0] >= 0).any(0).sum() == 16
    assert (owner[0, 0] >= 0).sum() == 16
    assert pictures.shape == (4, 3, 32, 32)
    # What lies to the left is on the left.
    left = Scene(np.array([[1.0, 0.2, 2.0, 0.5]]), np.ones((1, 3)), np.zeros(2), np.array([1.0, 0.0]))
    seen = (render(WORLD, left, np.zeros(2))[1][0] >= 0).any(0)
    assert seen[:16].any()
    assert not seen[16:].any()


def test_labels_and_videos_are_deterministic():
    collision, joints, region = label(WORLD, _ahead(1.0))
    assert collision == 1
    assert joints[0] == 1
    torch.testing.assert_close(region.sum((1, 2)), torch.tensor([1.0, 0, 0, 0]))
    scenes = [random_scene(WORLD, np.random.default_rng(5)) for _ in range(2)]
    assert torch.equal(observe(WORLD, scenes[0]), observe(WORLD, scenes[1]))
    assert blurred(torch.zeros(1, 8, 8)).sum() == 0
    empty = WorldConfig(num_boxes=0)
    assert label(empty, random_scene(empty, np.random.default_rng(0)))[0] == 0


def test_the_benchmark():
    task = Collisions(WORLD)
    scores = task.run(always(WORLD))
    assert scores["accuracy"] == pytest.approx(scores["colliding"])
    model = zoo.load("copilot-collision/tiny", num_views=4).eval()
    assert task.run(forecaster(model))["accuracy"] <= 1
    with pytest.raises(InputError, match="no answer"):
        task.score({})
    with pytest.raises(InputError, match="batch of 1"):
        task.run(lambda walk: model(walk.video[None].expand(2, -1, -1, -1, -1, -1)))


def test_walking_by_a_prediction():
    def forecast(view: int, logit: float) -> CollisionForecast:
        heatmap = torch.zeros(1, 4, 1, 8, 8)
        heatmap[0, view] = 9.0
        return CollisionForecast(torch.tensor([logit]), torch.zeros(1, 10), heatmap)

    scene = _ahead(1.0)
    assert steer(WORLD, scene, forecast(0, -1.0)) is scene
    # View 1 looks to the left: turn to the right.
    right, left = steer(WORLD, scene, forecast(1, 1.0)), steer(WORLD, scene, forecast(3, 1.0))
    assert right.heading == pytest.approx(-math.pi / 4)
    assert left.heading == pytest.approx(math.pi / 4)
    assert np.linalg.norm(right.velocity) == pytest.approx(0.5)
    straight = walk(WORLD, None, walks=20, steps=10, seed=0)
    careful = walk(WORLD, lambda video: forecast(0, 1.0), walks=20, steps=10, seed=0)
    assert 0 < straight < 1
    assert careful < straight
    scores = Collisions(WorldConfig(num_cases=20, num_views=4)).closed_loop(lambda walk: forecast(0, 1.0))
    assert scores == {"straight": straight, "steered": careful, "fewer": pytest.approx(1 - careful / straight)}
    never = Collisions(WorldConfig(num_cases=3, num_boxes=0)).closed_loop(lambda walk: forecast(0, -1.0))
    assert never == {"straight": 0, "steered": 0, "fewer": 0}


def test_bad_input_is_refused():
    model = zoo.load("copilot-collision/tiny")
    for shape in ((2, 3, 3, 3, 32, 32), (2, 3, 0, 3, 32, 32), (2, 3, 2, 3, 32, 16), (3, 2, 3, 32, 32)):
        with pytest.raises(InputError, match="video"):
            model(torch.zeros(shape))
    with pytest.raises(InputError, match="embeddings"):
        model(torch.zeros(1, 4, 2, 3, 32, 32))
    with pytest.raises(InputError, match="view_index"):
        model(torch.zeros(1, 2, 2, 3, 32, 32), torch.arange(3))
    for wrong in ({"image_size": 33}, {"num_layers": 6}, {"num_heads": 5}):
        with pytest.raises(ConfigError):
            zoo.load("copilot-collision", **wrong)
