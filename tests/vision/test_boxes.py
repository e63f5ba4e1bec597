"""Boxes: overlap, suppression and average precision against plain loops and hand-computed cases."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import InputError
from zoo_vision.boxes import Detections, average_precision, overlap, suppress, suppress_by_class, to_corners

box = st.tuples(*[st.integers(0, 20)] * 4).map(lambda b: [b[0], b[1], b[0] + b[2] + 1, b[1] + b[3] + 1])


def plain_overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


@given(st.lists(box, min_size=1, max_size=12), st.sampled_from([0.1, 0.45, 0.7]))
def test_suppression_is_the_greedy_loop(boxes, threshold):
    scores = [((index * 7) % 13) / 13 for index in range(len(boxes))]
    stays = []
    for index in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(plain_overlap(boxes[index], boxes[other]) <= threshold for other in stays):
            stays.append(index)
    found = suppress(torch.tensor(boxes, dtype=torch.float64), torch.tensor(scores), threshold)
    assert found.tolist() == stays


@given(st.lists(box, min_size=1, max_size=5), st.lists(box, min_size=1, max_size=5))
def test_overlap_is_the_plain_formula(first, second):
    found = overlap(torch.tensor(first, dtype=torch.float64), torch.tensor(second, dtype=torch.float64))
    assert found.flatten().tolist() == pytest.approx([plain_overlap(a, b) for a in first for b in second])


def test_classes_do_not_suppress_each_other():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 9]])
    found = suppress_by_class(boxes, torch.tensor([0.5, 0.9, 0.8]), torch.tensor([0, 1, 1]), threshold=0.5)
    assert found.classes.tolist() == [1, 0]
    assert found.scores.tolist() == pytest.approx([0.9, 0.5])


def test_nothing_found_is_an_empty_answer():
    found = suppress_by_class(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long), threshold=0.5)
    assert len(found) == 0
    assert found.to_dict() == {"detections": []}


def test_boxes_of_another_form_are_refused():
    with pytest.raises(InputError, match=r"\(n, 4\)"):
        suppress(torch.zeros(3, 5), torch.zeros(3), 0.5)


def test_corners():
    assert to_corners(torch.tensor([5.0, 6.0, 4.0, 2.0])).tolist() == [3.0, 5.0, 7.0, 7.0]


def test_average_precision_by_hand():
    truth = [Detections(torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30]]), torch.ones(2), torch.zeros(2).long())]
    # Right, wrong, right: precision 1 up to recall 1/2, then 2/3.
    found = [
        Detections(
            torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60], [20, 20, 30, 30]]),
            torch.tensor([0.9, 0.8, 0.7]),
            torch.zeros(3).long(),
        )
    ]
    assert average_precision(found, truth) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    # A second detection of the same box is wrong.
    twice = [Detections(truth[0].boxes[[0, 0, 1]], torch.tensor([0.9, 0.8, 0.7]), torch.zeros(3).long())]
    assert average_precision(twice, truth) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert average_precision(truth, truth) == 1.0
    nothing = [Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0).long())]
    assert average_precision(nothing, truth) == 0.0
