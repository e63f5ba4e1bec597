"""The errors and scores that the field trusts, each with its formula and unit.

Joints are tensors (..., joints, coordinates), errors come in the unit of the joints: give metres, get metres. Means
are over all axes but those that a function says it keeps; ``predicted`` is p, ``truth`` is t below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.errors import InputError


def joint_errors(predicted: Tensor, truth: Tensor) -> Tensor:
    """|p_j - t_j|: (..., joints), in the unit of the joints."""
    if predicted.shape != truth.shape or predicted.ndim < 2:
        raise InputError(
            f"predicted {list(predicted.shape)} and truth {list(truth.shape)}; expected two equal shapes "
            "(..., joints, coordinates)"
        )
    return torch.linalg.vector_norm(predicted - truth, dim=-1)


def mpjpe(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean per joint position error: mean over j of |p_j - t_j|; (...), one number per pose, in the joints' unit.

    Make both relative to the root first (``skeletons.root_relative``), as protocol 1 of Human3.6M does.
    """
    return joint_errors(predicted, truth).mean(-1)


def n_mpjpe(predicted: Tensor, truth: Tensor) -> Tensor:
    """MPJPE after the best scale: s = <p, t> / <p, p> over the pose, then mean_j |s p_j - t_j|; (...)."""
    joint_errors(predicted, truth)
    scale = (predicted * truth).sum((-2, -1), keepdim=True)
    size = predicted.square().sum((-2, -1), keepdim=True)
    return mpjpe(predicted * scale / size.clamp(min=torch.finfo(size.dtype).tiny), truth)


def p_mpjpe(predicted: Tensor, truth: Tensor) -> Tensor:
    """MPJPE after the best similarity (Procrustes): mean_j |s R p_j + m - t_j|; (...), in the joints' unit.

    s, R and m (scale, rotation without reflection, translation) minimise the sum of squares over the pose: with
    centred P and T, P'T = U S V', R = V diag(1, 1, det(V U')) U', s = tr(S diag(...)) / |P|^2.
    """
    return mpjpe(aligned(predicted, truth), truth)


def aligned(predicted: Tensor, truth: Tensor) -> Tensor:
    """The prediction after the best scale, rotation and translation onto the truth, pose by pose."""
    joint_errors(predicted, truth)
    p, t = (points.double() for points in (predicted, truth))
    middle = t.mean(-2, keepdim=True)
    p, t = p - p.mean(-2, keepdim=True), t - middle
    u, s, vh = torch.linalg.svd(p.mT @ t)
    sign = torch.ones_like(s)
    sign[..., -1] = torch.linalg.det(u @ vh).sign()
    turn = (u * sign[..., None, :]) @ vh
    size = p.square().sum((-2, -1)).clamp(min=torch.finfo(torch.float64).tiny)
    scale = (s * sign).sum(-1) / size
    return (scale[..., None, None] * (p @ turn) + middle).to(predicted.dtype)


def velocity_error(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean over frames and joints of |(p_f - p_{f-1}) - (t_f - t_{f-1})|, in the joints' unit per frame (MPJVE).

    Args:
        predicted, truth: (..., frames, joints, coordinates), two frames or more; the answer is (...).
    """
    if predicted.ndim < 3 or predicted.shape[-3] < 2:
        raise InputError(
            f"poses {list(predicted.shape)}; a velocity needs (..., 2 or more frames, joints, coordinates)"
        )
    return mpjpe(predicted.diff(dim=-3), truth.diff(dim=-3)).mean(-1)


def pck(predicted: Tensor, truth: Tensor, threshold: float = 0.15) -> Tensor:
    """Share of joints within ``threshold``: mean_j [|p_j - t_j| <= threshold], in [0, 1]; (...).

    The default is MPI-INF-3DHP's 150 mm for joints in metres.
    """
    return (joint_errors(predicted, truth) <= threshold).double().mean(-1)


def auc(predicted: Tensor, truth: Tensor, largest: float = 0.15, steps: int = 31) -> Tensor:
    """Mean PCK over thresholds from 0 to ``largest`` in equal steps, in [0, 1]; (...).

    The default is MPI-INF-3DHP's: 0, 5, ..., 150 mm for joints in metres.
    """
    errors = joint_errors(predicted, truth)
    thresholds = torch.linspace(0, largest, steps, dtype=errors.dtype)
    return (errors[..., None] <= thresholds.to(errors.device)).double().mean((-2, -1))


def oks(predicted: Tensor, truth: Tensor, visible: Tensor, area: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Object keypoint similarity: mean over visible j of exp(-|p_j - t_j|^2 / (2 area (2 sigma_j)^2)), in [0, 1].

    Args:
        predicted, truth: (..., joints, 2) in pixels, broadcast against each other.
        visible: boolean (..., joints): the joints that were annotated.
        area: (...) of the person, in square pixels.
        sigmas: of each joint.

    Returns:
        (...): 0 where no joint is visible.
    """
    spread = truth.new_tensor(tuple(sigmas)) * 2
    if spread.shape != truth.shape[-2:-1]:
        raise InputError(f"{len(spread)} sigmas for {truth.shape[-2]} joints")
    distance = (predicted[..., :2] - truth[..., :2]).square().sum(-1)
    tiny = torch.finfo(torch.float64).eps
    likeness = torch.exp(-distance / (2 * (area[..., None] + tiny) * spread.square()))
    return (likeness * visible).sum(-1) / visible.sum(-1).clamp(min=1)


@dataclass(frozen=True)
class People:
    """The people of one image.

    Args:
        keypoints: (people, joints, 2) in pixels.
        visible: boolean (people, joints); of the truth: annotated. Of predictions it is not looked at.
        scores: (people,), of predictions.
        areas: (people,) in square pixels, of the truth; of predictions the box of their joints serves.
        boxes: (people, 4) x, y, width, height, of the truth: where nobody's joint is annotated.
        crowd: boolean (people,), of the truth: not counted, and neither is what is found there.
    """

    keypoints: Tensor
    visible: Tensor
    scores: Tensor
    areas: Tensor
    boxes: Tensor
    crowd: Tensor

    def __len__(self) -> int:
        return len(self.keypoints)


# NumPy's last digits, which COCO's own figures depend on.
_THRESHOLDS = torch.from_numpy(np.linspace(0.5, 0.95, 10))
_RECALLS = torch.from_numpy(np.linspace(0.0, 1.0, 101))
_RANGES = {"": (0.0, 1e10), "M": (32.0**2, 96.0**2), "L": (96.0**2, 1e10)}
_MOST = 20


def coco_keypoints(found: Sequence[People], truth: Sequence[People], sigmas: Sequence[float]) -> dict[str, float]:
    """COCO's figures for keypoints, in [0, 1]; -1 where there is nobody to find.

    For each of the thresholds 0.50, 0.55, ..., 0.95 of OKS, predictions take, by falling score, the free person of
    greatest OKS at or above it; AP is the mean over thresholds, and over the recalls 0, 0.01, ..., 1, of the greatest
    precision at that recall or more, AR the mean of the greatest recall. At most 20 predictions of an image count.
    People who are a crowd or without an annotated joint, or whose area is out of range (M: 32^2 to 96^2 pixels, L:
    above), are ignored, with what is found there.

    Args:
        found, truth: per image, in one order.
        sigmas: of each joint (``Skeleton.sigmas``).

    Returns:
        AP, AP50, AP75, APM, APL, AR, AR50, AR75, ARM, ARL.
    """
    if len(found) != len(truth):
        raise InputError(f"predictions for {len(found)} images and the truth of {len(truth)}")
    tables = [_likeness(one, right, sigmas) for one, right in zip(found, truth, strict=True)]
    answer = {}
    for name, limits in _RANGES.items():
        precision, recall = _curves(found, truth, tables, limits)
        answer[f"AP{name}"], answer[f"AR{name}"] = _mean(precision), _mean(recall)
        if not name:
            for label, row in (("50", 0), ("75", 5)):
                answer[f"AP{label}"], answer[f"AR{label}"] = _mean(precision[row]), _mean(recall[row])
    return answer


def _mean(values: Tensor) -> float:
    return float(values.mean()) if bool((values >= 0).all()) else -1.0


def _order(people: People) -> Tensor:
    return people.scores.argsort(descending=True, stable=True)[:_MOST]


def _likeness(found: People, truth: People, sigmas: Sequence[float]) -> Tensor:
    """(predictions by falling score, people): OKS; without an annotated joint, of the box three times as large."""
    p = found.keypoints[_order(found)].double()[:, None, :, :2]
    t, visible = truth.keypoints.double()[None, :, :, :2], truth.visible.bool()
    seen = oks(p, t, visible[None], truth.areas.double()[None], sigmas)
    corner, size = truth.boxes.double()[:, None, :2], truth.boxes.double()[:, None, 2:]
    outside = ((corner - size) - p).clamp(min=0) + (p - (corner + 2 * size)).clamp(min=0)
    around = oks(outside, torch.zeros_like(outside), torch.ones_like(visible)[None], truth.areas.double()[None], sigmas)
    return torch.where(visible.any(-1)[None], seen, around)


def _curves(
    found: Sequence[People], truth: Sequence[People], tables: Sequence[Tensor], limits: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Precision (thresholds, recalls) and greatest recall (thresholds,) over all images; -1 where nobody counts."""
    scores, hits, ignored, people = [], [], [], 0
    for one, right, table in zip(found, truth, tables, strict=True):
        low, high = limits
        aside = right.crowd.bool() | ~right.visible.bool().any(-1) | (right.areas < low) | (right.areas > high)
        order = _order(one)
        hit, ignore = _matches(table, aside, right.crowd.bool())
        points = one.keypoints[order]
        sides = points[..., :2].amax(1) - points[..., :2].amin(1) if len(points) else points.new_zeros(0, 2)
        area = sides.prod(-1)
        scores.append(one.scores[order])
        hits.append(hit)
        ignored.append(ignore | (~hit & ((area < low) | (area > high))))
        people += int((~aside).sum())
    if not people:
        return torch.full((len(_THRESHOLDS), len(_RECALLS)), -1.0), torch.full((len(_THRESHOLDS),), -1.0)
    order = torch.cat(scores).argsort(descending=True, stable=True)
    hit, counted = torch.cat(hits, 1)[:, order], ~torch.cat(ignored, 1)[:, order]
    right_so_far, wrong_so_far = (hit & counted).double().cumsum(1), (~hit & counted).double().cumsum(1)
    recall = right_so_far / people
    precision = right_so_far / (right_so_far + wrong_so_far).clamp(min=torch.finfo(torch.float64).eps)
    greatest = precision.flip(1).cummax(1).values.flip(1) if precision.shape[1] else precision
    curve = torch.zeros(len(_THRESHOLDS), len(_RECALLS), dtype=torch.float64)
    for row in range(len(_THRESHOLDS)):
        place = torch.searchsorted(recall[row], _RECALLS)
        reached = place < recall.shape[1]
        curve[row, reached] = greatest[row, place[reached]]
    return curve, recall[:, -1] if recall.shape[1] else torch.zeros(len(_THRESHOLDS), dtype=torch.float64)


def _matches(table: Tensor, aside: Tensor, crowd: Tensor) -> tuple[Tensor, Tensor]:
    """(thresholds, predictions): whether each found somebody, and whether that somebody is ignored."""
    hit = torch.zeros(len(_THRESHOLDS), len(table), dtype=torch.bool)
    ignore = torch.zeros_like(hit)
    # Those who count come first; a prediction goes to an ignored person only where nobody else fits.
    people = aside.int().argsort(stable=True).tolist()
    for row, threshold in enumerate(_THRESHOLDS.tolist()):
        taken = [False] * len(people)
        for prediction, likeness in enumerate(table.tolist()):
            best, chosen = min(threshold, 1 - 1e-10), -1
            for person in people:
                if taken[person] and not bool(crowd[person]):
                    continue
                if chosen >= 0 and not bool(aside[chosen]) and bool(aside[person]):
                    break
                if likeness[person] >= best:
                    best, chosen = likeness[person], person
            if chosen >= 0:
                taken[chosen] = hit[row, prediction] = True
                ignore[row, prediction] = bool(aside[chosen])
    return hit, ignore
