"""VIRT: what is particular to it."""

from __future__ import annotations

import math

import pytest
import torch

import zoo
from zoo.errors import ConfigError, InputError
from zoo_activity.virt.gaze import NAMES, colour_boxes, colour_index, enlarged, roi_align
from zoo_activity.virt.losses import action_loss, loss
from zoo_activity.virt.network import example, grid_mask

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def _painted(colour, rows, columns, size=(20, 30)):
    image = torch.full((1, 1, 3, *size), 0.5)
    image[0, 0, :, rows, columns] = torch.tensor(colour)[:, None, None]
    return (image - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("red", (0.9, 0.0, 0.0)),
        ("green", (0.0, 0.9, 0.0)),
        ("blue", (0.0, 0.0, 1.1)),
        ("purple", (0.8, 0.05, 0.8)),
        ("yellow", (0.8, 0.8, 0.0)),
    ],
)
def test_a_colour_is_found_and_no_other(name, colour):
    image = _painted(colour, slice(3, 9), slice(10, 21))
    for index, other in enumerate(NAMES):
        box = colour_boxes(image, torch.tensor([index]), MEAN, STD)[0, 0].tolist()
        assert box == ([10, 3, 20, 8] if other == name else [0, 0, 0, 0])


def test_instructions():
    assert NAMES[colour_index("red")] == "red"
    sentence = "Please put the green box on the left and then the blue box, slowly."
    assert [NAMES[colour_index(sentence, stage)] for stage in (0, 1, 2)] == ["green", "blue", "blue"]
    with pytest.raises(InputError, match="expected a colour"):
        colour_index("Please put the box away")


def test_boxes_grow_about_their_centre_and_stay_inside():
    boxes = torch.tensor([[10.0, 8, 14, 10], [0, 0, 4, 4], [0, 0, 0, 0]])
    assert enlarged(boxes, 4.0, 30, 20).tolist() == [[4, 5, 20, 13], [0, 0, 10, 10], [0, 0, 0, 0]]


def test_roi_align_is_sampled_bin_by_bin():
    torch.manual_seed(0)
    image = torch.randn(3, 20, 30)
    for box in ([2.5, 1.0, 25.0, 18.5], [4.0, 4.0, 4.0, 4.0], [27.0, 17.0, 29.0, 19.0]):
        found = roi_align(image, torch.tensor(box), 4, 3)
        x1, y1, x2, y2 = box
        width, height = max(x2 - x1, 1), max(y2 - y1, 1)
        across, down = math.ceil(width / 4), math.ceil(height / 3)
        for row in range(3):
            for column in range(4):
                samples = []
                for i in range(down):
                    for j in range(across):
                        y = min(max(y1 + (row * down + i + 0.5) * height / (3 * down), 0), 19)
                        x = min(max(x1 + (column * across + j + 0.5) * width / (4 * across), 0), 29)
                        top, left = int(y), int(x)
                        low, right, dy, dx = min(top + 1, 19), min(left + 1, 29), y - int(y), x - int(x)
                        upper = image[:, top, left] * (1 - dx) + image[:, top, right] * dx
                        lower = image[:, low, left] * (1 - dx) + image[:, low, right] * dx
                        samples.append(upper * (1 - dy) + lower * dy)
                torch.testing.assert_close(found[:, row, column], torch.stack(samples).mean(0))


def test_the_loss_by_hand():
    actions, target = torch.zeros(1, 1, 2, 2), torch.tensor([[[1.0, -2.0], [9.0, 9.0]]])
    pad = torch.tensor([[False, True]])
    log_scale = torch.tensor([[[[0.5], [0.25]]]], requires_grad=True)
    assert action_loss(actions, target, pad).item() == 3
    value = action_loss(actions, target, pad, log_scale)
    assert value.item() == pytest.approx(math.sqrt(2) * 3 / math.exp(0.5) + 0.5 + 0.25)
    value.backward()
    assert log_scale.grad[0, 0, 1, 0] == 0 != log_scale.grad[0, 0, 0, 0]


def test_parameters_as_stated():
    assert zoo.info("virt/singlebox").parameters == zoo.info("virt/singlecolorbox").parameters == 38_625_802
    # The stage's query and its head.
    assert zoo.info("virt/multicolorbox").parameters == 38_625_802 + 512 + 3 * 512 + 3
    model = zoo.load("virt/tiny")
    # cls, table of 5, mask token, patches, norm, one block.
    block = 4 * 16 + (16 * 48 + 48) + (16 * 16 + 16) + 2 * 16 + (16 * 32 + 32) + (32 * 16 + 16)
    trunk = 16 + 5 * 16 + 16 + (3 * 14 * 14 * 16 + 16) + 2 * 16 + block
    assert sum(weight.numel() for weight in model.backbone.parameters()) == trunk


def test_stages_have_a_query_of_their_own():
    model = zoo.load("virt/tiny", predict_stage=True, num_stages=3, encoder_layers=1).eval()
    inputs = example(model.config)
    with torch.no_grad():
        before = model(**inputs)
        model.query_embed.weight[0] += 1
        after = model(**inputs)
    assert before.stage_logits.shape == (2, 2, 3)
    assert before.layer_actions.shape == (2, 2, 4, 9)
    assert not torch.equal(before.stage_logits, after.stage_logits)
    target, pad = torch.zeros(2, 4, 9), torch.zeros(2, 4, dtype=torch.bool)
    stage = torch.tensor([0, 2])
    plain = action_loss(before.layer_actions, target, pad, before.log_scale)
    logs = before.stage_logits.log_softmax(-1)
    expected = -10 * sum((logs[0, layer, 0] + logs[1, layer, 2]) / 2 for layer in range(2))
    torch.testing.assert_close(loss(before, target, pad, stage), plain + expected)
    with pytest.raises(InputError, match="stage"):
        loss(before, target, pad)


def test_relative_actions_start_from_the_last_pose():
    torch.manual_seed(0)
    model = zoo.load("virt/tiny").eval()
    relative = zoo.load("virt/tiny", output_mode="relative", uncertainty=False).eval()
    relative.load_state_dict(model.state_dict(), strict=False)
    inputs = example(model.config)
    with torch.no_grad():
        moved = relative(**inputs)
        difference = moved.actions - model(**inputs).actions
    assert moved.log_scale is None
    torch.testing.assert_close(difference[..., :7], inputs["gripper"][:, -1:, :7].expand(2, 4, 7))
    assert difference[..., 7:].abs().max() == 0


def test_a_goal_image_joins_the_memory_and_is_used():
    model = zoo.load("virt/tiny", goal_image=True).eval()
    inputs = example(model.config)
    other = {**inputs, "goal": inputs["goal"].flip(-1)}
    with torch.no_grad():
        assert not torch.equal(model(**inputs).actions, model(**other).actions)
    del inputs["goal"]
    with pytest.raises(InputError, match="goal"):
        model(**inputs)


def test_another_detector_can_say_where():
    model = zoo.load("virt/tiny").eval()
    inputs = example(model.config)
    with torch.no_grad():
        by_colour = model(**inputs)
        boxes = by_colour.boxes * torch.tensor([42.0, 28, 42, 28])
        del inputs["colour"]
        torch.testing.assert_close(model(**inputs, boxes=boxes).actions, by_colour.actions)
        moved = model(**inputs, boxes=boxes + 3)
    assert not torch.equal(moved.crops, by_colour.crops)
    with pytest.raises(InputError, match="boxes"):
        model(**inputs)


@pytest.mark.parametrize("left_out", ["past_action", "gripper", "joints"])
def test_inputs_can_be_left_out(left_out):
    switch = {"past_action": {"past_actions": 0}, "gripper": {"use_gripper": False}, "joints": {"use_joints": False}}
    whole = zoo.load("virt/tiny").eval()
    model = zoo.load("virt/tiny", **switch[left_out]).eval()
    inputs = example(whole.config)
    del inputs[left_out]
    assert model(**inputs).actions.shape == (2, 4, 9)
    with pytest.raises(InputError, match=left_out):
        whole(**inputs)


def test_the_table_of_positions_is_left_alone_on_its_own_grid():
    trunk = zoo.load("virt/tiny").backbone
    assert trunk.positions(2, 2) is trunk.pos_embed
    assert trunk.positions(2, 3).shape == (1, 7, 16)
    plain = zoo.load("virt/tiny", trunk_offset=0.0, trunk_grid=37).backbone
    assert all(plain.positions(rows, 11).shape == (1, 1 + rows * 11, 16) for rows in range(1, 40))


def test_grid_mask_blackens_squares():
    torch.manual_seed(1)
    shares = [float((grid_mask(torch.ones(1, 1, 3, 28, 42)) == 0).float().mean()) for _ in range(40)]
    assert min(shares) == 0 < max(shares) < 0.5


def test_bad_input_is_refused():
    model = zoo.load("virt/tiny")
    inputs = example(model.config)
    with pytest.raises(InputError, match="image"):
        model(**{**inputs, "image": inputs["image"][..., :-14]})
    for wrong in ({"image_width": 150}, {"trunk_heads": 5}, {"uncertainty_min": 11.0}, {"image_mean": [0.5]}):
        with pytest.raises(ConfigError):
            zoo.load("virt", **wrong)
