"""Transformer-XL's relative attention as the reference shifts it: on each utterance's own square."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo.nn.attention import scores
from zoo_seq2seq.relative_attention import RelativeAttention


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


class ShiftedRelativeAttention(RelativeAttention):
    """softmax(((q + u) k' + shift((q + v) r')) / sqrt(d)) v, r of places and d the width of all heads."""

    @property
    def scale(self) -> float:
        """What scores are divided by."""
        return math.sqrt(self.dim)

    def place_scores(self, query: Tensor, mask: Tensor) -> Tensor:
        """Scores (B, heads, L, L) of queries (B, heads, L, width) with their bias, shifted."""
        places = torch.arange(query.shape[2], device=query.device)
        return shifted(scores(query, self.embedded_places(places)), mask.sum(1))
