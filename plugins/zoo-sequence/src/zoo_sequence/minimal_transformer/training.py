"""Handwritten digits, learnt by the network as configured and by every variant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from zoo.errors import ConfigError
from zoo.evidence.measuring import count_parameters
from zoo.nn import digits
from zoo_sequence.minimal_transformer.config import VARIANTS, MinimalTransformerConfig
from zoo_sequence.minimal_transformer.network import MinimalTransformer, overdetermination

# The network is trained to the end; the variants are compared where all of them still learn.
EPOCHS, COMPARED = 400, 50


def train(
    config: MinimalTransformerConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn scikit-learn's handwritten digits as configured, and with every variant in equal settings.

    Returns:
        The network as configured, with its accuracy beside a linear model's, and of each variant, trained for fewer
        epochs, its parameters, Q, held-out accuracy and losses in nats.

    Raises:
        ConfigError: the network is not one of ten classes and one head for images of 8 x 8 grey pixels.
    """
    if (config.image_size, config.in_channels, config.num_classes, config.num_heads) != (8, 1, 10, 1):
        raise ConfigError(
            "the digits are grey images of 8 x 8 pixels in ten classes, and some variants have one head only: take "
            "minimal-transformer/digits",
            field="image_size",
        )
    model = _fitted(config, EPOCHS, seed)
    accuracy = digits.measure(model).accuracy
    log(f"as configured: {accuracy:.2%} of the held-out digits after {EPOCHS} epochs")
    metrics: dict[str, float] = {"held-out accuracy": accuracy, "of a linear model": digits.linear_accuracy()}
    for variant, mlp in [(variant, False) for variant in VARIANTS] + [("unchanged", True), ("wqk-no-vo", True)]:
        compared = _fitted(replace(config, variant=variant, mlp=mlp), COMPARED, seed)
        result, parameters = digits.measure(compared), count_parameters(compared)
        name = f"{variant}{' with MLP' if mlp else ''}"
        log(f"{name}: {parameters} parameters, {result.accuracy:.2%} of the held-out digits")
        metrics |= {
            f"{name}, parameters": parameters,
            f"{name}, Q": overdetermination(digits.SAMPLES, config.num_classes, parameters),
            f"{name}, held-out accuracy": result.accuracy,
            f"{name}, training loss": result.training_loss,
            f"{name}, held-out loss": result.held_out_loss,
        }
    return model, metrics


def _fitted(config: MinimalTransformerConfig, epochs: int, seed: int) -> MinimalTransformer:
    torch.manual_seed(seed)
    model = MinimalTransformer(config)
    digits.fit(model, epochs=epochs, seed=seed)
    return model
