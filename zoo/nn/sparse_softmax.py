"""Distributions with exact zeros: sparsemax and 1.5-entmax, between softmax and argmax."""

from __future__ import annotations

import torch
from torch import Tensor


def _counts(scores: Tensor) -> Tensor:
    return torch.arange(1, scores.shape[-1] + 1, device=scores.device, dtype=scores.dtype)


def _from_largest(scores: Tensor) -> Tensor:
    """Scores minus their largest; hidden places (-inf) stay far below, rows of nothing else become zero."""
    shifted = scores - scores.amax(-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).min)
    return torch.where(scores == -torch.inf, -1e9, shifted)


def sparsemax(scores: Tensor) -> Tensor:
    """Euclidean projection of (..., n) onto the simplex: max(z - tau, 0) (Martins and Astudillo 2016)."""
    shifted = _from_largest(scores)
    ordered = shifted.sort(-1, descending=True).values
    total = ordered.cumsum(-1)
    support = (1 + _counts(scores) * ordered > total).sum(-1, keepdim=True).clamp(min=1)
    tau = (total.gather(-1, support - 1) - 1) / support
    return (shifted - tau).clamp(min=0)


def entmax15(scores: Tensor) -> Tensor:
    """max(z / 2 - tau, 0)^2 with tau by sorting, (..., n) (Peters, Niculae and Martins 2019)."""
    halved = _from_largest(scores) / 2
    ordered = halved.sort(-1, descending=True).values
    # Far below the largest nothing gets weight; clamping keeps the sums of squares exact.
    ordered = ordered.clamp(min=-10.0)
    counts = _counts(scores)
    mean = ordered.cumsum(-1) / counts
    spread = counts * (ordered.square().cumsum(-1) / counts - mean.square())
    tau = mean - ((1 - spread).clamp(min=0) / counts).sqrt()
    support = (tau <= ordered).sum(-1, keepdim=True).clamp(min=1)
    return (halved - tau.gather(-1, support - 1)).clamp(min=0).square()
