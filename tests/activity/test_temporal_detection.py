"""Intervals in time and their scores, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from zoo.errors import InputError
from zoo_activity.temporal_detection import (
    average_precision,
    average_recall,
    interval_iou,
    mean_average_precision,
    recall_area,
    soft_nms,
)

TRUTH = {"a": torch.tensor([[0.0, 10.0], [20.0, 30.0]]), "b": torch.tensor([[0.0, 4.0]])}


def test_iou_by_hand():
    found = interval_iou(torch.tensor([[0.0, 10.0], [5.0, 5.0]]), torch.tensor([[5.0, 15.0], [20.0, 30.0], [5.0, 5.0]]))
    assert found.tolist() == [[pytest.approx(1 / 3), 0, 0], [0, 0, 0]]


def test_soft_nms_by_hand():
    intervals = torch.tensor([[0.0, 0.5], [0.0, 0.4], [0.6, 0.8], [0.0, 0.3]])
    kept, scores = soft_nms(intervals, torch.tensor([0.9, 0.8, 0.7, 0.1]), alpha=0.4, low=0.5, high=0.9)
    # tIoU with the best: 0.8 (above 0.7 = 0.5 + 0.4 / 2), 0, 0.6 (not above). The second weakens the last: 0.75 > 0.66.
    second = 0.8 * math.exp(-0.64 / 0.4)
    assert kept[0].tolist() == pytest.approx([0.0, 0.5])
    assert kept[1].tolist() == pytest.approx([0.6, 0.8])
    assert scores.tolist() == pytest.approx([0.9, 0.7, second, 0.1 * math.exp(-(0.75**2) / 0.4)])
    assert len(soft_nms(intervals, torch.ones(4), keep=2)[1]) == 2
    assert len(soft_nms(intervals[:0], torch.ones(0))[1]) == 0


def test_average_precision_by_hand():
    detections = {
        # Right, a second one of the same action (wrong), right.
        "a": (torch.tensor([[0.0, 9.0], [0.0, 10.0], [21.0, 30.0]]), torch.tensor([0.9, 0.8, 0.3])),
        "c": (torch.tensor([[0.0, 4.0]]), torch.tensor([0.5])),
    }
    # Precision 1, 1/2, 1/3, 2/4; two of three actions found: (1 + 1/2) / 3.
    assert average_precision(detections, TRUTH, 0.5) == pytest.approx(0.5)
    # At 0.95 the first is wrong and the second right: precision 0, 1/2.
    assert average_precision(detections, TRUTH, 0.95) == pytest.approx(0.5 / 3)
    found = mean_average_precision({"run": detections}, {"run": TRUTH, "jump": {"a": TRUTH["b"]}, "none": {}}, (0.5,))
    assert found == {0.5: pytest.approx(0.25)}


def test_interpolation_takes_later_precisions():
    detections = {"a": (torch.tensor([[50.0, 60.0], [0.0, 10.0], [20.0, 30.0]]), torch.tensor([0.9, 0.8, 0.7]))}
    assert average_precision(detections, {"a": TRUTH["a"]}, 0.5) == pytest.approx(2 / 3)


def test_average_recall_by_hand():
    proposals = {"a": (torch.tensor([[0.0, 8.0], [20.0, 30.0]]), torch.tensor([0.9, 0.8]))}
    # One proposal: tIoU 0.8 with one of three actions reaches 7 of the 10 thresholds.
    assert average_recall(proposals, TRUTH, 1) == pytest.approx(0.7 / 3, abs=1e-6)
    assert average_recall(proposals, TRUTH, 2) == pytest.approx(1.7 / 3, abs=1e-6)
    assert recall_area(proposals, TRUTH, 3) == pytest.approx((1.2 / 3 + 1.7 / 3) / 2, abs=1e-6)


def test_what_is_not_defined_is_refused():
    with pytest.raises(InputError, match="not defined"):
        average_precision({}, {"a": torch.zeros(0, 2)}, 0.5)
    with pytest.raises(InputError, match="not defined"):
        average_recall({}, {}, 1)
    with pytest.raises(InputError, match="intervals"):
        interval_iou(torch.zeros(3), torch.zeros(1, 2))
    with pytest.raises(InputError, match="scores"):
        soft_nms(torch.zeros(2, 2), torch.zeros(3))
