"""Learning the handwritten digits with every mechanism, in equal settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import mean

import torch
from torch import nn

from zoo.errors import ConfigError
from zoo.nn import digits
from zoo_sequence.better_attention.classifier import BetterAttentionClassifier
from zoo_sequence.better_attention.config import MECHANISMS, ClassifierConfig

RUNS, EPOCHS = 5, 20


def train(
    config: ClassifierConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn scikit-learn's handwritten digits five times with each mechanism, in equal settings.

    Returns:
        The first run of the configured mechanism, and the mean held-out accuracy of all four.

    Raises:
        ConfigError: the classifier is not one of ten classes for images of 8 x 8 grey pixels.
    """
    if (config.image_size, config.in_channels, config.num_classes) != (8, 1, 10):
        raise ConfigError(
            "the digits are grey images of 8 x 8 pixels in ten classes: take better-attention-classifier/digits",
            field="image_size",
        )
    runs = {mechanism: learn_digits(replace(config, mechanism=mechanism), seed, log) for mechanism in MECHANISMS}
    metrics = {f"{mechanism}, mean of {RUNS} runs": mean(run[1] for run in found) for mechanism, found in runs.items()}
    return runs[config.mechanism][0][0], metrics


def learn_digits(
    config: ClassifierConfig, seed: int, log: Callable[[str], object]
) -> list[tuple[BetterAttentionClassifier, float]]:
    """``RUNS`` trained classifiers and their held-out accuracies, from consecutive seeds."""
    found = []
    for run in range(seed, seed + RUNS):
        torch.manual_seed(run)
        model = BetterAttentionClassifier(config)
        digits.fit(model, epochs=EPOCHS, seed=run)
        found.append((model, digits.measure(model).accuracy))
        log(f"{config.mechanism}, seed {run}: {found[-1][1]:.2%} of the held-out digits")
    return found
