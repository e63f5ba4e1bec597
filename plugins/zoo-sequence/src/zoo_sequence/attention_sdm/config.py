"""Schemas of the probe, the memory and the benchmark, and their choices."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError

ESTIMATORS = ("reference", "least-squares")
FORMS = ("neurons", "intersection", "attention")


@dataclass
class ProbeConfig:
    """Config of the probe."""

    positions: str = zoo.field("all", "queries that are measured", choices=("all", "last"))
    estimator: str = zoo.field("least-squares", "divisor of the fitted betas", choices=ESTIMATORS)


@dataclass
class MemoryConfig:
    """Config of the memory."""

    n: int = zoo.field(64, "address bits", unit="bits", minimum=2, maximum=1 << 14)
    neurons: int = zoo.field(1_000_000, "neurons r", minimum=1, maximum=2**64)
    radius: int = zoo.field(20, "Hamming radius d of reads and writes", unit="bits", minimum=1)
    form: str = zoo.field(
        "intersection", "real neurons, their expected intersections, or softmax attention", choices=FORMS
    )
    continuous: bool = zoo.field(False, "unit vectors instead of bits")
    finite_neurons: bool = zoo.field(False, "replace I by floor(I) plus a Bernoulli draw of the remainder")
    max_steps: int = zoo.field(1, "updates of a query, until nothing changes", minimum=1)
    epsilon: float = zoo.field(1e-4, "change below which a continuous query has settled", minimum=0.0)
    estimator: str = zoo.field("reference", "divisor of the fitted beta", choices=ESTIMATORS)
    seed: int = zoo.field(0, "of addresses and Bernoulli draws", minimum=0)

    def __post_init__(self) -> None:
        if self.radius >= self.n:
            raise ConfigError(f"radius={self.radius} must be below n={self.n}", field="radius")
        if self.continuous and 2 * self.radius > self.n:
            raise ConfigError(f"radius={self.radius} makes caps of more than half of the sphere", field="radius")
        if self.form == "attention" and self.radius < 2:
            raise ConfigError("radius=1 leaves no two distances to fit beta to", field="radius")
        if self.continuous and self.form == "neurons":
            raise ConfigError("neurons have binary addresses; take form intersection or attention", field="form")


@dataclass
class CriticalDistanceConfig:
    """Config of the critical-distance experiment."""

    n: int = zoo.field(64, "address bits", unit="bits", minimum=4, maximum=1 << 14)
    num_patterns: int = zoo.field(40, "patterns m", minimum=1)
    step: int = zoo.field(1, "distance between cases", unit="bits", minimum=1)
    trials: int = zoo.field(100, "queries of a case", minimum=1)
    seed: int = zoo.field(0, "of patterns and perturbations", minimum=0)
