"""Sines of places: of the positions of a feature map, and of single points."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sines(angles: Tensor, features: int, temperature: float) -> Tensor:
    """(...) radians to (..., features): feature i is sin (i even) or cos (i odd) of angle / T^(2 floor(i / 2) / n)."""
    index = torch.arange(features, device=angles.device)
    rate = temperature ** (2 * index.div(2, rounding_mode="floor").to(angles.dtype) / features)
    turned = angles[..., None] / rate
    return torch.where(index % 2 == 0, turned.sin(), turned.cos())


def point_sines(points: Tensor, features: int, temperature: float = 10_000.0, *, y_first: bool) -> Tensor:
    """Points (..., 2), x and y in parts of the picture, to (..., 2 * features): the sines of 2 pi times each."""
    x, y = (sines(2 * math.pi * points[..., axis], features, temperature) for axis in (0, 1))
    return torch.cat((y, x) if y_first else (x, y), -1)


def map_sines(
    real: Tensor, features: int, temperature: float, *, offset: float = 0.0, normalised: bool = True
) -> Tensor:
    """The places of a map, as (batch, height, width, 2 * features): y's sines, then x's.

    Args:
        real: boolean (batch, height, width), False where the picture is padded.
        features: of each axis.
        temperature: of the sines.
        offset: added to the counts 1, 2, ... of unpadded positions.
        normalised: whether the last count becomes 2 pi: (count + offset) / (last + 1e-6) * 2 pi.
    """
    parts = []
    for axis in (1, 2):
        count = real.float().cumsum(axis)
        if normalised:
            last = count.narrow(axis, count.shape[axis] - 1, 1)
            count = (count + offset) / (last + 1e-6) * (2 * math.pi)
        parts.append(sines(count, features, temperature))
    return torch.cat(parts, -1)
