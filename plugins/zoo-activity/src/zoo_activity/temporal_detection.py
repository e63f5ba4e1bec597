"""Intervals in time, (count, 2) of start and end in one unit throughout: overlap, soft-NMS, and the field's scores."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from zoo.errors import InputError

# tIoU thresholds of ActivityNet and of THUMOS-14.
ACTIVITYNET = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
THUMOS = (0.3, 0.4, 0.5, 0.6, 0.7)


def _require_intervals(*intervals: Tensor) -> None:
    for these in intervals:
        if these.ndim != 2 or these.shape[1] != 2:
            raise InputError(f"intervals {list(these.shape)}; expected (count, 2), start and end")


def interval_iou(a: Tensor, b: Tensor) -> Tensor:
    """Temporal intersection over union of each with each: (A, 2) and (B, 2) to (A, B), in 0..1.

    tIoU = max(0, min(ends) - max(starts)) / (sum of lengths - intersection); 0 where both are empty.
    """
    _require_intervals(a, b)
    first, second = a[:, None], b[None]
    both = (torch.minimum(first[..., 1], second[..., 1]) - torch.maximum(first[..., 0], second[..., 0])).clamp(min=0)
    union = (first[..., 1] - first[..., 0]) + (second[..., 1] - second[..., 0]) - both
    return torch.where(union > 0, both / torch.where(union > 0, union, 1), 0)


def soft_nms(
    intervals: Tensor, scores: Tensor, *, alpha: float = 0.4, low: float = 0.5, high: float = 0.9, keep: int = 100
) -> tuple[Tensor, Tensor]:
    """Take the best interval, weaken those that overlap it, and so on: intervals and scores as taken, best first.

    Each interval that is left is multiplied by exp(-tIoU^2 / alpha) where its tIoU with the one taken exceeds
    low + (high - low) * length of the one taken; intervals are in shares of the whole, 0 to 1.
    """
    _require_intervals(intervals)
    if scores.shape != intervals.shape[:1]:
        raise InputError(f"scores {list(scores.shape)}; expected one for each of {len(intervals)} intervals")
    left, found = scores.clone(), []
    weights = []
    for _ in range(min(keep, len(intervals))):
        best = int(left.argmax())
        found.append(best)
        weights.append(left[best].clone())
        overlap = interval_iou(intervals[best : best + 1], intervals)[0]
        width = intervals[best, 1] - intervals[best, 0]
        weaker = torch.exp(-overlap.square() / alpha)
        left = torch.where(overlap > low + (high - low) * width, left * weaker, left)
        left[best] = -torch.inf
    return intervals[found], torch.stack(weights) if weights else scores[:0]


def average_precision(
    detections: Mapping[str, tuple[Tensor, Tensor]], truth: Mapping[str, Tensor], threshold: float
) -> float:
    """Average precision of one class, a share: the area under the interpolated precision-recall curve.

    Detections of all videos are taken by falling score; each is right when its best tIoU among the actions of its video
    that no earlier one claimed is ``threshold`` or more. AP = sum over detections k of
    (R_k - R_(k-1)) max_(j >= k) P_j.

    Args:
        detections: video -> intervals (count, 2), scores (count,).
        truth: video -> intervals (count, 2) of the class.
        threshold: on the tIoU.
    """
    total = sum(len(these) for these in truth.values())
    if not total:
        raise InputError("no actions of this class: its average precision is not defined")
    ranked = sorted(
        ((float(score), video, row) for video, (_, scores) in detections.items() for row, score in enumerate(scores)),
        key=lambda item: -item[0],
    )
    free = {video: torch.ones(len(these), dtype=torch.bool) for video, these in truth.items()}
    right = []
    for _, video, row in ranked:
        hit = False
        if video in truth and bool(free[video].any()):
            overlap = interval_iou(detections[video][0][row : row + 1], truth[video])[0] * free[video]
            best = int(overlap.argmax())
            hit = bool(overlap[best] >= threshold)
            free[video][best] &= not hit
        right.append(hit)
    precision = [sum(right[: k + 1]) / (k + 1) for k in range(len(right))]
    return sum(max(precision[k:]) for k, hit in enumerate(right) if hit) / total


def mean_average_precision(
    detections: Mapping[str, Mapping[str, tuple[Tensor, Tensor]]],
    truth: Mapping[str, Mapping[str, Tensor]],
    thresholds: Sequence[float] = ACTIVITYNET,
) -> dict[float, float]:
    """mAP by tIoU threshold, shares: the mean of ``average_precision`` over classes that have actions.

    Args:
        detections: class -> video -> intervals, scores.
        truth: class -> video -> intervals.
        thresholds: on the tIoU; the average mAP is the mean over ``ACTIVITYNET``.
    """
    classes = [name for name, videos in truth.items() if any(len(these) for these in videos.values())]
    if not classes:
        raise InputError("no class has actions: mAP is not defined")
    return {
        threshold: sum(average_precision(detections.get(name, {}), truth[name], threshold) for name in classes)
        / len(classes)
        for threshold in thresholds
    }


def average_recall(
    proposals: Mapping[str, tuple[Tensor, Tensor]],
    truth: Mapping[str, Tensor],
    number: int,
    thresholds: Sequence[float] = ACTIVITYNET,
) -> float:
    """AR@AN, a share: actions that one of the ``number`` best proposals of their video overlaps, over all actions.

    AR = mean over thresholds of #(actions with tIoU >= threshold) / #actions. Videos without proposals count.
    """
    best = []
    for video, actions in truth.items():
        if not len(actions):
            continue
        intervals, scores = proposals.get(video, (actions[:0], actions[:0, 0]))
        chosen = intervals[scores.argsort(descending=True, stable=True)[:number]]
        overlap = interval_iou(chosen, actions)
        best.append(overlap.amax(0) if len(chosen) else actions.new_zeros(len(actions)))
    if not best:
        raise InputError("no actions: recall is not defined")
    reached = torch.cat(best)
    return float(torch.stack([(reached >= threshold).double().mean() for threshold in thresholds]).mean())


def recall_area(proposals: Mapping[str, tuple[Tensor, Tensor]], truth: Mapping[str, Tensor], most: int = 100) -> float:
    """Area under AR@AN for AN = 1..most over ``most - 1`` by trapezoids, a share; AR@1 where ``most`` is 1."""
    recalls = [average_recall(proposals, truth, number) for number in range(1, most + 1)]
    if most == 1:
        return recalls[0]
    return math.fsum((a + b) / 2 for a, b in itertools.pairwise(recalls)) / (most - 1)
