"""Sampling of feature maps at real coordinates, and of several maps at once, as deformable attention does.

Coordinates are (x, y) in parts of the map, 0 to 1 from edge to edge. Pixel i's centre lies at (i + 0.5) / size, values
between centres are bilinear, and beyond the map there are zeros: ``grid_sample`` with ``align_corners=False``. That
kernel of torch's does the work where it can. It has no second derivatives, half precision on the CPU or export of every
shape, so the same in torch's indexing stands behind it: second derivatives go through it, and so does what is compiled
or of another dtype. ``benchmarks/deformable.py`` has the time and memory of both beside a loop over points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

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
    if torch.compiler.is_compiling() or rows.dtype not in _FUSED or points.dtype != rows.dtype or rows.numel() == 0:
        return _indexed(rows, size, points)
    found: Tensor = _Fused.apply(rows, size, points)
    return found


_FUSED = (torch.float32, torch.float64)


def _pixels(size: tuple[int, int], points: Tensor) -> tuple[Tensor, Tensor]:
    """x and y in pixels from the first one's centre, at least single precision."""
    height, width = size
    # Half precision cannot tell neighbouring places of a large map apart.
    exact = points if points.dtype == torch.float64 else points.float()
    x, y = (exact[..., axis] * extent - 0.5 for axis, extent in ((0, width), (1, height)))
    # What lies further out is as much outside, and would not fit an integer.
    return x.clamp(-2, width + 1), y.clamp(-2, height + 1)


class _Fused(torch.autograd.Function):
    """``_indexed`` by torch's kernel, and its first derivatives too."""

    generate_vmap_rule = True

    @staticmethod
    def _given(rows: Tensor, size: tuple[int, int], points: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (batch, channels, height, width), and the grid (batch, count, 1, 2) from -1 to 1."""
        extent = points.new_tensor((size[1], size[0]))
        grid = (torch.stack(_pixels(size, points), -1) + 0.5) * (2 / extent) - 1
        return rows.mT.unflatten(2, size), grid[:, :, None]

    @staticmethod
    def forward(rows: Tensor, size: tuple[int, int], points: Tensor) -> Tensor:
        maps, grid = _Fused._given(rows, size, points)
        return torch.grid_sampler_2d(maps, grid, 0, 0, False)[..., 0].mT

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0], inputs[2])
        ctx.size = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        rows, points = ctx.saved_tensors
        wanted = ctx.needs_input_grad[0], ctx.needs_input_grad[2]
        if torch.is_grad_enabled():
            # Somebody wants to differentiate again: only what is written in operations can be.
            found = _indexed(rows, ctx.size, points)
            sources = [each for each, asked in zip((rows, points), wanted, strict=True) if asked]
            parts = iter(torch.autograd.grad(found, sources, gradient, create_graph=True, allow_unused=True))
            of_rows, of_points = (next(parts) if asked else None for asked in wanted)
            return of_rows, None, of_points
        maps, grid = _Fused._given(rows, ctx.size, points)
        of_maps, of_grid = torch.ops.aten.grid_sampler_2d_backward(
            gradient.mT[..., None], maps, grid, 0, 0, False, [wanted[0], wanted[1]]
        )
        # From -1 to 1 is twice as far as from 0 to 1. Where a point was brought nearer, nothing changes with it.
        return (
            of_maps.flatten(2).mT if wanted[0] else None,
            None,
            2 * of_grid[:, :, 0] if wanted[1] else None,
        )


def _indexed(rows: Tensor, size: tuple[int, int], points: Tensor) -> Tensor:
    """``sample_rows`` in torch's indexing."""
    height, width = size
    x, y = _pixels(size, points)
    left, top = x.floor(), y.floor()
    total = rows.new_zeros(*points.shape[:2], rows.shape[2])
    # Cut once for both neighbours of the other axis: a tensor that is clamped twice loses a bound on its way to ONNX.
    columns, lines = (
        [(each.clamp(0, extent - 1), share * ((each >= 0) & (each < extent))) for each, share in pair]
        for pair, extent in (
            (((left, left + 1 - x), (left + 1, x - left)), width),
            (((top, top + 1 - y), (top + 1, y - top)), height),
        )
    )
    for column, across in columns:
        for line, down in lines:
            place = (line * width + column).long()
            values = rows.gather(1, place[..., None].expand(-1, -1, rows.shape[2]))
            total = total + values * (across * down)[..., None].to(rows.dtype)
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
