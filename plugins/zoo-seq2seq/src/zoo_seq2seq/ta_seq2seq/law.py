"""The law of the next word."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_seq2seq.ta_seq2seq.config import BiasedLawConfig


class Readout(Protocol):
    """Logits (batch, vocab) of the language term from state, previous embedding and context."""

    def __call__(self, state: Tensor, embedding: Tensor, context: Tensor) -> Tensor:
        """The logits before the activation."""
        ...


class LinearReadout(nn.Module):
    """Rows times a state, an embedding and, where asked, a context."""

    def __init__(self, config: BiasedLawConfig, *, with_context: bool) -> None:
        super().__init__()
        self.state = nn.Linear(config.state_dim, config.vocab_size)
        self.embedding = nn.Linear(config.embedding_dim, config.vocab_size, bias=False)
        self.context = nn.Linear(config.context_dim, config.vocab_size, bias=False) if with_context else None

    def forward(self, state: Tensor, embedding: Tensor, context: Tensor) -> Tensor:
        """(..., vocab)."""
        found = self.state(state) + self.embedding(embedding)
        return found if self.context is None else found + self.context(context)


class MaxoutReadout(nn.Module):
    """The readout of the authors' earlier code: the larger of pairs, then two linear layers."""

    def __init__(self, config: BiasedLawConfig) -> None:
        super().__init__()
        dim, width = config.state_dim, config.embedding_dim
        self.state = nn.Linear(dim, dim)
        self.embedding = nn.Linear(width, dim, bias=False)
        self.context = nn.Linear(config.context_dim, dim, bias=False)
        self.narrow = nn.Linear(dim // 2, width, bias=False)
        self.output = nn.Linear(width, config.vocab_size)

    def forward(self, state: Tensor, embedding: Tensor, context: Tensor) -> Tensor:
        """(..., vocab)."""
        summed = self.state(state) + self.embedding(embedding) + self.context(context)
        return self.output(self.narrow(summed.unflatten(-1, (-1, 2)).amax(-1)))


class BiasedLaw(nn.Module):
    """States, embeddings and contexts to log-probabilities."""

    def __init__(self, config: BiasedLawConfig, language: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        self.language = LinearReadout(config, with_context=False) if language is None else language
        self.topic = LinearReadout(config, with_context=True) if config.biased else None

    def forward(self, state: Tensor, embedding: Tensor, context: Tensor, is_topic: Tensor | None = None) -> Tensor:
        """log p of every word (batch, vocab_size), in at least float32.

        Args:
            state: (batch, state_dim).
            embedding: (batch, embedding_dim) of the last word.
            context: (batch, context_dim) of the message.
            is_topic: boolean (batch, vocab_size), True for the topic words of the message; none by default.

        Raises:
            InputError: ``is_topic`` of another shape or type.
        """
        said = self._activated(self.language(state, embedding, context))
        if self.topic is None or is_topic is None:
            return said.log_softmax(-1)
        if is_topic.shape != said.shape or is_topic.dtype != torch.bool:
            raise InputError(
                f"is_topic of shape {tuple(is_topic.shape)} and type {is_topic.dtype}; expected boolean "
                f"{tuple(said.shape)}"
            )
        meant = self._activated(self.topic(state, embedding, context))
        # What is no topic word gets nothing, however that is rounded.
        both = torch.where(is_topic, torch.logaddexp(said, meant), said)
        return both.log_softmax(-1)

    def _activated(self, logits: Tensor) -> Tensor:
        logits = logits if logits.dtype == torch.float64 else logits.float()
        return logits.tanh() if self.config.logit_activation == "tanh" else logits


def example(config: BiasedLawConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random states, every third word being a topic word."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "state": torch.randn(batch_size, config.state_dim, generator=generator),
        "embedding": torch.randn(batch_size, config.embedding_dim, generator=generator),
        "context": torch.randn(batch_size, config.context_dim, generator=generator),
        "is_topic": (torch.arange(config.vocab_size) % 3 == 0).expand(batch_size, -1),
    }
