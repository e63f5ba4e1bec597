"""Attention whose heads have patterns."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.nn.heads import split_heads

HIDDEN = -10000.0


def patterned_weights(
    query: Tensor,
    key: Tensor,
    patterns: Tensor,
    synthesized: Tensor,
    padding: Tensor | None,
    *,
    reference_padding: bool = False,
) -> Tensor:
    """Weights (batch, heads, T, T).

    Args:
        query, key: (batch, heads, T, head_dim).
        patterns: (batch, heads, T, T) boolean.
        synthesized: (heads,) boolean, whose scores are replaced by the pattern.
        padding: (batch, T), 1 for real tokens; None for no padding.
        reference_padding: the authors' order, in which a pattern's -10000 takes the place of padding's, so that a row
            without an allowed key has the same -10000 everywhere: it sees all keys, padding too.

    By default no row sees padding: one without an allowed key sees all real ones.
    """
    if padding is not None and not reference_padding:
        real = padding[:, None, None].bool()
        patterns = patterns & real
        patterns = torch.where(patterns.any(-1, keepdim=True), patterns, real)
    scores = query @ key.mT
    scores = torch.where(synthesized[None, :, None, None], patterns.to(scores.dtype), scores)
    allowed = scores.new_zeros(scores.shape[0], 1, 1, scores.shape[-1])
    if padding is not None:
        allowed = (1.0 - padding[:, None, None].to(scores.dtype)) * HIDDEN
    mask = allowed.expand_as(scores).masked_fill(~patterns, HIDDEN)
    return (scores / query.shape[-1] ** 0.5 + mask).float().softmax(-1).to(query.dtype)


def modes(heads: int, heads_per_pattern: int, matching: str, intra: str, positional: str) -> Tensor:
    """Which heads are synthesized, (heads,) boolean."""
    found = torch.zeros(heads, dtype=torch.bool)
    for index in range(heads_per_pattern):
        for place, mode in enumerate((matching, intra, positional, positional)):
            found[4 * index + place] = mode == "synthesize"
    return found


class PatternedSelfAttention(nn.Module):
    """Queries, keys and values, and heads with patterns; no output projection."""

    synthesized: Tensor

    def __init__(
        self, dim: int, num_heads: int, synthesized: Tensor, dropout: float, *, reference_padding: bool = False
    ) -> None:
        super().__init__()
        self.num_heads, self.reference_padding = num_heads, reference_padding
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("synthesized", synthesized, persistent=False)

    def forward(self, x: Tensor, patterns: Tensor, padding: Tensor | None) -> tuple[Tensor, Tensor]:
        """Output (batch, T, dim), and weights (batch, heads, T, T) before dropout.

        Args:
            x: (batch, T, dim).
            patterns: (batch, heads, T, T) boolean.
            padding: (batch, T), 1 for real tokens.
        """
        query, key, value = (split_heads(layer(x), self.num_heads) for layer in (self.query, self.key, self.value))
        weights = patterned_weights(
            query, key, patterns, self.synthesized, padding, reference_padding=self.reference_padding
        )
        mixed = self.dropout(weights) @ value
        return mixed.transpose(1, 2).flatten(2), weights
