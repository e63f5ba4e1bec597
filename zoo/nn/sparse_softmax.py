"""Distributions with exact zeros: sparsemax, also with an upper bound, and 1.5-entmax; between softmax and argmax."""

from __future__ import annotations

import torch
from torch import Tensor


def _counts(scores: Tensor) -> Tensor:
    return torch.arange(1, scores.shape[-1] + 1, device=scores.device, dtype=scores.dtype)


def _from_largest(scores: Tensor) -> Tensor:
    """Scores minus their largest; hidden places (-inf) stay far below, rows of nothing else become zero."""
    if not scores.shape[-1]:
        return scores
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


def constrained_sparsemax(scores: Tensor, bound: float) -> Tensor:
    """Projection of (..., n) onto the weights up to ``bound``: clip(z - tau, 0, bound) (Malaviya et al. 2018).

    Where fewer than 1 / bound places are visible (above -1e9) no such weights exist: the bound is then raised until
    they do.
    """
    shifted = _from_largest(scores)
    visible = (shifted > -1e8).sum(-1, keepdim=True)
    highest = visible.to(scores.dtype).clamp(min=1).reciprocal().clamp(min=bound)
    with torch.no_grad():
        # tau lies where even the lowest visible score is at the bound, or no score is above zero.
        low = shifted.masked_fill(shifted <= -1e8, 0.0).amin(-1, keepdim=True) - highest
        high = torch.zeros_like(low)
        for _ in range(60):
            tau = (low + high) / 2
            enough = (shifted - tau).clamp(min=0).minimum(highest).sum(-1, keepdim=True) >= 1
            low, high = torch.where(enough, tau, low), torch.where(enough, high, tau)
        free = (shifted > low) & (shifted < low + highest)
        full = (shifted >= low + highest).sum(-1, keepdim=True)
    # The same tau from its equation, for exact sums and gradients.
    count = free.sum(-1, keepdim=True)
    solved = ((shifted * free).sum(-1, keepdim=True) + highest * full - 1) / count.clamp(min=1)
    return (shifted - torch.where(count > 0, solved, low)).clamp(min=0).minimum(highest)


def entmax15(scores: Tensor) -> Tensor:
    """max(z / 2 - tau, 0)^2 with tau by sorting, (..., n) (Peters, Niculae and Martins 2019)."""
    halved = _from_largest(scores) / 2
    ordered = halved.sort(-1, descending=True).values
    # Far below the largest nothing gets weight; clamping keeps the sums of squares exact.
    ordered = ordered.clamp(min=-10.0)
    counts = _counts(scores)
    mean = ordered.cumsum(-1) / counts
    spread = counts * (ordered.square().cumsum(-1) / counts - mean.square())
    # Of supports that are not taken only the gradient matters: it must stay finite to come to nothing.
    tau = mean - ((1 - spread).clamp(min=torch.finfo(scores.dtype).tiny) / counts).sqrt()
    support = (tau <= ordered).sum(-1, keepdim=True).clamp(min=1)
    return (halved - tau.gather(-1, support - 1)).clamp(min=0).square()
