"""Training on captured motions."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from zoo_pose import lifter_training
from zoo_pose.iganet.config import IGANetConfig
from zoo_pose.iganet.network import IGANet

STEPS, RATE = 900, 6e-3


def train(
    config: IGANetConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """The recipe of all lifters; a minute on one core for the preset ``motions``."""
    start = lifter_training.without_biases(IGANet(config))
    model = lifter_training.fit(start, 1, "all", steps=STEPS, batch_size=160, seed=seed, log=log, rate=RATE)
    return model, lifter_training.rounded_metrics(model, 1, "all")
