"""The pre-norm transformer block of lifters and of video pose."""

from __future__ import annotations

from torch import Tensor, nn

from zoo.nn.attention import SelfAttention
from zoo.nn.drop_path import DropPath
from zoo.nn.mlp import MLP


class Block(nn.Module):
    """x + attention(norm1(x)), then x + MLP(norm2(x)), norms with eps 1e-6; arguments as ``SelfAttention``.

    Args:
        dim, num_heads, qkv_bias: of the attention.
        mlp_ratio: feed-forward width over ``dim``.
        drop_path: stochastic depth of both branches.
    """

    def __init__(
        self, dim: int, num_heads: int, mlp_ratio: float = 2.0, *, qkv_bias: bool = True, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = SelfAttention(dim, num_heads, qkv_bias)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = MLP(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, dim) to the same shape."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))
