"""Sinks, image-centric heads and changed rows, as functions of tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

EPS = 1e-6


def sink_values(stream: Tensor, sink_dims: Sequence[int]) -> Tensor:
    """phi (batch, length): the largest of the sink dimensions of the normalised stream (batch, length, dim)."""
    x = stream.float()
    normalised = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPS)
    return normalised[..., list(sink_dims)].abs().amax(-1)


def image_centric(weights: Tensor, sinks: Tensor, image: Tensor, *, rho: float, summ: float) -> Tensor:
    """Where a head looks at the image rather than at its sinks, (batch, heads, queries) boolean.

    Args:
        weights: (batch, heads, queries, keys).
        sinks, image: (batch, keys) boolean.
        rho, summ: see the config.
    """
    visual = sinks & image
    on_sinks = (weights * visual[:, None, None]).sum(-1)
    shares = ((weights + EPS) * image[:, None, None]).sum(-1)
    mass = (weights * image[:, None, None]).sum(-1)
    # Shares are 0 / 0 where there is no image, which is never chosen.
    chosen = (on_sinks / shares <= rho) & (mass >= summ)
    # Without a visual sink, or without any other part of the image, there is nothing to give or nobody to take it.
    possible = visual.any(-1) & (image & ~sinks).any(-1)
    return chosen & possible[:, None, None]


def redistribute(weights: Tensor, sinks: Tensor, image: Tensor, selected: Tensor, *, p: float) -> Tensor:
    """Rows after sinks gave (1 - p) of their weight to the rest of the image.

    Args:
        weights: (batch, heads, queries, keys).
        sinks, image: (batch, keys) boolean.
        selected: (batch, heads, queries) boolean, the rows that change.
        p: the share that sinks keep.
    """
    given = sinks[:, None, None]
    takers = (image & ~sinks)[:, None, None]
    budget = (1 - p) * (weights * given).sum(-1, keepdim=True)
    taking = weights * takers
    total = taking.sum(-1, keepdim=True)
    # A row that gives the rest of the image nothing at all cannot pass anything on in proportion.
    moved = selected[..., None] & (total > 0)
    changed = torch.where(given, p * weights, weights) + budget * taking / total.clamp(
        min=torch.finfo(total.dtype).tiny
    )
    return torch.where(moved, changed, weights)
