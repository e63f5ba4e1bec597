"""The classical protocols of conditioning as a benchmark of memories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_sequence.pavlovian_attention.config import ConditioningConfig, MemoryConfig
from zoo_sequence.pavlovian_attention.memory import AssociativeMemory


@dataclass(frozen=True)
class ConditioningCase:
    """One protocol: phases of (cues, value of the US), then the cue that is tested.

    Args:
        name: "acquisition", "extinction", "blocking" or "overshadowing".
        phases: ((cue letters, US strength), ...); a compound "AB" is the plain sum of its cues.
        test: the cue whose response is measured.
    """

    name: str
    phases: tuple[tuple[str, float], ...]
    test: str


PROTOCOLS = (
    ConditioningCase("acquisition", (("A", 1.0),), "A"),
    ConditioningCase("extinction", (("A", 1.0), ("A", 0.0)), "A"),
    ConditioningCase("blocking", (("A", 1.0), ("AB", 1.0)), "B"),
    ConditioningCase("overshadowing", (("AB", 1.0),), "A"),
)


class Conditioning:
    """The classical protocols of conditioning as a benchmark of a memory.

    A system has ``write(keys, values)`` and ``read(queries)``, as ``AssociativeMemory``; every protocol starts
    with a fresh one from the factory it is given.
    """

    def __init__(self, config: ConditioningConfig) -> None:
        self.config = config

    def cases(self) -> tuple[ConditioningCase, ...]:
        """The protocols."""
        return PROTOCOLS

    def cue(self, letters: str) -> Tensor:
        """(key_dim,): the sum of orthogonal unit cues."""
        units = torch.eye(self.config.key_dim)
        return torch.stack([units["AB".index(letter)] for letter in letters]).sum(0)

    def responses(self, case: ConditioningCase, memory: Any) -> list[float]:
        """Response to the tested cue after every pairing."""
        curve = []
        for letters, strength in case.phases:
            for _ in range(self.config.pairings):
                memory.write(self.cue(letters)[None], torch.full((1, 1), strength))
                curve.append(float(memory.read(self.cue(case.test)[None])[0, 0]))
        return curve

    def memory(self, rule: str) -> AssociativeMemory:
        """A fresh memory with the configured rates."""
        return AssociativeMemory(
            MemoryConfig(self.config.key_dim, 1, rule=rule, eta=self.config.eta, decay=self.config.decay)
        )

    def run(self, system: Callable[[], Any]) -> dict[str, float]:
        """Final responses of a system (a factory of memories), by protocol."""
        return self.score({case.name: self.responses(case, system()) for case in self.cases()})

    def score(self, answers: Mapping[str, list[float]]) -> dict[str, float]:
        """Final response of each protocol's curve.

        Raises:
            InputError: a protocol has no curve.
        """
        missing = [case.name for case in self.cases() if not answers.get(case.name)]
        if missing:
            raise InputError(f"no responses for {', '.join(missing)}")
        return {case.name: float(answers[case.name][-1]) for case in self.cases()}

    def second_order(self) -> float:
        """Response to B after A -> US and then B -> A, with two delta memories in a row.

        Layer 1 learns the US from A; layer 2 takes layer 1's response to A as the value of B.
        """
        first, second = self.memory("delta"), self.memory("delta")
        for _ in range(self.config.pairings):
            first.write(self.cue("A")[None], torch.ones(1, 1))
        for _ in range(self.config.pairings):
            second.write(self.cue("B")[None], first.read(self.cue("A")[None]))
        return float(second.read(self.cue("B")[None])[0, 0])


def conditioning_example(config: ConditioningConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A Rescorla-Wagner memory."""
    return {"system": lambda: Conditioning(config).memory("delta")}
