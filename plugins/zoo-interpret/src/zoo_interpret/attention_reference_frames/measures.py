"""Measures of attention maps (..., T, T) as weighted graphs, in double precision."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.bridges.transformers.maps import as_distributions


def received(maps: Tensor) -> Tensor:
    """Mean attention that every key gets, (..., T)."""
    return maps.mean(-2)


def sink_mask(maps: Tensor, percentile: float) -> Tensor:
    """Keys that receive at least the quantile (linear interpolation) of what keys receive, (..., T) boolean."""
    found = received(maps)
    return found >= torch.quantile(found, percentile, dim=-1, keepdim=True)


def symmetric_graph(maps: Tensor) -> Tensor:
    """W = (A + A') / 2 without its diagonal."""
    found = (maps + maps.mT) / 2
    return found - torch.diag_embed(found.diagonal(dim1=-2, dim2=-1))


def fiedler(maps: Tensor, *, normalised: bool = False) -> Tensor:
    """Second smallest eigenvalue of the Laplacian, (...); 0 for a single token."""
    if maps.shape[-1] < 2:
        return maps.new_zeros(maps.shape[:-2])
    weights = symmetric_graph(maps.double())
    degrees = weights.sum(-1)
    laplacian = torch.diag_embed(degrees) - weights
    if normalised:
        factors = torch.where(degrees > 0, degrees.clamp(min=1e-300).rsqrt(), torch.ones_like(degrees))
        laplacian = factors[..., :, None] * laplacian * factors[..., None, :]
    return torch.linalg.eigvalsh(laplacian)[..., 1]


def in_degrees(maps: Tensor) -> Tensor:
    """d_j = sum_i A_ij - A_jj, (..., T)."""
    return maps.sum(-2) - maps.diagonal(dim1=-2, dim2=-1)


def centralisation(maps: Tensor) -> Tensor:
    """sum_j (max d - d_j) / (T - 1)^2, (...): 1 for a star; 0 for a single token."""
    degrees, length = in_degrees(maps), maps.shape[-1]
    return (degrees.amax(-1, keepdim=True) - degrees).sum(-1) / max(length - 1, 1) ** 2


def gini(maps: Tensor) -> Tensor:
    """Gini coefficient of in-degrees, (...); 0 where there are none."""
    degrees = in_degrees(maps).sort(-1).values
    length = degrees.shape[-1]
    ranks = torch.arange(1, length + 1, dtype=degrees.dtype, device=degrees.device)
    total = degrees.sum(-1)
    found = ((2 * ranks - length - 1) * degrees).sum(-1) / (length * total).clamp(min=1e-300)
    return torch.where(total > 0, found, torch.zeros_like(found))


def degree_variance(maps: Tensor) -> Tensor:
    """Population variance of in-degrees, (...)."""
    return in_degrees(maps).var(-1, correction=0)


def star_likeness(maps: Tensor) -> Tensor:
    """max d / sum d, (...); 0 where there are no degrees."""
    degrees = in_degrees(maps)
    total = degrees.sum(-1)
    return torch.where(total > 0, degrees.amax(-1) / total.clamp(min=1e-300), torch.zeros_like(total))


def kl_to_uniform(maps: Tensor, *, causal: bool) -> Tensor:
    """Mean over queries of the divergence from uniform attention to the visible keys, (...), nats.

    Args:
        maps: (..., T, T).
        causal: query i sees i + 1 keys; else all.
    """
    maps, length = as_distributions(maps), maps.shape[-1]
    seen = torch.arange(1, length + 1, dtype=maps.dtype, device=maps.device)
    visible = seen if causal else torch.full_like(seen, length)
    return (torch.xlogy(maps, maps).sum(-1) + visible.log()).mean(-1)
