"""Transformer-XL's attention by relative positions, over whole utterances: what layers of speech encoders share.

    softmax(((q_i + u) k_j + place(q_i + v)_j) / sqrt(width of a head)) v_j

u and v are learnt biases per head. ``place`` scores where j is from i: here by the embedding of the distance i - j,
r_{i-j}; a network whose reference counts places differently brings its own (``place_scores``, ``scale``).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo.nn.attention import scores
from zoo.nn.heads import merge_heads, split_heads
from zoo.nn.masks import masked_softmax
from zoo.nn.positions import sinusoids


class RelativeAttention(nn.Module):
    """Attention of every frame over all real ones, by content and by distance.

    Args:
        dim: width of frames.
        num_heads: of which it is a multiple.
        dropout: of weights.
    """

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

    @property
    def scale(self) -> float:
        """What scores are divided by."""
        return math.sqrt(self.dim // self.num_heads)

    def embedded_places(self, places: Tensor) -> Tensor:
        """Sinusoids of places (n,), projected and split into heads: (1, heads, n, width)."""
        return split_heads(
            self.pos_proj(sinusoids(places, self.dim).to(self.pos_proj.weight.dtype))[None], self.num_heads
        )

    def place_scores(self, query: Tensor, mask: Tensor) -> Tensor:
        """Scores (B, heads, L, L) of where frames are from each other, of queries (B, heads, L, width) with their bias
        and real frames (B, L)."""
        length = query.shape[2]
        places = torch.arange(length, device=query.device)
        # Row t is the distance t - (length - 1): keys ahead of the query first.
        of_distances = scores(query, self.embedded_places(torch.arange(1 - length, length, device=query.device)))
        index = (places[:, None] - places + length - 1).expand(*query.shape[:2], length, length)
        return of_distances.gather(-1, index)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, L, dim), real frames (B, L); rows of padding see nothing."""
        query, key, value = (
            split_heads(layer(x), self.num_heads) for layer in (self.query_proj, self.key_proj, self.value_proj)
        )
        by_content = scores(query + self.u_bias[:, None], key)
        by_place = self.place_scores(query + self.v_bias[:, None], mask)
        visible = mask[:, None, :, None] & mask[:, None, None]
        weights = masked_softmax((by_content + by_place) / self.scale, visible).to(value.dtype)
        found: Tensor = self.out_proj(merge_heads(self.drop(weights) @ value))
        return found
