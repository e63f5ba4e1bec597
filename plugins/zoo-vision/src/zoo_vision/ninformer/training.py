"""Training on scikit-learn's handwritten digits."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from zoo.nn import digits
from zoo_vision.images import upsample_digits
from zoo_vision.ninformer.config import NiNformerConfig
from zoo_vision.ninformer.network import NiNformer


def train(
    config: NiNformerConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """The handwritten digits; a minute on one core."""
    model = NiNformer(config)
    digits.fit(model, epochs=30, seed=seed, augment=True, learning_rate=2e-3, view=upsample_digits, log=log)
    return model, {"accuracy": round(digits.measure(model, view=upsample_digits).accuracy, 4)}
