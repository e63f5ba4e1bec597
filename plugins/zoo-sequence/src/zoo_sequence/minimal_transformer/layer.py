"""The layer: attention with as many of its projections as the variant leaves."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo.nn.attention import dense_attention
from zoo.nn.heads import merge_heads, split_heads
from zoo_sequence.minimal_transformer.config import MinimalAttentionConfig


def lower_triangle(rows: Tensor) -> Tensor:
    """Lower-triangular matrices (n, width, width) from their entries (n, width (width + 1) / 2), row by row."""
    count, entries = rows.shape
    width = (math.isqrt(8 * entries + 1) - 1) // 2
    row, column = torch.tril_indices(width, width, device=rows.device)
    return rows.new_zeros(count, width**2).index_copy(1, row * width + column, rows).view(count, width, width)


class MinimalAttention(nn.Module):
    """The layer, (batch, length, dim) to the same shape; a projection that the variant lacks is the identity."""

    has_positions = False

    def __init__(self, config: MinimalAttentionConfig) -> None:
        super().__init__()
        self.config = config
        dim, width = config.dim, config.dim // config.num_heads
        similarity, _, rest = config.variant.partition("-")

        def projection(exists: bool) -> nn.Module:
            return nn.Linear(dim, dim) if exists else nn.Identity()

        self.query = projection(similarity == "unchanged")
        self.key = projection(similarity == "unchanged")
        self.qk = projection(similarity == "wqk")
        triangles = torch.empty(config.num_heads, width * (width + 1) // 2)
        self.tril = nn.Parameter(triangles) if similarity == "symmetric" else None
        self.value = projection(not rest)
        self.out = projection(not rest)
        if self.tril is not None:
            # The identity and a little noise: with standard normal T the scores grow like dim ** 1.5.
            nn.init.normal_(self.tril, std=0.02)
            row, column = torch.tril_indices(width, width)
            with torch.no_grad():
                self.tril.add_((row == column).to(self.tril))

    def queries_and_keys(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is compared, each (batch, heads, length, d_h)."""
        heads = self.config.num_heads
        query, key = split_heads(self.query(self.qk(x)), heads), split_heads(self.key(x), heads)
        if self.tril is None:
            return query, key
        projected = query @ lower_triangle(self.tril)
        return projected, projected

    def scores(self, x: Tensor) -> Tensor:
        """Scaled scores (batch, heads, length, length), which ``forward`` never holds all at once."""
        query, key = self.queries_and_keys(x)
        return query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            x: (batch, length, dim).
            attn_mask: see ``zoo.nn.masks``.
        """
        query, key = self.queries_and_keys(x)
        value = split_heads(self.value(x), self.config.num_heads)
        return self.out(merge_heads(self.attend(query, key, value, attn_mask)))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """Fused softmax attention, (batch, heads, length, d_h)."""
        dropout = self.config.dropout if self.training else 0.0
        return dense_attention(query, key, value, attn_mask, causal=self.config.causal, dropout=dropout)


def example(config: MinimalAttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens of length 7."""
    return {"x": torch.randn(batch_size, 7, config.dim, generator=torch.Generator().manual_seed(seed))}
