"""Which thoughts come next, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

from zoo_seq2seq.athena.thoughts import AGGREGATES, TRANSFORMS, Thought, aggregate, constant, number, transform


@dataclass(frozen=True)
class Candidate:
    """A thought of a round.

    Args:
        thought: it.
        operands: places, among the kept thoughts, of what it was made of; none in the first round.
    """

    thought: Thought
    operands: tuple[int, ...] = ()


class Expander:
    """Kept thoughts, and the rounds that follow from them.

    Args:
        numbers: how many numbers the problem has.
        constants: further ones.
        transforms: which transforms there are.
    """

    def __init__(self, numbers: int, constants: Sequence[float] = (), transforms: Sequence[str] = TRANSFORMS) -> None:
        self.initial = [number(index) for index in range(numbers)] + [constant(value) for value in constants]
        self.transforms = transforms
        self.kept: list[Thought] = []
        self.round = 0
        self._known: set[Thought] = set()
        self._transformed = 0
        # Kept when the aggregate round before began: pairs of these have been tried.
        self._old = 0

    def candidates(self) -> list[Candidate]:
        """The thoughts of the present round; none where there is nothing new to expand."""
        if self.round == 0:
            return [Candidate(each) for each in self.initial]
        return self._transforms() if self.round % 2 else self._aggregates()

    def keep(self, chosen: Sequence[Thought]) -> None:
        """Keep some of the round's thoughts, and go on to the next round."""
        before = len(self.kept)
        if self.round % 2:
            self._transformed = before
        elif self.round:
            self._old = before
        self.kept += chosen
        self._known |= set(chosen)
        self.round += 1

    def _transforms(self) -> list[Candidate]:
        places = range(self._transformed, len(self.kept))
        made = (Candidate(transform(op, self.kept[place]), (place,)) for op in self.transforms for place in places)
        return [each for each in made if each.thought not in self._known]

    def _aggregates(self) -> list[Candidate]:
        old, new = range(self._old), range(self._old, len(self.kept))
        pairs = [*product(old, new), *combinations_with_replacement(new, 2)]
        seen, found = set(self._known), []
        for op in AGGREGATES:
            for one, other in pairs:
                made = aggregate(op, self.kept[one], self.kept[other])
                if made not in seen:
                    seen.add(made)
                    found.append(Candidate(made, (one, other)))
        return found
