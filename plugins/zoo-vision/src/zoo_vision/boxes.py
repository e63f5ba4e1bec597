"""Boxes: overlap, non-maximum suppression, and what a detector answers.

Boxes are (x1, y1, x2, y2) in pixels, the origin in the upper left corner, x to the right and y down. Suppression is
written with torch operations: greedy by score, on the whole matrix of overlaps of the candidates of one image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from zoo.errors import InputError

_COLOURS = ("#ff3b30", "#34c759", "#0a84ff", "#ffcc00", "#bf5af2", "#64d2ff", "#ff9f0a")


@dataclass(frozen=True)
class Detections:
    """What a detector finds in one image, the surest first.

    Args:
        boxes: (n, 4) xyxy in pixels of the image that was given.
        scores: (n,) in [0, 1].
        classes: (n,) integers.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.scores)

    def to_dict(self, names: list[str] | None = None) -> dict[str, Any]:
        """Plain numbers, as ``zoo predict`` prints them; classes by name where names are given."""
        rows = zip(self.boxes.tolist(), self.scores.tolist(), self.classes.tolist(), strict=True)
        return {
            "detections": [
                {
                    "box": [round(value, 1) for value in box],
                    "score": round(score, 4),
                    "class": names[index] if names else index,
                }
                for box, score, index in rows
            ]
        }


def to_corners(boxes: Tensor) -> Tensor:
    """(..., 4) centre x, centre y, width, height to corners xyxy."""
    centre, size = boxes[..., :2], boxes[..., 2:4]
    return torch.cat((centre - size / 2, centre + size / 2), -1)


def area(boxes: Tensor) -> Tensor:
    """(..., 4) to (...,), in square pixels; 0 where a box is turned inside out."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def overlap(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of every pair: (n, 4) and (m, 4) to (n, m), in [0, 1]."""
    corner = torch.maximum(first[:, None, :2], second[None, :, :2])
    opposite = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (opposite - corner).clamp(min=0).prod(-1)
    union = area(first)[:, None] + area(second)[None] - shared
    return shared / union.clamp(min=torch.finfo(union.dtype).tiny)


def suppress(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Greedy non-maximum suppression: the indices that stay, by falling score.

    A box goes when it overlaps one that stays and scores higher by more than ``threshold``.

    Args:
        boxes: (n, 4) xyxy.
        scores: (n,).
        threshold: of the intersection over union, in [0, 1].
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise InputError(
            f"boxes {list(boxes.shape)} and scores {list(scores.shape)}; expected (n, 4) corners and (n,) scores"
        )
    order = scores.argsort(descending=True, stable=True)
    covers = (overlap(boxes[order], boxes[order]) > threshold).triu(1).cpu()
    stays = torch.ones(len(order), dtype=torch.bool)
    for index in range(len(order)):
        if stays[index]:
            stays &= ~covers[index]
    return order[stays.to(order.device)]


def suppress_by_class(
    boxes: Tensor, scores: Tensor, classes: Tensor, *, threshold: float, least_score: float = 0.0, most: int = 300
) -> Detections:
    """Non-maximum suppression within each class.

    Args:
        boxes: (n, 4) xyxy.
        scores, classes: (n,).
        threshold: overlap above which the lower score goes.
        least_score: what scores no more is left out first.
        most: how many detections stay at most, over all classes.
    """
    kept = scores > least_score
    boxes, scores, classes = boxes[kept], scores[kept], classes[kept]
    found = [torch.empty(0, dtype=torch.long, device=boxes.device)]
    for label in classes.unique():
        (members,) = torch.where(classes == label)
        found.append(members[suppress(boxes[members], scores[members], threshold)])
    index = torch.cat(found)
    index = index[scores[index].argsort(descending=True, stable=True)][:most]
    return Detections(boxes[index], scores[index], classes[index])


def drawn(picture: Image.Image, found: Detections, names: Sequence[str] = ()) -> Image.Image:
    """A copy of an RGB picture with the boxes on it, the surest on top, each in its class's colour with its score.

    Classes are called by ``names``, or by number where there are none.
    """
    canvas = picture.copy()
    brush = ImageDraw.Draw(canvas)
    width, size = max(1, min(picture.size) // 150), max(10, min(picture.size) // 20)
    rows = list(zip(found.boxes.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True))
    for box, score, label in reversed(rows):
        colour = _COLOURS[label % len(_COLOURS)]
        brush.rectangle(box, outline=colour, width=width)
        text = f"{names[label] if names else label} {score:.2f}"
        # Above the box, or inside where there is no room.
        place = (box[0], box[1] - 1.4 * size if box[1] > 1.4 * size else box[1])
        left, top, right, bottom = brush.textbbox(place, text, font_size=size)
        brush.rectangle((left - width, top - width, right + width, bottom + width), fill=colour)
        brush.text(place, text, fill="white", font_size=size)
    return canvas


def average_precision(found: list[Detections], truth: list[Detections], threshold: float = 0.5) -> float:
    """Mean over classes of the area under the precision-recall curve (all points, as in COCO's and VOC 2010's rule).

    Args:
        found: detections, one element per image.
        truth: the right boxes with their classes (scores unused), one element per image.
        threshold: of the overlap that counts as a hit.

    Returns:
        In [0, 1]; NaN where the truth has no box.
    """
    labels = torch.cat([item.classes for item in truth]).unique()
    values = [_class_precision(found, truth, int(label), threshold) for label in labels]
    return sum(values) / len(values) if values else float("nan")


def _class_precision(found: list[Detections], truth: list[Detections], label: int, threshold: float) -> float:
    hits: list[tuple[float, bool]] = []
    total = 0
    for detections, right in zip(found, truth, strict=True):
        targets = right.boxes[right.classes == label]
        mine = detections.classes == label
        boxes, scores = detections.boxes[mine], detections.scores[mine]
        total += len(targets)
        free = torch.ones(len(targets), dtype=torch.bool)
        for index in scores.argsort(descending=True, stable=True).tolist():
            shares = overlap(boxes[index : index + 1], targets)[0] * free if len(targets) else torch.zeros(0)
            best = int(shares.argmax()) if len(targets) else -1
            hit = best >= 0 and float(shares[best]) >= threshold
            if hit:
                free[best] = False
            hits.append((float(scores[index]), hit))
    hits.sort(key=lambda pair: -pair[0])
    right_so_far = torch.tensor([float(hit) for _, hit in hits]).cumsum(0)
    precision = right_so_far / torch.arange(1, len(hits) + 1)
    # The envelope: at each recall the best precision that any higher recall reaches.
    precision = precision.flip(0).cummax(0).values.flip(0) if len(hits) else precision
    gained = torch.tensor([float(hit) for _, hit in hits])
    return float((precision * gained).sum() / total)
