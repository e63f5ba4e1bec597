"""How the bundled weights were made: ``zoo train my-lab-classifier/digits``, half a minute on one core."""

from collections.abc import Callable

from torch import Tensor, nn

from zoo.nn import digits
from zoo_my_lab.my_lab.config import MyLabClassifierConfig
from zoo_my_lab.my_lab.network import MyLabClassifier


def train(
    config: MyLabClassifierConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Train on scikit-learn's handwritten digits; the result and what it reaches on the held-out ones."""
    model = MyLabClassifier(config)
    digits.fit(model, epochs=30, seed=seed, learning_rate=2e-3, view=_as_they_are, log=log)
    return model, {"held-out accuracy": digits.measure(model, view=_as_they_are).accuracy}


def _as_they_are(images: Tensor) -> Tensor:
    return images
