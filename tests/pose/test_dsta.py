"""DSTA: what is particular to it."""

from __future__ import annotations

import json

import pytest
import torch
from PIL import Image

import zoo
from zoo.errors import ConfigError, InputError
from zoo_pose.dsta.conversion import convert
from zoo_pose.dsta.network import PART, PARTS, SLOTS, clip_indices
from zoo_pose.dsta.pictures import predict, preprocess, read_clip
from zoo_pose.skeletons import POSETRACK


def test_parameter_counts():
    assert zoo.info("dsta/resnet50").parameters == 24_745_407
    # HRNet-W48, joint tokens of 384 channels instead of 2048, and the rest alike.
    assert zoo.info("dsta/hrnet-w48").parameters == 65_325_120 + 384 * 544 + 24_745_407 - 23_508_032 - 2048 * 544
    with torch.device("meta"):
        model = zoo.load("dsta/tiny")
    assert sum(parameter.numel() for parameter in model.flow.parameters()) == 53_784


def test_slots_name_the_joints_they_stand_for():
    parts = [["head_top", "nose", "head_bottom"]]
    for limb in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")):
        parts += [[f"{side}_{joint}" for joint in limb] for side in ("left", "right")]
    named = [joint for part in parts for joint in part]
    assert len(named) == PARTS * PART
    for joint, slot in zip(POSETRACK.joints, SLOTS, strict=True):
        assert named[slot] == ("head_top" if joint.endswith("ear") else joint)


def test_both_layouts_and_any_batch():
    model = zoo.load("dsta/tiny")
    images = torch.randn(2, 9, 16, 12)
    apart = images.unflatten(1, (3, 3))
    torch.testing.assert_close(model(apart).coord, model(images).coord)
    torch.testing.assert_close(model(apart[:1]).coord, model(images).coord[:1])
    for wrong in (torch.zeros(1, 6, 16, 12), torch.zeros(1, 2, 3, 16, 12), torch.zeros(3, 16, 12)):
        with pytest.raises(InputError, match="order of time"):
            model(wrong)


def test_the_last_two_slots_skip_the_spatial_blocks():
    model = zoo.load("dsta/tiny")
    tokens = torch.randn(2, 3, 17, 16)
    found = model.spatial(tokens)
    assert torch.equal(found[:, 15:], tokens[:, 1, 15:])
    assert not torch.allclose(found[:, :15], tokens[:, 1, :15])


def test_the_order_of_frames_matters_only_with_positions():
    model = zoo.load("dsta/tiny", num_frames=3)
    tokens = torch.randn(1, 3, 17, 16)
    swapped = tokens[:, [2, 1, 0]]
    torch.testing.assert_close(model.temporal(swapped), model.temporal(tokens))
    with torch.no_grad():
        model.temporal_positions.normal_()
    assert not torch.allclose(model.temporal(swapped), model.temporal(tokens))


def test_the_mean_has_two_scalars_and_an_offset():
    model = zoo.load("dsta/tiny")
    with torch.no_grad():
        model.weighted_mean.weight.copy_(torch.tensor([0.0, 1.0]).view(1, 2, 1, 1))
        model.weighted_mean.bias.fill_(0.5)
        images = torch.randn(1, 9, 16, 12)
        expected = model.head_coord(model.spatial(model.tokens(images))[:, list(SLOTS)] + 0.5)
        torch.testing.assert_close(model(images).coord, expected)


def test_training_reaches_everything():
    model = zoo.load("dsta/tiny").train()
    found = model(torch.randn(2, 9, 16, 12))
    model.loss(found, torch.rand(2, 17, 2), torch.ones(2, 17, 2)).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_ends_of_a_clip_repeat_the_nearest_frame():
    assert clip_indices(0, 5, 3) == [0, 0, 1]
    assert clip_indices(4, 5, 5) == [2, 3, 4, 4, 4]
    assert clip_indices(0, 1, 3) == [0, 0, 0]


def test_names():
    state = {"module.Spatial_blocks.0.norm1.weight": 1, "blocks.1.attn.qkv.bias": 1, "preact.layer1.0.conv1.weight": 1}
    assert set(convert({name: torch.zeros(1) for name in state}, None)) == {
        "spatial_blocks.0.norm1.weight",
        "temporal_blocks.1.attn.qkv.bias",
        "preact.layer1.0.conv1.weight",
    }


def test_clips_of_pictures(tmp_path):
    model = zoo.load("dsta/tiny")
    frames = [Image.new("RGB", (40, 60), (shade, 0, 0)) for shade in (0, 90, 180, 250)]
    frames[0].save(tmp_path / "clip.gif", save_all=True, append_images=frames[1:])
    answer = predict(model, model.config, tmp_path / "clip.gif")
    assert answer["frame"] == 2
    assert answer["picture"].size == (40, 60)
    assert list(answer["people"][0]) == list(POSETRACK.joints)
    for index, frame in enumerate(frames):
        frame.save(tmp_path / f"{index}.png")
    (tmp_path / "clip.json").write_text(
        json.dumps({"frames": ["0.png", "1.png"], "frame": 0, "boxes": [[0, 0, 20, 30], [5, 5, 40, 60]]})
    )
    assert len(predict(model, model.config, tmp_path / "clip.json")["people"]) == 2
    images = preprocess(model.config)({"frames": frames, "frame": 3})["images"].unflatten(1, (3, 3))
    # Red grows from frame to frame, and the last one is repeated.
    red = images[0, :, 0, 32, 24]
    assert red[0] < red[1] == red[2]


def test_clips_that_cannot_be_read_say_why(tmp_path):
    frame = Image.new("RGB", (4, 4))
    for source, message in (
        ({"frames": []}, "one or more"),
        ({"frames": [frame, Image.new("RGB", (5, 4))]}, "one size"),
        ({"frames": [frame], "frame": 1}, "count from 0"),
        (tmp_path / "none.gif", "cannot be read"),
        (7, "int"),
    ):
        with pytest.raises(InputError, match=message):
            read_clip(source)
    with pytest.raises(ConfigError, match="2048"):
        zoo.load("dsta/resnet50", backbone_channels=64)
