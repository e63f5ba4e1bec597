"""Attention among queries, with positions that only queries and keys have; torch's parameter layout."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.attention import dense_attention
from zoo.nn.heads import merge_heads, split_heads


class QueryAttention(nn.Module):
    """softmax(q k' / sqrt(head_dim)) v and a projection; one matrix holds the three projections."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.in_proj = nn.Linear(dim, 3 * dim)
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj.weight)
        nn.init.zeros_(self.in_proj.bias)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query: Tensor, value: Tensor) -> Tensor:
        """``query`` (batch, length, dim) gives queries and keys, ``value`` the values; (batch, length, dim)."""
        weights, biases = self.in_proj.weight.chunk(3), self.in_proj.bias.chunk(3)
        parts = [
            split_heads(functional.linear(x, weight, bias), self.num_heads)
            for x, weight, bias in zip((query, query, value), weights, biases, strict=True)
        ]
        return self.out_proj(merge_heads(dense_attention(*parts)))
