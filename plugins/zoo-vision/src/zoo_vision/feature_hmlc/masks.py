"""Which features of an embedding each level sees."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_vision.feature_hmlc.config import HMLCConfig


class AttentionMasks(nn.Module):
    """Soft masks by attention: a query for every level over the features as tokens."""

    def __init__(self, config: HMLCConfig) -> None:
        super().__init__()
        self.embeddings = nn.Parameter(torch.empty(config.dim, config.d_k))
        self.queries = nn.Parameter(torch.empty(config.num_levels, config.d_k))
        self.key = nn.Linear(config.d_k, config.d_k, bias=False)
        nn.init.normal_(self.embeddings)
        nn.init.normal_(self.queries)

    def forward(self, embedding: Tensor) -> Tensor:
        """(..., D) to masks (..., H, D), not negative, of mean one over the features.

        A key is linear in its feature's value, k_j = f_j (W e_j) + e_j, and so is every score, with the slope
        (q_h W).e_j.
        """
        scale = self.queries.shape[1] ** -0.5
        # Sums of products rather than a product of matrices: bits do not depend on where in memory weights lie.
        projected = (self.queries[..., None] * self.key.weight).sum(1)
        slope = (projected[:, None] * self.embeddings).sum(-1) * scale
        offset = (self.queries[:, None] * self.embeddings).sum(-1) * scale
        scores = embedding[..., None, :] * slope + offset
        return scores.shape[-1] * scores.softmax(-1)


class MLPMasks(nn.Module):
    """Soft masks by a two-layer network for every level, on the whole embedding."""

    def __init__(self, config: HMLCConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(config.dim, config.d_k), nn.ReLU(), nn.Linear(config.d_k, config.dim))
            for _ in range(config.num_levels)
        )

    def forward(self, embedding: Tensor) -> Tensor:
        """(..., D) to masks (..., H, D), not negative, of mean one over the features."""
        scores = torch.stack([layer(embedding) for layer in self.layers], -2)
        return scores.shape[-1] * scores.softmax(-1)


class HardMasks(nn.Module):
    """Masks of 0 and 1 that no gradient changes: ones until they are set."""

    hard: Tensor

    def __init__(self, config: HMLCConfig) -> None:
        super().__init__()
        self.register_buffer("hard", torch.ones(config.num_levels, config.dim))

    def forward(self, embedding: Tensor) -> Tensor:
        """(..., D) to (..., H, D)."""
        return self.hard.to(embedding.dtype).expand(*embedding.shape[:-1], -1, -1)


def masks_of(config: HMLCConfig) -> AttentionMasks | MLPMasks | HardMasks:
    """The masks that a config names."""
    if config.mask == "gmm":
        return HardMasks(config)
    return AttentionMasks(config) if config.mask == "attention" else MLPMasks(config)


def masked(embedding: Tensor, masks: Tensor) -> Tensor:
    """z_h = normalise(M_h * f): (..., D) and (..., H, D) to unit vectors (..., H, D); zeros where all is masked."""
    return functional.normalize(masks * embedding[..., None, :], dim=-1)


def similarity_of_levels(masks: Tensor) -> Tensor:
    """Mean cosine between the masks (..., H, D) of different levels, a scalar; 0 for one level."""
    levels = masks.shape[-2]
    if levels < 2:
        return masks.new_zeros(())
    units = functional.normalize(masks, dim=-1)
    cosines = units @ units.mT
    # The diagonal is each mask with itself.
    apart = cosines.sum((-2, -1)) - cosines.diagonal(dim1=-2, dim2=-1).sum(-1)
    return apart.mean() / (levels * (levels - 1))
