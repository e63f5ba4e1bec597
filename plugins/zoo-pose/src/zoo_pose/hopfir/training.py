"""Training on captured motions."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from zoo_pose import lifter_training
from zoo_pose.hopfir.config import HopFIRConfig
from zoo_pose.hopfir.network import HopFIR

STEPS, RATE = 1400, 1e-2


def train(
    config: HopFIRConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """The recipe of all lifters; a minute on one core for the preset ``motions``."""
    start = lifter_training.without_biases(HopFIR(config))
    model = lifter_training.fit(start, 1, "all", steps=STEPS, batch_size=128, seed=seed, log=log, rate=RATE)
    return model, lifter_training.rounded_metrics(model, 1, "all")
