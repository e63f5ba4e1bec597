"""Learning to filter: the procedure of the paper on the noisy rotation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.descent import descend
from zoo_sequence.adaptive_filter_attention.config import (
    AdaptiveFilterConfig,
    FilterNetworkConfig,
    NoisyRotationConfig,
)
from zoo_sequence.adaptive_filter_attention.layer import AdaptiveFilterAttention
from zoo_sequence.adaptive_filter_attention.network import build_network
from zoo_sequence.adaptive_filter_attention.rotation import NoisyRotation

EPOCHS, TRAJECTORIES, MEASUREMENT_NOISE = 1000, 32, 4.0


def rotation_for(config: AdaptiveFilterConfig) -> NoisyRotation:
    """The task in the model's width and length: measurement noise of deviation 2, no process noise."""
    return NoisyRotation(NoisyRotationConfig(dim=config.dim, length=config.max_length, eta2=MEASUREMENT_NOISE))


def fit(
    config: AdaptiveFilterConfig,
    rotation: NoisyRotation,
    *,
    epochs: int,
    seed: int,
    log: Callable[[str], object] = lambda line: None,
) -> nn.Module:
    """A model trained to foretell the next measurement.

    Mean squared error, Adam with rate 1e-2, 32 trajectories in every step. They are new ones each time: on 32 fixed
    ones the error on others is lowest after 200 epochs and half as large again after 900.

    Args:
        config: of a layer or of a network.
        rotation: where trajectories come from.
        epochs: steps.
        seed: of initial weights and trajectories.
        log: takes lines of progress.
    """
    torch.manual_seed(seed)
    model = build_network(config) if isinstance(config, FilterNetworkConfig) else AdaptiveFilterAttention(config)
    drawn = rotation.draw(epochs * TRAJECTORIES, torch.Generator().manual_seed(seed)).measured
    batches = drawn.view(epochs, TRAJECTORIES, *drawn.shape[1:])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

    def loss_of(plane: Tensor) -> Tensor:
        measured = rotation.channels(plane)
        return functional.mse_loss(model(measured)[:, :-1], measured[:, 1:])

    descend(model, batches, loss_of, optimizer, log=log)
    return model


def train(
    config: AdaptiveFilterConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """The filtering demo; minutes on one core.

    Returns:
        The model, and its errors on new trajectories beside those of the benchmark's other estimates.
    """
    rotation = rotation_for(config)
    model = fit(config, rotation, epochs=EPOCHS, seed=seed, log=log)
    return model, rotation.run(model)
