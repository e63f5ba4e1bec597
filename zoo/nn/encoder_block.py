"""The pre-norm transformer block around any attention layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from zoo.nn.drop_path import DropPath
from zoo.nn.mlp import MLP


class EncoderBlock(nn.Module):
    """x + attention(norm1(x)), then x + MLP(norm2(x)).

    Args:
        attention: maps (batch, tokens, dim) to the same shape.
        dim: model width.
        mlp_ratio: feed-forward width over model width.
        dropout: in the MLP.
        drop_path: stochastic depth of both branches.
    """

    def __init__(
        self, attention: nn.Module, dim: int, mlp_ratio: float, *, dropout: float = 0.0, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = attention
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLP(dim, int(dim * mlp_ratio), dropout=dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, **options: Any) -> Tensor:
        """(batch, tokens, dim) to the same shape; options (a mask, a cache) go to the attention layer."""
        x = x + self.drop_path(self.attn(self.norm1(x), **options))
        return x + self.drop_path(self.mlp(self.norm2(x)))
