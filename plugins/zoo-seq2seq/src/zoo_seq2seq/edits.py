"""How far what was recognised is from what was said."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence


def edit_distance(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """Fewest insertions, deletions and substitutions that turn one into the other."""
    row = list(range(len(other) + 1))
    for index, token in enumerate(one, 1):
        before, row[0] = row[0], index
        for place, wanted in enumerate(other, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (token != wanted))
    return row[-1]


def error_rate(pairs: Iterable[tuple[Sequence[Hashable], Sequence[Hashable]]]) -> float:
    """Edits per true token of pairs (found, true)."""
    edits, total = 0, 0
    for found, true in pairs:
        edits += edit_distance(found, true)
        total += len(true)
    return edits / max(total, 1)
