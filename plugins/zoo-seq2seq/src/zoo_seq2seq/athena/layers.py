"""Embeddings of expanded thoughts, and the module that judges thoughts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.nn.heads import merge_heads, split_heads
from zoo_seq2seq.athena.config import AthenaConfig
from zoo_seq2seq.athena.thoughts import AGGREGATES, TRANSFORMS


class FeedForward(nn.Module):
    """x + W2 GELU(W1 LN(x)), or LN(x + W2 GELU(W1 x)) with post-norm."""

    def __init__(self, config: AthenaConfig) -> None:
        super().__init__()
        self.post = config.norm == "post"
        self.norm = nn.LayerNorm(config.dim)
        self.ff = nn.Sequential(
            nn.Linear(config.dim, config.inner_dim),
            nn.GELU(),
            nn.Linear(config.inner_dim, config.dim),
            nn.Dropout(config.dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) to the same shape."""
        if self.post:
            return self.norm(x + self.ff(x))
        return x + self.ff(self.norm(x))


class Transform(nn.Module):
    """The embedding of a transformed thought."""

    def __init__(self, config: AthenaConfig) -> None:
        super().__init__()
        self.ffn = FeedForward(config)

    def forward(self, kept: Tensor, places: Tensor) -> Tensor:
        """(count, dim) from kept embeddings (kept, dim) and places (count, 1)."""
        return self.ffn(kept[places[:, 0]])


class Heads(nn.Module):
    """Queries, keys and values."""

    def __init__(self, config: AthenaConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.q, self.k, self.v = (nn.Linear(config.dim, config.dim) for _ in range(3))

    def compare(self, query: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled scores (..., heads, queries, keys) and values (..., heads, keys, width)."""
        q, k, v = (split_heads(each, self.heads) for each in (self.q(query), self.k(memory), self.v(memory)))
        return q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, v


class Aggregate(Heads):
    """The embedding of a sum or product of two thoughts, the same for either order."""

    def __init__(self, config: AthenaConfig) -> None:
        super().__init__(config)
        self.post = config.norm == "post"
        self.norm = nn.LayerNorm(config.dim)
        self.dense = nn.Sequential(nn.Linear(config.dim, config.dim), nn.Dropout(config.dropout))
        self.ffn = FeedForward(config)

    def forward(self, kept: Tensor, places: Tensor) -> Tensor:
        """(count, dim) from kept embeddings (kept, dim) and pairs of places (count, 2)."""
        ready = kept if self.post else self.norm(kept)
        scores, values = self.compare(ready, ready)
        block = scores[:, places[:, :, None], places[:, None, :]].softmax(-1)
        # (heads, count, 2, width), both rows summed.
        mixed = (block @ values[:, places]).sum(-2)
        summed = kept[places].sum(1) + self.dense(mixed.transpose(0, 1).flatten(1))
        return self.ffn(self.norm(summed) if self.post else summed)


class Expansions(nn.ModuleDict):
    """One module for every operation."""

    def __init__(self, config: AthenaConfig) -> None:
        super().__init__({name: Transform(config) for name in TRANSFORMS})
        self.update({name: Aggregate(config) for name in AGGREGATES})


class CrossAttention(nn.Module):
    """Thoughts look at a context, and only at it."""

    def __init__(self, config: AthenaConfig) -> None:
        super().__init__()
        self.post = config.norm == "post"
        self.heads = Heads(config)
        self.norm, self.ref_norm = nn.LayerNorm(config.dim), nn.LayerNorm(config.dim)
        self.dense = nn.Sequential(nn.Linear(config.dim, config.dim), nn.Dropout(config.dropout))
        self.ffn = FeedForward(config)

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (..., count, dim) and weights (..., heads, count, context)."""
        query, memory = (x, context) if self.post else (self.norm(x), self.ref_norm(context))
        scores, values = self.heads.compare(query, memory)
        weights = scores.softmax(-1)
        summed = x + self.dense(merge_heads(weights @ values))
        return self.ffn(self.norm(summed) if self.post else summed), weights


class Judge(nn.Module):
    """A logit for every thought in the light of a context."""

    def __init__(self, config: AthenaConfig) -> None:
        super().__init__()
        self.ffn = FeedForward(config)
        self.attention = CrossAttention(config)
        self.proj = nn.Linear(config.dim, 1)

    def forward(self, thoughts: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Judge.

        Args:
            thoughts: (..., count, dim).
            context: (..., context, dim).

        Returns:
            Logits (..., count), outputs (..., count, dim) and weights (..., heads, count, context).
        """
        outputs, weights = self.attention(self.ffn(thoughts), context)
        # A product with a single row may round by where in memory the row lies; a sum does not.
        logits = (outputs * self.proj.weight[0]).sum(-1) + self.proj.bias
        return logits, outputs, weights


def constants(config: AthenaConfig) -> nn.Sequential:
    """What turns learnt vectors (count, dim) into thoughts."""
    return nn.Sequential(
        nn.LayerNorm(config.dim),
        nn.Linear(config.dim, config.inner_dim),
        nn.GELU(),
        nn.Linear(config.inner_dim, config.dim),
    )


def empty(count: int, dim: int) -> nn.Parameter:
    """Room for learnt vectors."""
    return nn.Parameter(torch.empty(count, dim))
