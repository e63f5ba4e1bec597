"""Attention by relative positions (Transformer-XL's, with a distance for every pair)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo.nn.attention import scores
from zoo.nn.heads import merge_heads, split_heads
from zoo.nn.masks import masked_softmax
from zoo.nn.positions import sinusoids


class RelativeAttention(nn.Module):
    """softmax(((q_i + u) k_j + (q_i + v) r_{i-j}) / sqrt(width)) v_j."""

    def __init__(self, dim: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dim, self.num_heads = dim, num_heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(dim, dim) for _ in range(4))
        self.pos_proj = nn.Linear(dim, dim, bias=False)
        self.u_bias = nn.Parameter(torch.empty(num_heads, dim // num_heads))
        self.v_bias = nn.Parameter(torch.empty(num_heads, dim // num_heads))
        self.drop = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Biases of queries uniform as Xavier's."""
        nn.init.xavier_uniform_(self.u_bias)
        nn.init.xavier_uniform_(self.v_bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, dim), real frames (B, T)."""
        length = x.shape[1]
        query, key, value = (split_heads(f(x), self.num_heads) for f in (self.q_proj, self.k_proj, self.v_proj))
        places = torch.arange(length, device=x.device)
        # Row t is the distance t - (length - 1): keys ahead of the query first.
        table = sinusoids(torch.arange(1 - length, length, device=x.device), self.dim).to(x.dtype)
        by_place = scores(query + self.v_bias[:, None], split_heads(self.pos_proj(table)[None], self.num_heads))
        index = (places[:, None] - places + length - 1).expand(*query.shape[:2], length, length)
        logits = scores(query + self.u_bias[:, None], key) + by_place.gather(-1, index)
        weights = masked_softmax(logits / math.sqrt(query.shape[-1]), mask[:, None, None]).to(value.dtype)
        found: Tensor = self.out_proj(merge_heads(self.drop(weights) @ value))
        return found
