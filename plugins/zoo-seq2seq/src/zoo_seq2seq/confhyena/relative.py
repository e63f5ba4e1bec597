"""Transformer-XL's relative attention, on each utterance's own square."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo.nn.attention import scores
from zoo.nn.heads import split_heads
from zoo.nn.masks import masked_softmax
from zoo.nn.positions import sinusoids


def shifted(x: Tensor, lengths: Tensor) -> Tensor:
    """Scores (B, h, L, L) of positions after the shift, for each utterance on its own square; 0 at padding.

    The shift puts a zero column to the left, reads the rows on end with one row more, and drops the first.
    """
    length = x.shape[-1]
    places = torch.arange(length, device=x.device)
    own = lengths[:, None, None].clamp(min=1)
    flat = (places[:, None] + 1) * own + places
    rows, columns = flat // (own + 1), flat % (own + 1) - 1
    inside = (places < own) & (places[:, None] < own) & (columns >= 0)
    index = (rows * length + columns).masked_fill(~inside, 0).flatten(1)[:, None].expand(-1, x.shape[1], -1)
    return x.flatten(2).gather(-1, index).view_as(x).masked_fill(~inside[:, None], 0.0)


class RelativeAttention(nn.Module):
    """softmax(((q + u) k' + shift((q + v) r')) / sqrt(d)) v."""

    def __init__(self, dim: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dim, self.num_heads = dim, num_heads
        self.query_proj, self.key_proj, self.value_proj, self.out_proj = (nn.Linear(dim, dim) for _ in range(4))
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
        """x (B, L, dim), real frames (B, L)."""
        query, key, value = (
            split_heads(layer(x), self.num_heads) for layer in (self.query_proj, self.key_proj, self.value_proj)
        )
        positions = sinusoids(torch.arange(x.shape[1], device=x.device), self.dim).to(x.dtype)
        places = split_heads(self.pos_proj(positions)[None], self.num_heads)
        by_content = scores(query + self.u_bias[:, None], key)
        by_place = shifted(scores(query + self.v_bias[:, None], places), mask.sum(1))
        visible = mask[:, None, :, None] & mask[:, None, None]
        weights = masked_softmax((by_content + by_place) / math.sqrt(self.dim), visible).to(value.dtype)
        found: Tensor = self.out_proj((self.drop(weights) @ value).transpose(1, 2).flatten(2))
        return found
