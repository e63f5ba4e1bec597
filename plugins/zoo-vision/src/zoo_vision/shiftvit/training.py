"""Training on scikit-learn's handwritten digits."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from zoo.nn import digits
from zoo_vision.images import upsample_digits
from zoo_vision.shiftvit.config import ShiftViTConfig
from zoo_vision.shiftvit.network import ShiftViT


def train(
    config: ShiftViTConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """The handwritten digits; a minute or two on one core."""
    model = ShiftViT(config)
    digits.fit(model, epochs=40, seed=seed, learning_rate=2e-3, augment=True, view=upsample_digits, log=log)
    return model, {"held-out accuracy": digits.measure(model, view=upsample_digits).accuracy}
