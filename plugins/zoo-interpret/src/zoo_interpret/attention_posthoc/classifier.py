"""The single-layer multi-head classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.positions import sinusoidal_positions
from zoo_interpret.attention_posthoc.config import ClassifierConfig


class PositionedEmbedding(nn.Embedding):
    """e_t = E[x_t] + P_t."""

    pe: Tensor

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__(config.vocab_size, config.dim)
        table = sinusoidal_positions(config.max_length, config.dim)
        self.register_buffer("pe", table if config.positional else torch.zeros_like(table), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        """(N, T) ids to (N, T, d)."""
        if input.shape[1] > len(self.pe):
            raise InputError(f"{input.shape[1]} tokens; max_length={len(self.pe)}")
        return super().forward(input) + self.pe[: input.shape[1]]


class Head(nn.Module):
    """The projections of one head."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.query = nn.Linear(config.dim, config.attention_dim, bias=False)
        self.key = nn.Linear(config.dim, config.attention_dim, bias=False)
        self.value = nn.Linear(config.dim, config.value_dim, bias=False)
        self.classifier = nn.Linear(config.value_dim, config.num_classes, bias=False)


@dataclass(frozen=True)
class Parts:
    """What the heads compute for a document; everything that the closed forms need.

    Args:
        query: (N, H, d_att), of [CLS].
        key: (N, H, T, d_att).
        value: (N, H, T, d_out).
        attention: (N, H, T), of [CLS].
    """

    query: Tensor
    key: Tensor
    value: Tensor
    attention: Tensor


class MultiHeadClassifier(nn.Module):
    """Scores of documents whose first token is [CLS].

    Shapes: ``input_ids`` (N, T) int64 to scores (N, classes), without softmax.
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = PositionedEmbedding(config)
        self.heads = nn.ModuleList([Head(config) for _ in range(config.num_heads)])
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Heads uniform in (-0.1, 0.1), embeddings normal."""
        nn.init.normal_(self.embedding.weight)
        for parameter in self.heads.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def get_input_embeddings(self) -> nn.Module:
        """What gradients are taken with respect to the output of, as in models of transformers."""
        return self.embedding

    def weight(self, name: str) -> Tensor:
        """All heads' weights of one projection, (H, out, in)."""
        return torch.stack([getattr(head, name).weight for head in self.heads])

    @property
    def scaling(self) -> float:
        """What scores are multiplied by."""
        return self.config.attention_dim**-0.5 if self.config.scale else 1.0

    def parts(self, embedded: Tensor, attn_mask: Tensor | None = None, *, query_states: Tensor | None = None) -> Parts:
        """Queries, keys, values and attention.

        Args:
            embedded: e (N, T, d).
            attn_mask: (N, T) boolean, True = visible.
            query_states: (N, d), what the query is made of; e_0 by default.
        """
        states = embedded[:, 0] if query_states is None else query_states
        query = torch.einsum("nd,had->nha", states, self.weight("query"))
        key = torch.einsum("ntd,had->nhta", embedded, self.weight("key"))
        value = torch.einsum("ntd,hod->nhto", embedded, self.weight("value"))
        scores = torch.einsum("nha,nhta->nht", query, key) * self.scaling
        if attn_mask is not None:
            # A document that sees nothing, not even its [CLS], gives zeros.
            hidden = ~attn_mask[:, None].bool()
            attention = scores.masked_fill(hidden, -torch.inf).softmax(-1).masked_fill(hidden, 0.0)
        else:
            attention = scores.softmax(-1)
        return Parts(query, key, value, attention)

    def scores(self, parts: Parts) -> Tensor:
        """(N, classes)."""
        mixed = torch.einsum("nht,nhto->nho", parts.attention, parts.value)
        return torch.einsum("nho,hco->nc", mixed, self.weight("classifier")) / len(self.heads)

    def forward(self, input_ids: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Scores (N, classes).

        Args:
            input_ids: (N, T), [CLS] first; padded with UNK, as in the paper.
            attn_mask: (N, T) boolean, True = visible; without it padding is attended to, as in the paper.
        """
        if attn_mask is not None and attn_mask.shape != input_ids.shape:
            raise InputError(
                f"attn_mask of shape {tuple(attn_mask.shape)}; expected {tuple(input_ids.shape)}: one flag per token"
            )
        return self.scores(self.parts(self.embedding(input_ids), attn_mask))


def example(config: ClassifierConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """Random documents after a [CLS]."""
    return {"input_ids": random_documents(config, batch_size, min(12, config.max_length), seed)}


def paper_input(config: ClassifierConfig) -> dict[str, Any]:
    """One document of full length."""
    return {"input_ids": random_documents(config, 1, config.max_length)}


def random_documents(config: ClassifierConfig, count: int, length: int, seed: int = 0) -> Tensor:
    """(count, length) ids, [CLS] first, no UNK where the vocabulary has other words."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(min(2, config.vocab_size - 1), config.vocab_size, (count, length), generator=generator)
    ids[:, 0] = 0
    return ids
