"""What a head holds: the capacity experiment, and theory of capacity, redundancy and depth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError
from zoo_sequence.pavlovian_attention.config import CapacityConfig
from zoo_sequence.pavlovian_attention.rules import Plasticity, recurrent


def unit_vectors(count: int, dim: int, generator: torch.Generator) -> Tensor:
    """(count, dim): independent and uniform on the sphere, float64."""
    return functional.normalize(torch.randn(count, dim, generator=generator, dtype=torch.float64), dim=-1)


@dataclass(frozen=True)
class CapacityCase:
    """Random unit keys (trials, n, d_k) and values (trials, n, d_v), and a query (trials, n, d_k) for every key."""

    keys: Tensor
    values: Tensor
    queries: Tensor

    @property
    def pairs(self) -> int:
        """n."""
        return self.keys.shape[1]


class Capacity:
    """Benchmark: how the error of a memory grows with what it holds, beside the Hebb rule's theory.

    A system maps keys, values and queries of a case to responses (trials, n, d_v); ``memory_system`` makes one of a
    plasticity rule.
    """

    def __init__(self, config: CapacityConfig) -> None:
        self.config = config

    def cases(self) -> list[CapacityCase]:
        """One per number of pairs."""
        config, generator = self.config, torch.Generator().manual_seed(self.config.seed)
        found = []
        for pairs in config.pairs:
            keys, noise = (unit_vectors(config.trials * pairs, config.key_dim, generator) for _ in range(2))
            values = unit_vectors(config.trials * pairs, config.value_dim, generator)
            parts = (keys, values, keys + config.query_noise * noise)
            found.append(CapacityCase(*(part.unflatten(0, (config.trials, pairs)) for part in parts)))
        return found

    def theory(self, pairs: int) -> float:
        """Mean squared error of the Hebb rule with unit values: ((n - 1) + n s^2) / d_k."""
        return (pairs - 1 + pairs * self.config.query_noise**2) / self.config.key_dim

    def score(self, answers: Sequence[Tensor]) -> dict[str, float]:
        """Per n: mean squared error, the Hebb rule's by theory, and the share of responses nearest to the right value.

        Raises:
            InputError: another number of answers than cases, or an answer of the wrong shape.
        """
        cases, scores = self.cases(), {}
        if len(answers) != len(cases):
            raise InputError(f"{len(answers)} answers for {len(cases)} cases")
        for case, answer in zip(cases, answers, strict=True):
            if answer.shape != case.values.shape:
                raise InputError(f"responses of shape {tuple(answer.shape)}; expected {tuple(case.values.shape)}")
            nearest = (answer @ case.values.transpose(-1, -2)).argmax(-1)
            scores[f"error at {case.pairs}"] = float((answer - case.values).square().sum(-1).mean())
            scores[f"theory at {case.pairs}"] = self.theory(case.pairs)
            scores[f"recall at {case.pairs}"] = float((nearest == torch.arange(case.pairs)).double().mean())
        return scores

    def run(self, system: Callable[[Tensor, Tensor, Tensor], Tensor]) -> dict[str, float]:
        """Score a system."""
        return self.score([system(case.keys, case.values, case.queries) for case in self.cases()])


def memory_system(plasticity: Plasticity, presentations: int = 1) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A memory that is shown all pairs ``presentations`` times, as a system of ``Capacity``."""

    def system(keys: Tensor, values: Tensor, queries: Tensor) -> Tensor:
        if plasticity.rule == "hebb" and not plasticity.homeostatic:
            state = plasticity.eta * presentations * values.transpose(-1, -2) @ keys
        else:
            shown = (keys.repeat(1, presentations, 1), values.repeat(1, presentations, 1))
            _, state = recurrent(plasticity, shown[0], *shown)
        return queries @ state.transpose(-1, -2)

    return system


def capacity_example(config: CapacityConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """The Hebb rule."""
    return {"system": memory_system(Plasticity("hebb"))}


def capacity(key_dim: int, *, snr: float) -> float:
    """Associations a head holds at a mean signal-to-noise ratio: n = d_k / snr + 1."""
    return key_dim / snr + 1


def capacity_worst(key_dim: int, *, tol: float = 0.5, trials: int = 5, seed: int = 0) -> float:
    """Largest n with max_i sum_{j != i} |k_i . k_j| < tol for random unit keys, averaged over trials."""
    generator = torch.Generator().manual_seed(seed)
    return sum(_coherent_capacity(key_dim, tol, generator) for _ in range(trials)) / trials


def _coherent_capacity(key_dim: int, tol: float, generator: torch.Generator) -> int:
    keys = unit_vectors(1, key_dim, generator)
    load = torch.zeros(1, dtype=torch.float64)
    while float(load.max()) < tol:
        fresh = unit_vectors(1, key_dim, generator)
        overlaps = (keys @ fresh[0]).abs()
        keys = torch.cat((keys, fresh))
        load = torch.cat((load + overlaps, overlaps.sum()[None]))
    return len(keys) - 1


def majority_error(error: float, heads: int) -> float:
    """Probability that a majority of independent heads errs; ties count half."""
    total = 0.0
    for wrong in range(heads + 1):
        weight = 1.0 if 2 * wrong > heads else 0.5 if 2 * wrong == heads else 0.0
        total += weight * math.comb(heads, wrong) * error**wrong * (1 - error) ** (heads - wrong)
    return total


def reliability(error: float, heads: int, depth: int) -> float:
    """Probability that ``depth`` layers of majority-decoded heads are all right."""
    return (1 - majority_error(error, heads)) ** depth


def required_heads(error: float, depth: int, target: float) -> int:
    """Heads that suffice for reliability ``target`` = 1 - delta: ln(L / delta) / (2 (1/2 - e)^2)."""
    if not 0 <= error < 0.5 or not 0 < target < 1:
        raise InputError(f"error={error} must be below 1/2 and target={target} in (0, 1)")
    return math.ceil(math.log(depth / (1 - target)) / (2 * (0.5 - error) ** 2))


def error_through_depth(depth: int, pairs: int, heads: int, key_dim: int, *, lipschitz: float = 1.0) -> list[float]:
    """Relative error after each layer: r_{l+1} = c r_l + sqrt((n - 1) / (H d_k)), r_0 = 0."""
    errors = [0.0]
    for _ in range(depth):
        errors.append(errors[-1] * lipschitz + math.sqrt((pairs - 1) / (heads * key_dim)))
    return errors
