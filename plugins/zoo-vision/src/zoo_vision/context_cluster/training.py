"""Training on scikit-learn's handwritten digits."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from zoo.nn import digits
from zoo_vision.context_cluster.config import ContextClusterConfig
from zoo_vision.context_cluster.network import ContextCluster
from zoo_vision.images import upsample_digits


def train(
    config: ContextClusterConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """The handwritten digits; two minutes on one core."""
    model = ContextCluster(config)
    digits.fit(model, epochs=30, seed=seed, augment=True, learning_rate=3e-3, view=upsample_digits, log=log)
    return model, {"accuracy": round(digits.measure(model, view=upsample_digits).accuracy, 4)}
