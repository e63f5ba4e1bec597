"""Which cells answer for which box, and the losses of a head (YOLOv9's, which the authors take as they are).

A cell may answer for a box in which its centre lies. Cells are ranked by score^0.5 overlap^6, the ten best take the
box, and a cell that several boxes want goes to the one it overlaps most. Its class target is that rank, scaled so that
the best cell of a box gets the box's best overlap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zoo_vision.boxes import Detections, overlap
from zoo_vision.yolo9tr.head import cells
from zoo_vision.yolo9tr.network import YOLO9tr

_TOP, _ALPHA, _BETA = 10, 0.5, 6.0
_BOX, _CLASS, _DISTANCE, _AUXILIARY = 7.5, 0.5, 1.5, 0.25
_TINY = 1e-9


@dataclass(frozen=True)
class Assignment:
    """What each cell of an image has to answer.

    Args:
        boxes: (cells, 4) xyxy in pixels, zeros where ``taken`` is False.
        scores: (cells, num_classes) in [0, 1].
        taken: (cells,) bool.
    """

    boxes: Tensor
    scores: Tensor
    taken: Tensor


def complete_overlap(first: Tensor, second: Tensor) -> Tensor:
    """CIoU of boxes pair by pair: overlap less distance of centres and difference of shapes.

    Args:
        first, second: (n, 4) xyxy.

    Returns:
        (n,), at most 1.
    """
    width, height = (first[:, 2:] - first[:, :2]).clamp(min=_TINY).unbind(-1)
    other_width, other_height = (second[:, 2:] - second[:, :2]).clamp(min=_TINY).unbind(-1)
    sides = torch.minimum(first[:, 2:], second[:, 2:]) - torch.maximum(first[:, :2], second[:, :2])
    shared = sides.clamp(min=0).prod(-1)
    plain = shared / (width * height + other_width * other_height - shared + _TINY)
    hull = torch.maximum(first[:, 2:], second[:, 2:]) - torch.minimum(first[:, :2], second[:, :2])
    apart = ((first[:, :2] + first[:, 2:] - second[:, :2] - second[:, 2:]) / 2).square().sum(-1)
    shape = (4 / math.pi**2) * (torch.atan(other_width / other_height) - torch.atan(width / height)).square()
    with torch.no_grad():
        weight = shape / (1 - plain + shape + _TINY)
    return plain - apart / (hull.square().sum(-1) + _TINY) - shape * weight


def assign(scores: Tensor, predicted: Tensor, centres: Tensor, truth: Detections) -> Assignment:
    """Share the boxes of one image out among the cells.

    Args:
        scores: (cells, num_classes) probabilities.
        predicted: (cells, 4) xyxy in pixels.
        centres: (cells, 2) in pixels.
        truth: boxes and classes; its scores are not used.
    """
    count, classes = scores.shape
    targets = Assignment(torch.zeros_like(predicted), torch.zeros_like(scores), scores.new_zeros(count).bool())
    if not len(truth.boxes):
        return targets
    shares = overlap(truth.boxes, predicted)
    inside = ((centres > truth.boxes[:, None, :2]) & (centres < truth.boxes[:, None, 2:])).all(-1)
    rank = scores[:, truth.classes].mT.pow(_ALPHA) * shares.pow(_BETA) * inside
    best = rank.topk(min(_TOP, count), 1)
    wants = torch.zeros_like(inside).scatter(1, best.indices, best.values > _TINY) & inside
    # Of the boxes that want a cell the one that it overlaps most.
    owner = torch.where(wants, shares, -1.0).argmax(0)
    taken = wants.any(0)
    holds = functional.one_hot(owner, len(truth.boxes)).mT.bool() & taken
    height = torch.where(holds, rank, 0.0)
    top_rank, top_share = height.amax(1, keepdim=True), torch.where(holds, shares, 0.0).amax(1, keepdim=True)
    level = (height * top_share / (top_rank + _TINY)).amax(0)
    labels = functional.one_hot(truth.classes[owner], classes).to(scores.dtype)
    return Assignment(truth.boxes[owner] * taken[:, None], labels * level[:, None] * taken[:, None], taken)


def head_loss(raw: Sequence[Tensor], truth: Sequence[Detections], num_classes: int, reg_max: int) -> Tensor:
    """The loss of one head, a scalar: 7.5 of boxes, 0.5 of classes, 1.5 of distributions of distances.

    Args:
        raw: per map (batch, 4 reg_max + num_classes, H, W).
        truth: the right boxes, in pixels, and classes of every image.
        num_classes, reg_max: of the config.
    """
    flat = torch.cat([answers.flatten(2) for answers in raw], 2).mT
    logits, classes = flat.split((4 * reg_max, num_classes), -1)
    centres, strides = (values.mT for values in cells(raw))
    bins = logits.unflatten(-1, (4, reg_max))
    steps = torch.arange(reg_max, dtype=logits.dtype, device=logits.device)
    distances = (bins.softmax(-1) * steps).sum(-1)
    predicted = torch.cat((centres - distances[..., :2], centres + distances[..., 2:]), -1) * strides
    with torch.no_grad():
        found = [
            assign(scores, corners, centres * strides, right)
            for scores, corners, right in zip(classes.sigmoid(), predicted, truth, strict=True)
        ]
    targets, scores = torch.stack([item.boxes for item in found]), torch.stack([item.scores for item in found])
    taken = torch.stack([item.taken for item in found])
    total = scores.sum().clamp(min=1)
    class_loss = functional.binary_cross_entropy_with_logits(classes, scores, reduction="sum") / total
    if not taken.any():
        return _CLASS * class_loss
    weight = scores.sum(-1)[taken]
    box_loss = ((1 - complete_overlap(predicted[taken], targets[taken])) * weight).sum() / total
    ours, grid = (targets / strides)[taken], centres.expand_as(targets[..., :2])[taken]
    right_distances = torch.cat((grid - ours[:, :2], ours[:, 2:] - grid), -1).clamp(0, max(reg_max - 1.01, 0))
    distance_loss = (_between_bins(bins[taken], right_distances) * weight).sum() / total
    return _BOX * box_loss + _CLASS * class_loss + _DISTANCE * distance_loss


def _between_bins(bins: Tensor, distances: Tensor) -> Tensor:
    """Cross entropy with the two bins around each distance: (n, 4, reg_max) and (n, 4) to (n,)."""
    below = distances.long()
    share = distances - below
    above = (below + 1).clamp(max=bins.shape[-1] - 1)
    logs = bins.log_softmax(-1)
    near, far = (logs.gather(-1, index[..., None])[..., 0] for index in (below, above))
    return -((1 - share) * near + share * far).mean(-1)


def loss(model: YOLO9tr, images: Tensor, truth: Sequence[Detections]) -> Tensor:
    """The main head's loss and a quarter of the auxiliary head's.

    Args:
        model: in training mode.
        images: (batch, 3, H, W), sides multiples of 32.
        truth: boxes in pixels and classes of every image.
    """
    config = model.config
    aux, main = (head_loss(raw, truth, config.num_classes, config.reg_max) for raw in model.raw(images))
    return main + _AUXILIARY * aux
