"""Training on captured motions."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from zoo_pose import lifter_training
from zoo_pose.convformer_pose.config import ConvFormerConfig
from zoo_pose.convformer_pose.network import ConvFormer

STEPS, RATE = 700, 5e-3


def train(
    config: ConvFormerConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """The recipe of all lifters; a minute on one core for the preset ``motions``."""
    frames = config.num_frames
    start = lifter_training.without_biases(ConvFormer(config))
    model = lifter_training.fit(start, frames, "centre", steps=STEPS, batch_size=64, seed=seed, log=log, rate=RATE)
    return model, lifter_training.rounded_metrics(model, frames, "centre")
