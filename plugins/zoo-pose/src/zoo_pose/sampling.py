"""Sampling of feature maps at real coordinates, and of several maps at once, as deformable attention does.

Written with torch's indexing alone, so that it has second derivatives, runs in every dtype and exports; coordinates are
(x, y) in parts of the map, 0 to 1 from edge to edge. Pixel i's centre lies at (i + 0.5) / size, values between centres
are bilinear, and beyond the map there are zeros: ``grid_sample`` with ``align_corners=False``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.errors import InputError


def sample_rows(rows: Tensor, size: tuple[int, int], points: Tensor) -> Tensor:
    """Values of maps at points.

    Args:
        rows: (batch, height * width, channels).
        size: height and width.
        points: (batch, count, 2), x and y in parts of the map; anywhere.

    Returns:
        (batch, count, channels), in the rows' dtype.
    """
    height, width = size
    # Half precision cannot tell neighbouring places of a large map apart.
    exact = points if points.dtype == torch.float64 else points.float()
    x, y = (exact[..., axis] * extent - 0.5 for axis, extent in ((0, width), (1, height)))
    # What lies further out is as much outside, and would not fit an integer.
    x, y = x.clamp(-2, width + 1), y.clamp(-2, height + 1)
    left, top = x.floor(), y.floor()
    total = rows.new_zeros(*points.shape[:2], rows.shape[2])
    for column, across in ((left, left + 1 - x), (left + 1, x - left)):
        for row, down in ((top, top + 1 - y), (top + 1, y - top)):
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            place = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long()
            values = rows.gather(1, place[..., None].expand(-1, -1, rows.shape[2]))
            total = total + values * (across * down * inside)[..., None].to(rows.dtype)
    return total


def sample(maps: Tensor, points: Tensor) -> Tensor:
    """(batch, channels, height, width) at points (batch, ..., 2) to (batch, channels, ...)."""
    if maps.ndim != 4 or points.shape[-1] != 2 or points.shape[0] != maps.shape[0]:
        raise InputError(
            f"maps {list(maps.shape)} and points {list(points.shape)}; expected (batch, channels, height, width) and "
            "(batch, ..., 2)"
        )
    found = sample_rows(maps.flatten(2).mT, (maps.shape[2], maps.shape[3]), points.flatten(1, -2))
    return found.mT.unflatten(2, points.shape[1:-1])


def sample_levels(rows: Tensor, sizes: Sequence[tuple[int, int]], points: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum of samples of several maps: the core of multi-scale deformable attention.

    Args:
        rows: (batch, sum of height * width, channels), level after level.
        sizes: height and width of each level.
        points: (batch, queries, levels, points, 2).
        weights: (batch, queries, levels, points).

    Returns:
        (batch, queries, channels): sum over levels l and points p of weight * map_l(point).
    """
    lengths = [height * width for height, width in sizes]
    if rows.shape[1] != sum(lengths) or points.shape[2] != len(sizes):
        raise InputError(
            f"rows {list(rows.shape)} and points {list(points.shape)} for levels of {list(sizes)}; expected "
            f"{sum(lengths)} rows and points (batch, queries, {len(sizes)}, points, 2)"
        )
    total = rows.new_zeros(rows.shape[0], points.shape[1], rows.shape[2])
    for level, (size, part) in enumerate(zip(sizes, rows.split(lengths, 1), strict=True)):
        values = sample_rows(part, size, points[:, :, level].flatten(1, 2)).unflatten(1, points.shape[1:4:2])
        total = total + (weights[:, :, level, :, None].to(values.dtype) * values).sum(2)
    return total


def ring(num_heads: int, num_levels: int, num_points: int) -> Tensor:
    """Offsets that deformable attention starts from, flat (heads * levels * points * 2): each head in a direction of
    its own, on a square ring, and point i at i + 1 pixels.
    """
    angles = torch.arange(num_heads) * (2 * math.pi / num_heads)
    directions = torch.stack((angles.cos(), angles.sin()), -1)
    directions = directions / directions.abs().amax(-1, keepdim=True)
    steps = torch.arange(1, num_points + 1)[:, None]
    return (directions[:, None, None] * steps).expand(-1, num_levels, -1, -1).flatten()
