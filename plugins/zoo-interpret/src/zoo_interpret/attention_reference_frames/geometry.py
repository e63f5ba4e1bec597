"""The geometry of streams and values around the first token."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def cosine_to_first(states: Tensor) -> Tensor:
    """Mean cosine of tokens 1.. of (..., T, d) to the first, (...); 0 where there is no other."""
    if states.shape[-2] < 2:
        return states.new_zeros(states.shape[:-2])
    return functional.cosine_similarity(states[..., 1:, :], states[..., :1, :], dim=-1).mean(-1)


def norm_ratio_first(states: Tensor) -> Tensor:
    """The first token's norm over the mean of the others', (...); 0 where there is no other."""
    if states.shape[-2] < 2:
        return states.new_zeros(states.shape[:-2])
    norms = states.norm(dim=-1)
    return norms[..., 0] / norms[..., 1:].mean(-1)


def sink_direction_share(values: Tensor, sink: int = 0) -> Tensor:
    """Share of the variance of values (..., T, d) along the direction of the sink's, (...)."""
    direction = functional.normalize(values[..., sink, :], dim=-1)
    centred = values - values.mean(-2, keepdim=True)
    along = torch.einsum("...td,...d->...t", centred, direction).square().sum(-1)
    total = centred.square().sum((-1, -2))
    return torch.where(total > 0, along / total.clamp(min=1e-300), torch.zeros_like(total))


def without_sink(maps: Tensor, sink: int = 0) -> Tensor:
    """Maps (..., T, T) with a key removed and rows renormalised; rows that saw nothing else become zero."""
    kept = maps.clone()
    kept[..., sink] = 0
    total = kept.sum(-1, keepdim=True)
    return torch.where(total > 0, kept / total.clamp(min=1e-300), torch.zeros_like(kept))


def kl_reduction(maps: Tensor, sink: int = 0) -> Tensor:
    """Mean over queries of KL(attention without the sink || attention), (...), nats: -log(1 - a_sink) of every row.

    Rows that see nothing but the sink are left out.
    """
    share = maps[..., sink]
    # What is left after removal, not one minus the share: that is exact for rows of a single key.
    rest = maps.sum(-1) - share
    kept = rest > 1e-12
    terms = torch.where(kept, -(rest.clamp(min=1e-12) / maps.sum(-1).clamp(min=1e-300)).log(), torch.zeros_like(rest))
    return terms.sum(-1) / kept.sum(-1).clamp(min=1)
