"""What the decoders of this plugin have in common: a memory, a state, one step; and forced decoding on top of them.

A sequence-to-sequence model here is a module with ``encode`` and ``step``. Its memory stays as it is while a sentence
is decoded, its state changes; both are dataclasses of tensors whose first axis is the batch. That is all that
``teacher_force`` and ``zoo_seq2seq.search`` know.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from zoo_seq2seq.outputs import MappedOutput
from zoo_seq2seq.padding import lengths_of, put_back

PAD, UNKNOWN, START, END = 0, 1, 2, 3
"""Ids of padding, unknown words, and the marks around a sentence, in every vocabulary that is trained here."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Memory:
    """What an encoder hands to a decoder.

    Args:
        states: (batch, source, width), real tokens first.
        mask: boolean (batch, source), or None where all tokens are real.
        order: (batch, source) where the tokens lay before they were moved, see ``padding.real_first``.
        keys: (batch, source, units) projected states, where an attention has them computed once.
    """

    states: Tensor
    mask: Tensor | None = None
    order: Tensor | None = None
    keys: Tensor | None = None

    @property
    def lengths(self) -> Tensor:
        """(batch,) real tokens."""
        return lengths_of(self.states, self.mask)

    def one_place(self, *, first: bool = False) -> Tensor:
        """Weights (batch, source) that are all on the last real token, or the first: a decoder without attention.

        Of a source without any token they are zero.
        """
        places = torch.zeros_like(self.lengths) if first else (self.lengths - 1).clamp(min=0)
        weights = nn.functional.one_hot(places, self.states.shape[1]).to(self.states.dtype)
        return weights if self.mask is None else weights * self.mask


class Step(NamedTuple):
    """One step of a decoder: logits (batch, vocabulary), weights (batch, source) and the next state."""

    logits: Tensor
    attention: Tensor
    state: Any


class Decoder(Protocol):
    """What search and teacher forcing ask of a model."""

    def encode(self, source_ids: Tensor, source_mask: Tensor | None = None) -> tuple[Any, Any]:
        """Memory and first state."""
        ...

    def step(self, tokens: Tensor, memory: Any, state: Any) -> Step:
        """One step from the last tokens (batch,)."""
        ...


@dataclass(frozen=True, eq=False)
class TranslationOutput(MappedOutput):
    """What the networks give back; also a mapping of its fields.

    Args:
        logits: (batch, targets, vocabulary); those at i are of the token after target i.
        attention: (batch, targets, source), zero at padding.
    """

    logits: Tensor
    attention: Tensor


def select(state: T, index: Tensor) -> T:
    """Rows of every tensor of a state or memory (dataclass, tuple, tensor or None) along the batch."""
    if isinstance(state, Tensor):
        return state.index_select(0, index)  # type: ignore[return-value]
    if is_dataclass(state) and not isinstance(state, type):
        return replace(state, **{each.name: select(getattr(state, each.name), index) for each in fields(state)})
    if isinstance(state, tuple):
        return type(state)(select(each, index) for each in state)
    return state


def teacher_force(model: Decoder, memory: Any, state: Any, target_ids: Tensor) -> tuple[TranslationOutput, list[Any]]:
    """Decode given targets step by step.

    Args:
        model: the decoder.
        memory, state: of ``encode``.
        target_ids: (batch, targets), the start mark first.

    Returns:
        Logits (batch, targets, vocabulary) and weights (batch, targets, source) over the source as it was given, and
        the state after every target.
    """
    logits, attention, states = [], [], []
    for tokens in target_ids.unbind(1):
        found = model.step(tokens, memory, state)
        state = found.state
        logits.append(found.logits)
        attention.append(found.attention)
        states.append(state)
    return TranslationOutput(torch.stack(logits, 1), put_back(torch.stack(attention, 1), memory.order)), states


def random_pairs(source_vocab_size: int, target_vocab_size: int, batch_size: int, seed: int) -> dict[str, Tensor]:
    """Random ids for a translator's forward: seven in the source, five in the target."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "source_ids": torch.randint(source_vocab_size, (batch_size, 7), generator=generator),
        "target_ids": torch.randint(target_vocab_size, (batch_size, 5), generator=generator),
    }
