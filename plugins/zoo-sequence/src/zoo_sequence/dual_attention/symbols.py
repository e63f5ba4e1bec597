"""Symbols: what an object is called, apart from what it looks like.

* ``symbolic_attention``: a library of symbols S (n_s, dim) beside templates F of the same shape; an object reads
  softmax(q(x) . F / sqrt(d)) S, head by head.
* ``positional_symbols``: symbol t for the object at position t.
* ``position_relative``: a symbol for every pair, by its distance j - i, clipped at m.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.attention import scores
from zoo.nn.heads import merge_heads, split_heads
from zoo.nn.language_model import places
from zoo.nn.masks import masked_softmax
from zoo_sequence.dual_attention.config import DualAttentionConfig


@dataclass(frozen=True)
class PairSymbols:
    """A symbol for every pair of objects.

    Args:
        table: (entries, dim).
        index: (i, j) int64, which entry stands for the pair; the same in every example.
    """

    table: Tensor
    index: Tensor

    @classmethod
    def explicit(cls, symbols: Tensor) -> PairSymbols:
        """From one vector per pair, (i, j, dim)."""
        count = symbols.shape[0] * symbols.shape[1]
        return cls(symbols.flatten(0, 1), torch.arange(count, device=symbols.device).view(symbols.shape[:2]))

    def gather_weights(self, weights: Tensor, rows: slice) -> Tensor:
        """Weights (batch, heads, i, j) of receivers ``rows`` for the first senders j, added up per entry.

        Returns:
            (batch, heads, i, entries).
        """
        total = weights.new_zeros(*weights.shape[:3], len(self.table))
        return total.scatter_add(-1, self.index[rows, : weights.shape[-1]].expand_as(weights), weights)


class SymbolicAttention(nn.Module):
    """Objects (batch, tokens, dim) to symbols (batch, tokens, dim) by attention to a library."""

    def __init__(self, dim: int, num_heads: int, num_symbols: int, *, trainable: bool = True) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(dim, dim)
        self.template_features = nn.Parameter(torch.empty(num_symbols, dim))
        self.symbol_library = nn.Parameter(torch.empty(num_symbols, dim), requires_grad=trainable)
        nn.init.normal_(self.template_features)
        nn.init.normal_(self.symbol_library)

    def forward(self, x: Tensor) -> Tensor:
        """Retrieve."""
        query, templates, library = (
            split_heads(tensor, self.num_heads)
            for tensor in (self.q_proj(x), self.template_features, self.symbol_library)
        )
        weights = masked_softmax(scores(query, templates) * query.shape[-1] ** -0.5, None)
        return merge_heads(weights.to(library.dtype) @ library)


class PositionalSymbols(nn.Module):
    """A learned symbol per position."""

    def __init__(self, dim: int, max_length: int) -> None:
        super().__init__()
        self.symbol_library = nn.Embedding(max_length, dim)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """(batch, tokens, dim); only the shape of ``x`` matters, and which tokens are padding, which takes no position.

        Raises:
            InputError: more tokens than symbols.
        """
        length = x.shape[1]
        if length > self.symbol_library.num_embeddings:
            raise InputError(f"{length} tokens, but there are symbols for {self.symbol_library.num_embeddings}")
        return self.symbol_library.weight[places(attn_mask, len(x), 0, length)].expand(len(x), -1, -1)


class RelativeTable(nn.Module):
    """The learned table of symbols by distance."""

    def __init__(self, dim: int, max_distance: int) -> None:
        super().__init__()
        self.rel_pos_embeddings = nn.Parameter(torch.empty(2 * max_distance + 1, dim))
        nn.init.xavier_uniform_(self.rel_pos_embeddings)


class RelativeSymbols(nn.Module):
    """A learned symbol per distance of two objects."""

    def __init__(self, dim: int, max_distance: int) -> None:
        super().__init__()
        self.max_distance = max_distance
        self.rel_pos_enc = RelativeTable(dim, max_distance)

    def forward(self, x: Tensor) -> PairSymbols:
        """Symbols of all pairs; only the shape of ``x`` matters."""
        positions = torch.arange(x.shape[1], device=x.device)
        distance = (positions - positions[:, None]).clamp(-self.max_distance, self.max_distance)
        return PairSymbols(self.rel_pos_enc.rel_pos_embeddings, distance + self.max_distance)


def symbol_retriever(config: DualAttentionConfig) -> nn.Module:
    """The retriever that a config names."""
    if config.symbol_retrieval == "positional_symbols":
        return PositionalSymbols(config.dim, config.symbol_length or config.max_length)
    if config.symbol_retrieval == "position_relative":
        return RelativeSymbols(config.dim, config.max_distance)
    return SymbolicAttention(config.dim, config.retrieval_heads, config.num_symbols, trainable=config.trainable_symbols)
