"""From logits to weights: softmax and what is recommended instead."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.nn.sparse_softmax import entmax15, sparsemax
from zoo_sequence.softmax_limits.config import NORMALISERS


def normalise(logits: Tensor, kind: str = "softmax", *, temperature: float = 1.0, scale: float = 1.0) -> Tensor:
    """Weights (..., L) of logits (..., L), summing to one.

    Args:
        logits: float; -inf hides a token.
        kind: "softmax"; "sparsemax" and "entmax15" (sparse); "scalable-softmax" (logits times ``scale`` log n, n the
            tokens that are not hidden); "self-adjusted-softmax" (F times the place of the logit between the row's
            minimum and maximum); "sigmoid" (independent gates). All are divided by their sum.
        temperature: divides the logits.
        scale: s of the scalable softmax.
    """
    scores = logits / temperature
    if not scores.shape[-1]:
        return scores
    if kind == "softmax":
        return scores.softmax(-1)
    if kind == "sparsemax":
        return sparsemax(scores)
    if kind == "entmax15":
        return entmax15(scores)
    if kind == "sigmoid":
        return _shares(scores.sigmoid())
    visible = scores > -math.inf
    known = scores.masked_fill(~visible, 0.0)
    if kind == "scalable-softmax":
        factor = scale * visible.sum(-1, keepdim=True).clamp(min=2).to(scores.dtype).log()
        return (known * factor).masked_fill(~visible, -math.inf).softmax(-1)
    if kind == "self-adjusted-softmax":
        low, high = known.amin(-1, keepdim=True), known.amax(-1, keepdim=True)
        low, high = low.clamp(max=0), high.clamp(min=0)
        weights = scores.softmax(-1)
        placed = (known - low) / (high - low).clamp(min=1e-12) * weights
        # Where every logit sits at the minimum there is no place to tell them apart by.
        total = placed.sum(-1, keepdim=True)
        return torch.where(total > 0, placed / total.masked_fill(total <= 0, 1.0), weights)
    raise InputError(f"{kind!r} is not one of {', '.join(NORMALISERS)}")


def _shares(weights: Tensor) -> Tensor:
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-30)
