"""Schemas of the benchmark, the heads and the encoder, and their choices."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError

SAMPLERS = ("unif", "ortho", "doubled")
CONSTRUCTIONS = ("random", "exact", "frames", "equal-spacing")


@dataclass
class NearestPointConfig:
    """Config of the benchmark."""

    dim: int = zoo.field(8, "dimension d of points", unit="features", minimum=2)
    num_points: int = zoo.field(4, "points N", minimum=1)
    num_queries: int = zoo.field(4, "queries M; -1: the points themselves, and the farthest as target", minimum=-1)
    sampler: str = zoo.field("unif", "how points are drawn", choices=SAMPLERS)
    batch_size: int = zoo.field(256, "sets of points in a case", minimum=1)
    num_cases: int = zoo.field(8, "cases in an evaluation", minimum=1)
    seed: int = zoo.field(0, "of the data", minimum=0)

    def __post_init__(self) -> None:
        if self.sampler == "ortho" and self.num_points > self.dim:
            raise ConfigError(f"at most dim={self.dim} orthogonal points", field="num_points")
        if self.sampler == "doubled" and self.num_points % 2:
            raise ConfigError("doubled points come in pairs", field="num_points")


@dataclass
class RankHeadsConfig:
    """Config of the attention with heads of a chosen rank."""

    dim: int = zoo.field(8, "dimension d of points", unit="features", minimum=1)
    rank: int = zoo.field(8, "rank r of a head", unit="features", minimum=1)
    num_heads: int = zoo.field(1, "heads H", minimum=1)
    hard: bool = zoo.field(False, "argmax instead of softmax")
    construction: str = zoo.field(
        "random",
        "initial weights: trainable uniform, the exact full-rank solution, orthonormal frames, or equal spacing in 2-D",
        choices=CONSTRUCTIONS,
    )
    temperature: float = zoo.field(1.0, "factor on Q of the constructions", minimum=0.0)

    def __post_init__(self) -> None:
        if self.construction == "exact" and (self.num_heads != 1 or self.rank != self.dim):
            raise ConfigError("the exact construction is one head of rank d", field="construction")
        if self.construction == "equal-spacing" and (self.dim != 2 or self.rank != 1):
            raise ConfigError("equal spacing is for d = 2 and rank 1", field="construction")
        if self.construction == "frames" and self.rank > self.dim:
            raise ConfigError(f"rank={self.rank} exceeds dim={self.dim}", field="rank")


@dataclass
class RankEncoderConfig:
    """Config of the widened encoder of the experiments."""

    dim: int = zoo.field(64, "dimension d of points", unit="features", minimum=1)
    num_points: int = zoo.field(16, "points N, the rows of positional tables", minimum=0)
    num_layers: int = zoo.field(1, "layers", minimum=1)
    num_heads: int = zoo.field(2, "heads of one multi-head attention", minimum=1)
    width_multiplier: int = zoo.field(1, "independent attentions w averaged in a layer", minimum=1)
    hidden_dim: int = zoo.field(2048, "feed-forward width", unit="features", minimum=1)
    bias: bool = zoo.field(True, "biases of all projections")
    positional_dim: int = zoo.field(0, "appended positional features p", unit="features", minimum=0)
    additive_positional: bool = zoo.field(False, "whether a positional table is added to the points")

    def __post_init__(self) -> None:
        if (self.dim + self.positional_dim) % self.num_heads:
            raise ConfigError(
                f"dim + positional_dim = {self.dim + self.positional_dim} is not a multiple of "
                f"num_heads={self.num_heads}",
                field="num_heads",
            )
