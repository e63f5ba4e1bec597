"""Deformable attention that projects values after they are sampled."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo_pose.sampling import ring, sample_levels


class DeformableAttention(nn.Module):
    """Heads sample the raw memory around references, and each projects what it has gathered.

    Args:
        dim, num_heads: widths; each head's output has ``dim / num_heads``.
        num_levels, num_points: sampled maps, and points on each.
        dropout: of the output, before the identity is added.
    """

    def __init__(self, dim: int, num_heads: int, num_levels: int, num_points: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = (num_heads, num_levels, num_points)
        count = num_heads * num_levels * num_points
        self.sampling_offsets = nn.Linear(dim, 2 * count)
        self.attention_weights = nn.Linear(dim, count)
        self.value_weight = nn.Parameter(torch.empty(num_heads, dim, dim // num_heads))
        self.value_bias = nn.Parameter(torch.empty(num_heads, dim // num_heads))
        self.output_proj = nn.Linear(dim, dim)
        self.drop = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Offsets on a ring, equal weights, Xavier's uniform for the projections."""
        for layer in (self.sampling_offsets, self.attention_weights):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(ring(*self.shape))
        heads, dim, width = self.value_weight.shape
        bound = (6 / (dim + heads * width)) ** 0.5
        nn.init.uniform_(self.value_weight, -bound, bound)
        nn.init.zeros_(self.value_bias)
        nn.init.xavier_uniform_(self.output_proj.weight)
        nn.init.zeros_(self.output_proj.bias)

    def where(self, query: Tensor, references: Tensor, sizes: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """Points (batch, queries, heads, levels, points, 2) and weights (batch, queries, heads, levels, points).

        Args:
            query: (batch, queries, dim), positions added.
            references: (batch, queries, levels, 2) in parts of the maps.
            sizes: height and width of each level.
        """
        heads, levels, points = self.shape
        offsets = self.sampling_offsets(query).unflatten(-1, (heads, levels, points, 2))
        weights = self.attention_weights(query).unflatten(-1, (heads, -1)).softmax(-1)
        extent = references.new_tensor([[width, height] for height, width in sizes])
        return (
            references[:, :, None, :, None] + offsets / extent[:, None],
            weights.unflatten(-1, (levels, points)),
        )

    def forward(
        self,
        query: Tensor,
        positions: Tensor | None,
        memory: Tensor,
        sizes: Sequence[tuple[int, int]],
        references: Tensor,
    ) -> Tensor:
        """Identity plus what the heads gathered.

        Args:
            query: (batch, queries, dim): the identity, and with ``positions`` what decides where to look.
            positions: broadcastable to ``query``, or None.
            memory: (batch, sum of height * width, dim), level after level.
            sizes: height and width of each level.
            references: (batch, queries, levels, 2) in parts of the maps; anywhere.

        Returns:
            (batch, queries, dim).
        """
        points, weights = self.where(query if positions is None else query + positions, references, sizes)
        gathered = sample_levels(memory, sizes, points.flatten(1, 2), weights.flatten(1, 2))
        gathered = gathered.unflatten(1, points.shape[1:3])
        heads = torch.einsum("bqhc,hcd->bqhd", gathered, self.value_weight) + self.value_bias
        return query + self.drop(self.output_proj(heads.flatten(2)))
