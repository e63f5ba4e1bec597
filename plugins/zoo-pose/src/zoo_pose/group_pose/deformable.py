"""Multi-scale deformable attention with values projected first."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo_pose.sampling import ring, sample_levels

Sizes = Sequence[tuple[int, int]]


class DeformableAttention(nn.Module):
    """Each head samples its slice of the projected memory around the query's references.

    Args:
        dim, num_heads, num_levels, num_points: as usual.
    """

    def __init__(self, dim: int, num_heads: int, num_levels: int, num_points: int) -> None:
        super().__init__()
        self.shape = (num_heads, num_levels, num_points)
        count = num_heads * num_levels * num_points
        self.sampling_offsets = nn.Linear(dim, 2 * count)
        self.attention_weights = nn.Linear(dim, count)
        self.value_proj = nn.Linear(dim, dim)
        self.output_proj = nn.Linear(dim, dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Offsets on a ring, equal weights, Xavier's uniform for the projections."""
        for layer in (self.sampling_offsets, self.attention_weights):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(ring(*self.shape))
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, query: Tensor, references: Tensor, memory: Tensor, padded: Tensor, sizes: Sizes) -> Tensor:
        """What the heads gathered, projected.

        Args:
            query: (batch, queries, dim), positions added.
            references: (batch, queries, levels, 2) in parts of the maps.
            memory: (batch, sum of height * width, dim), level after level.
            padded: boolean (batch, sum of height * width), True where the image is padded: values are 0 there.
            sizes: height and width of each level.

        Returns:
            (batch, queries, dim).
        """
        heads, levels, points = self.shape
        values = self.value_proj(memory).masked_fill(padded[..., None], 0.0)
        values = values.unflatten(-1, (heads, -1)).transpose(1, 2).flatten(0, 1)
        offsets = self.sampling_offsets(query).unflatten(-1, (heads, levels, points, 2))
        weights = self.attention_weights(query).unflatten(-1, (heads, -1)).softmax(-1)
        extent = references.new_tensor([[width, height] for height, width in sizes])
        places = references[:, :, None, :, None] + offsets / extent[:, None]
        gathered = sample_levels(
            values,
            sizes,
            places.transpose(1, 2).flatten(0, 1),
            weights.unflatten(-1, (levels, points)).transpose(1, 2).flatten(0, 1),
        )
        return self.output_proj(gathered.unflatten(0, (-1, heads)).transpose(1, 2).flatten(2))
