"""What an attention passes on from step to step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where an attention is.

    Args:
        weights: (batch, source) of the last step; at first all on token 0.
        mask: boolean (batch, source), True for tokens, or None where all are.
        means: (batch, mixtures) in tokens, of GMM attention.
        keys: (batch, source, hidden) projected memory, of attention that reads it.
    """

    weights: Tensor
    mask: Tensor | None = None
    means: Tensor | None = None
    keys: Tensor | None = None


class Attention(Protocol):
    """What the decoder asks of an attention."""

    def first(self, memory: Tensor, mask: Tensor | None = None) -> Alignment:
        """The alignment before the first step over a memory (batch, source, width)."""
        ...

    def step(self, query: Tensor, last: Alignment) -> Alignment:
        """The alignment after a step with the query (batch, query_dim)."""
        ...


def at_the_start(memory: Tensor, mask: Tensor | None) -> Tensor:
    """Weights (batch, source) that all lie on token 0; none where nothing is real."""
    weights = torch.zeros_like(memory[..., 0])
    weights[:, :1] = 1.0
    return weights if mask is None else weights.masked_fill(~mask, 0.0)
