"""Tracks, and sessions as weighted sums of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_activity.pisa.config import PISAConfig

_TINY = 1e-8


def unit(x: Tensor) -> Tensor:
    """x / |x| along the last axis; zeros stay 0."""
    # Squares of half precision underflow.
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    return (wide * wide.square().sum(-1, keepdim=True).clamp(min=1e-12).rsqrt()).to(x.dtype)


class Sessions(nn.Module):
    """The table of tracks, and the embedding of sessions by activation."""

    def __init__(self, config: PISAConfig) -> None:
        super().__init__()
        self.config = config
        self.items = nn.Parameter(torch.empty(config.num_items, config.dim))
        nn.init.normal_(self.items, std=config.dim**-0.5)
        # A single activation is a weight already.
        self.components = nn.Parameter(torch.full((config.num_components,), 0.1)) if config.num_components > 1 else None

    def embed(self, ids: Tensor) -> Tensor:
        """(...,) of ids, 0 for padding, to (..., dim), 0 at padding."""
        ids = ids.long()
        return functional.embedding((ids - 1).clamp(min=0), self.items) * (ids > 0)[..., None]

    def weights(self, embedded: Tensor, bll: Tensor, spread: Tensor) -> Tensor:
        """alpha (..., slots) of tracks (..., slots, dim), from their base level and spreading (..., slots)."""
        if self.components is None:
            return bll
        wide = torch.promote_types(embedded.dtype, torch.float32)
        embedded, bll, spread = (part.to(wide) for part in (embedded, bll, spread))
        activations = [bll]
        if self.config.spread:
            activations.append(spread)
        if self.config.partial_matching:
            activations.append((embedded * (embedded.sum(-2, keepdim=True) - embedded)).sum(-1))
        positive = torch.stack(activations, -1).relu() + _TINY
        activation = (positive * (self.components.relu() + _TINY)).sum(-1).relu() + _TINY
        flat = activation.pow(self.config.flatten)
        return flat / flat.sum(-1, keepdim=True)

    def forward(self, ids: Tensor, bll: Tensor, spread: Tensor) -> Tensor:
        """Sessions (..., slots) to (..., dim)."""
        embedded = self.embed(ids)
        return self.mixed(self.weights(embedded, bll, spread), embedded)

    def mixed(self, weights: Tensor, embedded: Tensor) -> Tensor:
        """Sum over slots of weights (..., slots) times tracks (..., slots, dim), in the table's dtype."""
        return (weights[..., None] * embedded).sum(-2).to(self.items.dtype)
