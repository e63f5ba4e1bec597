"""The critical-distance experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_sequence.attention_sdm.config import CriticalDistanceConfig, MemoryConfig
from zoo_sequence.attention_sdm.intersections import radius_of_fraction
from zoo_sequence.attention_sdm.memory import SparseDistributedMemory, flipped, unit_columns


@dataclass(frozen=True)
class CriticalDistanceCase:
    """Stored patterns (n, m), queries (n, trials) with ``flips`` bits of their targets (n, trials) changed."""

    flips: int
    patterns: Tensor
    queries: Tensor
    targets: Tensor


class CriticalDistance:
    """Benchmark of a memory: from how far does one update still move closer to the stored pattern?

    A system maps patterns (n, m) and queries (n, B) of bits to retrieved bits (n, B); ``retrieval`` makes one of any
    memory's config.
    """

    def __init__(self, config: CriticalDistanceConfig) -> None:
        self.config = config

    def cases(self) -> Iterator[CriticalDistanceCase]:
        """One per distance, up to half of the bits."""
        config, generator = self.config, torch.Generator().manual_seed(self.config.seed)
        patterns = torch.randint(2, (config.n, config.num_patterns), generator=generator).float()
        for flips in range(config.step, config.n // 2, config.step):
            targets = patterns[:, torch.randint(config.num_patterns, (config.trials,), generator=generator)]
            queries = torch.stack([flipped(target, flips, generator) for target in targets.T], 1)
            yield CriticalDistanceCase(flips, patterns, queries, targets)

    def curve(self, answers: Sequence[Tensor]) -> dict[int, float]:
        """Mean Hamming distance from the target after the update, by the distance before it."""
        cases = list(self.cases())
        if len(answers) != len(cases):
            raise InputError(f"{len(answers)} answers for {len(cases)} cases")
        return {
            case.flips: float((answer != case.targets).sum(0).double().mean())
            for case, answer in zip(cases, answers, strict=True)
        }

    def score(self, answers: Sequence[Tensor]) -> dict[str, float]:
        """The critical distance, and the mean distance after an update from half of it."""
        curve = self.curve(answers)
        beyond = next((flips for flips, after in curve.items() if after >= flips), max(curve) + self.config.step)
        return {"critical_distance": beyond - self.config.step, "mean distance after": sum(curve.values()) / len(curve)}

    def run(self, system: Callable[[Tensor, Tensor], Tensor]) -> dict[str, float]:
        """Score a system."""
        return self.score([system(case.patterns, case.queries) for case in self.cases()])


def retrieval(config: MemoryConfig) -> Callable[[Tensor, Tensor], Tensor]:
    """One update of a memory as a system of ``CriticalDistance``; a continuous memory sees bits as unit vectors."""

    def system(patterns: Tensor, queries: Tensor) -> Tensor:
        memory = SparseDistributedMemory(config)
        if config.continuous:
            memory.write(unit_columns(patterns))
            return (memory.step(unit_columns(queries)) > 0).to(queries.dtype)
        memory.write(patterns)
        return memory.step(queries)

    return system


def critical_distance_example(config: CriticalDistanceConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """The exact memory, of a radius that holds a thousandth of the space or more."""
    radius = max(2, radius_of_fraction(config.n, 1e-3))
    return {"system": retrieval(MemoryConfig(config.n, 1_000_000, radius))}
