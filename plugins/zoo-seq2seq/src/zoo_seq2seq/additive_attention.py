"""Additive attention, and its normalised form.

    score(q, k) = v . tanh(W_q q + W_k k + b)              g (v / |v|) . tanh(W_q q + W_k k + b)  where normalised

Keys W_k k are computed once a sentence. Sources: Bahdanau et al. 2014 (arXiv 1409.0473); Salimans and Kingma 2016.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class AdditiveAttention(nn.Module):
    """Scores of queries (batch, [targets,] query_dim) against keys (batch, source, units): no softmax, no mask.

    Args:
        query_dim, key_dim: widths of what is projected.
        units: width inside the tanh.
        bias: whether W_q has a bias.
        normalized: whether v has unit length and a learned scale, and the sum a bias b of its own.
    """

    def __init__(
        self, query_dim: int, key_dim: int, units: int, *, bias: bool = False, normalized: bool = False
    ) -> None:
        super().__init__()
        self.query = nn.Linear(query_dim, units, bias=bias)
        self.key = nn.Linear(key_dim, units, bias=False)
        self.v = nn.Parameter(torch.empty(units))
        self.scale = nn.Parameter(torch.empty(1)) if normalized else None
        self.bias = nn.Parameter(torch.empty(units)) if normalized else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """v uniform as a linear layer's row; the scale 1 / sqrt(units), the bias zero."""
        bound = 1 / math.sqrt(self.v.shape[0])
        nn.init.uniform_(self.v, -bound, bound)
        if self.scale is not None and self.bias is not None:
            nn.init.constant_(self.scale, bound)
            nn.init.zeros_(self.bias)

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """Scores (batch, [targets,] source).

        Args:
            query: (batch, query_dim) or (batch, targets, query_dim).
            key: (batch, source, units), ``self.key`` of the memory.
        """
        summed = self.query(query)[..., None, :] + (key if query.ndim == 2 else key[:, None])
        if self.bias is not None:
            summed = summed + self.bias
        v = self.v
        if self.scale is not None:
            v = self.scale * v / v.norm()
        # A product with a vector may round by where in memory the vector lies; a sum does not.
        return (summed.tanh() * v).sum(-1)
