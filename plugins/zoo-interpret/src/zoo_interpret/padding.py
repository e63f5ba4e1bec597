"""Where padding lies in what a model is given, so that "the last token" is the last real one, whatever stands after it.

::

    nth_real(real, -1)                           # (batch,) positions of the last tokens that are no padding
    with seeing_padding(model) as padding:       # while the model runs, of the pass that runs
        ... padding.nth(-1)                      # -1 without padding, else (batch,)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.inputs import real_tokens
from zoo.errors import InputError
from zoo_interpret.passes import at_passes


def nth_real(real: Tensor, index: int) -> Tensor:
    """(batch,) int64, where the token that is number ``index`` among the real ones stands.

    Args:
        real: (batch, length) boolean.
        index: from 0; negative from the end.

    Raises:
        InputError: a row with fewer real tokens.
    """
    counts = real.sum(-1)
    wanted = counts + index if index < 0 else torch.full_like(counts, index)
    if bool(((wanted < 0) | (wanted >= counts)).any()):
        raise InputError(f"token {index} of texts of {counts.tolist()} tokens without padding")
    reached = real & (real.cumsum(-1) == wanted[:, None] + 1)
    return reached.long().argmax(-1)


def position_among_real(arguments: Mapping[str, Any], index: int | Tensor) -> int | Tensor:
    """What ``at_positions`` takes for a token counted among the real ones; a tensor stays what it is.

    Args:
        arguments: of a model's forward.
        index: see ``nth_real``.
    """
    return Padding.of(real_tokens(arguments)).nth(index)


def real_ids(arguments: Mapping[str, Any]) -> list[Tensor]:
    """Token ids (tokens,) of every text of a batch, on the CPU, without its padding.

    Args:
        arguments: of a model's forward, with ``input_ids``.
    """
    ids, real = arguments["input_ids"].cpu(), real_tokens(arguments)
    return list(ids) if real is None else [row[kept] for row, kept in zip(ids, real.cpu(), strict=True)]


def begins_with_padding(real: Tensor | None) -> bool:
    """Whether a row has padding before its first real token."""
    return real is not None and not bool(real[:, 0].all())


@dataclass
class Padding:
    """Of the forward pass that runs.

    Args:
        real: (batch, length) boolean of the tokens that the pass is given, cached ones not among them; None where
            nothing is padded.
    """

    real: Tensor | None = None

    @classmethod
    def of(cls, real: Tensor | None) -> Padding:
        """From what may be (batch, length) True throughout."""
        return cls(None if real is None or bool(real.all()) else real)

    def nth(self, index: int | Tensor) -> int | Tensor:
        """See ``position_among_real``."""
        return index if isinstance(index, Tensor) or self.real is None else nth_real(self.real, index)


@contextmanager
def seeing_padding(model: nn.Module) -> Iterator[Padding]:
    """Yield what ``Padding`` says of every forward pass within the context, from before it runs."""
    seen = Padding()

    def look(given: Mapping[str, Any]) -> None:
        real, length = real_tokens(given), _length(given)
        # With a cache the mask is longer than what the pass is given: the cached tokens' comes first.
        seen.real = Padding.of(None if real is None or length is None else real[:, -length:]).real

    with at_passes(model, look):
        yield seen


def _length(given: Mapping[str, Any]) -> int | None:
    for name in ("input_ids", "inputs_embeds"):
        if isinstance(given.get(name), Tensor):
            return int(given[name].shape[1])
    return None
