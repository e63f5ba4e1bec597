"""Data with known impermissible words: markers that decide a label; symbols that are flipped, copied or reversed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from zoo_seq2seq.decoding import END, START

Kind = Literal["bigram-flip", "copy", "reverse"]
FIRST = 4


@dataclass(frozen=True, eq=False)
class Marked:
    """Words (count, length), labels (count,) and impermissible words (count, length)."""

    ids: Tensor
    labels: Tensor
    impermissible: Tensor


def markers(count: int, seed: int, *, words: int = 40, length: int = 8) -> Marked:
    """Sentences of random words, in which one of two marker words (0 and 1) at a random place is the label."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(2, words, (count, length), generator=generator)
    labels = torch.randint(2, (count,), generator=generator)
    places = torch.randint(length, (count, 1), generator=generator)
    impermissible = torch.zeros(count, length).scatter(1, places, 1.0)
    return Marked(ids.scatter(1, places, labels[:, None]), labels, impermissible)


@dataclass(frozen=True, eq=False)
class Transduced:
    """Symbols of a task.

    Args:
        source_ids: (count, length + 2) between marks.
        target_ids, next_ids: (count, length + 1) what is fed, and what follows.
        impermissible: (count, length + 1, length + 2), 1 at the source symbol that a target is; the last target, which
            is the end mark, and the marks of the source are always permissible.
    """

    source_ids: Tensor
    target_ids: Tensor
    next_ids: Tensor
    impermissible: Tensor


def transduction(kind: Kind, count: int, seed: int, *, symbols: int = 20, length: int = 6) -> Transduced:
    """Random symbols whose neighbours are swapped, which are copied, or read from the end.

    Args:
        kind: which.
        count: sentences.
        seed: of chance.
        symbols: how many there are.
        length: of a sentence; even, so that every symbol has a neighbour.
    """
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(FIRST, FIRST + symbols, (count, length), generator=generator)
    places = torch.arange(length)
    origin = {"copy": places, "reverse": places.flip(0), "bigram-flip": places + 1 - 2 * (places % 2)}[kind]
    targets = ids[:, origin]
    starts, ends = torch.full((count, 1), START), torch.full((count, 1), END)
    aligned = torch.zeros(length + 1, length + 2)
    aligned[places, origin + 1] = 1.0
    return Transduced(
        torch.cat((starts, ids, ends), 1),
        torch.cat((starts, targets), 1),
        torch.cat((targets, ends), 1),
        aligned.expand(count, -1, -1),
    )
