"""The transformer over sessions, in SASRec's manner."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.nn.attention import scores
from zoo.nn.heads import merge_heads, split_heads
from zoo_activity.pisa.config import PISAConfig

# What hidden scores are replaced by. Finite: a query that sees nothing takes the mean of all, and is masked later.
_HIDDEN = float(-(2**32) + 1)


class Block(nn.Module):
    """n = LN(x); y = LN(attention(n, x, x) + n); y + feed-forward(y), zero at empty sessions."""

    def __init__(self, config: PISAConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.norm1, self.norm2 = nn.LayerNorm(dim, 1e-6), nn.LayerNorm(dim, 1e-6)
        self.q, self.k, self.v = (nn.Linear(dim, dim) for _ in range(3))
        self.fc1, self.fc2 = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """(batch, L, dim), real (batch, L) True for sessions that hold tracks, to the same shape."""
        heads, length = self.config.num_heads, x.shape[1]
        normed = self.norm1(x)
        query, key, value = (split_heads(part, heads) for part in (self.q(normed), self.k(x), self.v(x)))
        visible = (x != 0).any(-1)[:, None, None]
        if self.config.causal:
            visible = visible & torch.ones(length, length, dtype=torch.bool, device=x.device).tril()
        logits = scores(query * query.shape[-1] ** -0.5, key)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        weights = logits.masked_fill(~visible, _HIDDEN).softmax(-1).to(value.dtype)
        asks = (normed != 0).any(-1)[:, None, :, None]
        y = self.norm2(merge_heads(weights * asks @ value) + normed)
        return (y + self.fc2(self.fc1(y).relu())) * real[..., None]
