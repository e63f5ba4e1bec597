"""Training on scikit-learn's handwritten digits."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from zoo.nn import digits
from zoo_vision.dynamicvis.config import DynamicVisClassifierConfig
from zoo_vision.dynamicvis.network import DynamicVisClassifier
from zoo_vision.images import upsample_digits


def train(
    config: DynamicVisClassifierConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """The handwritten digits; two minutes on one core."""
    model = DynamicVisClassifier(config)
    digits.fit(model, epochs=25, seed=seed, augment=True, learning_rate=3e-3, view=upsample_digits, log=log)
    return model, {"accuracy": round(digits.measure(model, view=upsample_digits).accuracy, 4)}
