"""YOLO9tr: what is particular to it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import zoo
from zoo.errors import ConfigError, InputError
from zoo_vision.boxes import Detections, overlap, to_corners
from zoo_vision.yolo9tr import fusion, losses, network
from zoo_vision.yolo9tr.attention import MapAttention
from zoo_vision.yolo9tr.claims import stirred
from zoo_vision.yolo9tr.conversion import convert
from zoo_vision.yolo9tr.head import cells
from zoo_vision.yolo9tr.network import predict


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("yolo9tr", 10_258_880), ("yolo9tr/road-damage", 10_202_378), ("yolo9tr/yolov9-s", 9_804_512)],
)
def test_parameter_counts(name, parameters):
    assert zoo.info(name).parameters == parameters


@given(st.integers(1, 4), st.integers(1, 5), st.sampled_from([(1, 4), (2, 6)]))
def test_attention_is_the_definition(height, width, size):
    heads, head_dim = size
    torch.manual_seed(height * 7 + width)
    layer = stirred(MapAttention(heads * head_dim, heads, 0.5, 1e-3)).double()
    x = torch.randn(1, heads * head_dim, height, width, dtype=torch.float64)
    mixed, key_dim, tokens = layer.qkv(x)[0].flatten(1), head_dim // 2, height * width
    found, values = [], []
    for head in range(heads):
        rows = mixed[head * (2 * key_dim + head_dim) :]
        query, key, value = rows[:key_dim], rows[key_dim : 2 * key_dim], rows[2 * key_dim : 2 * key_dim + head_dim]
        for token in range(tokens):
            weights = torch.stack([query[:, token] @ key[:, other] for other in range(tokens)]) / key_dim**0.5
            found.append(value @ weights.softmax(0))
        values.append(value)
    attended = torch.stack(found).view(heads, tokens, head_dim).mT.reshape(1, -1, height, width)
    expected = layer.proj(attended + layer.pe(torch.cat(values).view(1, -1, height, width)))
    torch.testing.assert_close(layer(x), expected)


def test_boxes_are_decoded_by_hand():
    model = zoo.load("yolo9tr/tiny")
    detect, config = model.model[32], model.config
    raw = [torch.full((1, 4 * 4 + 3, side, side), -20.0) for side in (4, 2, 1)]
    # Of the cell in row 1, column 0 at stride 16: distances 1, 2, 3 and 0 to the left, top, right and bottom.
    for side, distance in enumerate((1, 2, 3, 0)):
        raw[1][0, 4 * side + distance, 1, 0] = 20.0
    raw[1][0, 16 + 2, 1, 0] = 0.0
    answer = detect.decode(raw, detect.dfl)
    assert answer.shape == (1, 4 + config.num_classes, 21)
    column = answer[0, :, 16 + 2]
    assert to_corners(column[:4]).tolist() == pytest.approx([16 * -0.5, 16 * -0.5, 16 * 3.5, 16 * 1.5], abs=1e-4)
    assert column[4:].tolist() == pytest.approx([0, 0, 0.5], abs=1e-4)
    centres, strides = cells(raw)
    assert (centres * strides)[:, [0, 1, 4, 20]].tolist() == [[4, 12, 4, 16], [4, 4, 12, 16]]


@pytest.mark.parametrize("size", [(32, 64), (1, 1), (33, 47)])
def test_any_size_is_padded_to_cells(size):
    model = zoo.load("yolo9tr/tiny")
    padded = [math.ceil(side / 32) * 32 for side in size]
    count = sum(padded[0] // stride * (padded[1] // stride) for stride in (8, 16, 32))
    images = torch.rand(1, 3, *size)
    answer = model(images)
    assert answer.main.shape == answer.aux.shape == (1, 7, count)
    (found,) = model.detect(images, least_score=0.0)
    assert (found.boxes[:, 2:] <= torch.tensor([size[1], size[0]])).all()
    assert (found.boxes >= 0).all()


def test_either_head_detects():
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    main = stirred(zoo.load("yolo9tr/tiny"))
    aux = zoo.load("yolo9tr/tiny", head="aux").eval()
    aux.load_state_dict(main.state_dict())
    assert not torch.equal(main.detect(images, least_score=0)[0].boxes, aux.detect(images, least_score=0)[0].boxes)
    answer = aux(images)
    best = answer.aux[0, 4:].amax()
    assert aux.detect(images, least_score=0)[0].scores[0] == best


def test_what_overlaps_is_suppressed_within_a_class():
    model = zoo.load("yolo9tr/tiny")
    (found,) = model.detect(torch.rand(1, 3, 96, 96), least_score=0.0, threshold=0.3)
    for label in found.classes.unique():
        boxes = found.boxes[found.classes == label]
        assert (overlap(boxes, boxes).triu(1) <= 0.3).all()


def test_fusion_leaves_the_original_alone():
    model = stirred(zoo.load("yolo9tr/tiny"))
    images = torch.rand(1, 3, 32, 32)
    before = model(images).main
    merged = fusion.fused(model)
    torch.testing.assert_close(merged(images).main, before, atol=1e-3, rtol=1e-4)
    assert torch.equal(model(images).main, before)
    assert len(merged.state_dict()) < len(model.state_dict())


class TestLosses:
    def test_complete_overlap_by_hand(self):
        first = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 4.0, 2.0]])
        second = torch.tensor([[0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0], [0.0, 0.0, 2.0, 4.0]])
        shape = 4 / math.pi**2 * (math.atan(0.5) - math.atan(2)) ** 2
        overlaps = [1, 1 / 3, 1 / 3]
        expected = [1, 1 / 3 - 1 / 13, 1 / 3 - 2 / 32 - shape**2 / (1 - overlaps[2] + shape)]
        assert losses.complete_overlap(first, second).tolist() == pytest.approx(expected, abs=1e-5)

    def test_a_cell_outside_answers_for_nothing_and_a_contested_one_for_what_it_overlaps_most(self):
        centres = torch.tensor([[4.0, 4.0], [12.0, 4.0], [28.0, 28.0]])
        predicted = torch.tensor([[0.0, 0.0, 8.0, 8.0], [0.0, 0.0, 16.0, 8.0], [0.0, 0.0, 16.0, 8.0]])
        truth = Detections(
            torch.tensor([[0.0, 0.0, 16.0, 8.0], [0.0, 0.0, 8.0, 8.0]]), torch.ones(2), torch.tensor([1, 0])
        )
        found = losses.assign(torch.full((3, 2), 0.5), predicted, centres, truth)
        assert found.taken.tolist() == [True, True, False]
        assert found.boxes.tolist() == [[0, 0, 8, 8], [0, 0, 16, 8], [0, 0, 0, 0]]
        torch.testing.assert_close(found.scores, torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))

    def test_an_image_without_a_box_trains_classes_alone(self):
        model = zoo.load("yolo9tr/tiny").train()
        nothing = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long))
        losses.loss(model, torch.rand(2, 3, 64, 64), [nothing, nothing]).backward()
        boxes, classes = model.model[32].cv4[0][-1], model.model[32].cv5[0][-1]
        assert boxes.weight.grad is None or not boxes.weight.grad.any()
        assert classes.weight.grad.any()

    def test_a_few_steps_learn_one_box(self):
        torch.manual_seed(0)
        model = zoo.load("yolo9tr/tiny").train()
        images = torch.rand(2, 3, 64, 64)
        truth = [Detections(torch.tensor([[8.0, 8.0, 40.0, 32.0]]), torch.ones(1), torch.tensor([2]))] * 2
        optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-2)
        values = []
        for _ in range(15):
            value = losses.loss(model, images, truth)
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            values.append(float(value.detach()))
        assert values[-1] < 0.7 * values[0]
        # The constants of the distances are not trained.
        assert model.model[32].dfl2.conv.weight.flatten().tolist() == [0, 1, 2, 3]


def test_names_of_a_detector_without_attention_move_to_our_place():
    model = zoo.load("yolo9tr/tiny", attention=False)
    foreign = {name.replace("model.32.", "model.29."): tensor for name, tensor in model.state_dict().items()}
    assert convert(foreign, model.config).keys() == model.state_dict().keys()
    whole = zoo.load("yolo9tr/tiny")
    assert convert(whole.state_dict(), whole.config).keys() == whole.state_dict().keys()


def test_a_picture_of_any_shape_gives_boxes_within_it(tmp_path):
    model = stirred(zoo.load("yolo9tr/tiny"))
    with torch.no_grad():
        for branch in model.model[32].cv5:
            branch[-1].bias.zero_()
    path = tmp_path / "wide.png"
    Image.new("RGB", (90, 31), (10, 200, 30)).save(path)
    answer = predict(model, model.config, path)
    assert answer["picture"].size == (90, 31)
    assert answer["detections"]
    for row in answer["detections"]:
        x1, y1, x2, y2 = row["box"]
        assert 0 <= x1 <= x2 <= 90
        assert 0 <= y1 <= y2 <= 31
        assert row["class"] in (0, 1, 2)


def test_classes_have_names_where_every_class_has_one():
    for names, expected in (([], {0, 1, 2}), (["one"], {0, 1, 2}), (["one", "two", "three"], {"one", "two", "three"})):
        model = stirred(zoo.load("yolo9tr/tiny", class_names=names))
        with torch.no_grad():
            for branch in model.model[32].cv5:
                branch[-1].bias.zero_()
        answer = predict(model, model.config, Image.new("RGB", (64, 64), (10, 200, 30)))
        assert {row["class"] for row in answer["detections"]} <= expected
    assert zoo.config("yolo9tr/scenes").class_names == ["thing"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"stem_channels": [8]}, "stem_channels"),
        ({"split_channels": [7] * 10}, "even"),
        ({"inner_channels": [1] * 10}, "inner_channels"),
        ({"box_branch": 18}, "box_branch"),
        ({"image_size": 100}, "image_size"),
    ],
)
def test_configs_that_cannot_be_are_refused(fields, named):
    with pytest.raises(ConfigError, match=named):
        zoo.load("yolo9tr/tiny", **fields)


def test_blocks_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="do not divide"):
        zoo.load("partial-self-attention", dim=400)
    with pytest.raises(ConfigError, match="attn_ratio"):
        zoo.load("partial-self-attention", dim=2)
    with pytest.raises(InputError, match="height, width"):
        zoo.load("partial-self-attention/tiny")(torch.zeros(1, 8, 4, 4))


def test_the_network_is_built_once(monkeypatch):
    """Its layers were made anew for each of its 33 places."""
    built = []
    monkeypatch.setattr(network, "DualDetect", lambda config: built.append(config) or torch.nn.Identity())
    zoo.load("yolo9tr/tiny", weights=None)
    assert len(built) == 1
