"""How well an embedding keeps the classes of a level apart."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import InputError


def silhouette(points: Tensor, classes: Tensor) -> float:
    """Mean silhouette, in [-1, 1]: (b - a) / max(a, b), a the mean distance to the own class, b to the nearest other.

    Args:
        points: (n, D).
        classes: (n,) int64, two classes at least. A sample that is alone in its class counts 0.
    """
    number = torch.unique(classes, return_inverse=True)[1]
    count = int(number.max()) + 1 if len(number) else 0
    if count < 2:
        raise InputError(f"{count} classes; a silhouette needs two at least")
    points = points.double()
    member = torch.nn.functional.one_hot(number, count).double()
    sums = torch.cdist(points, points) @ member
    size = member.sum(0)
    own = sums.gather(1, number[:, None])[:, 0] / (size[number] - 1).clamp(min=1)
    nearest = (sums / size).scatter(1, number[:, None], torch.inf).amin(1)
    score = (nearest - own) / torch.maximum(nearest, own).clamp(min=1e-12)
    return float(torch.where(size[number] > 1, score, 0.0).mean())
