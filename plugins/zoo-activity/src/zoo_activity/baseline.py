"""The linear model that the plugin's networks are compared with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


def linear_classifier(features: Tensor, classes: Tensor, num_classes: int) -> Callable[[Tensor], Tensor]:
    """Logistic regression on standardised features, its squared weights held down by a thousandth.

    Args:
        features: (count, width) that it learns from, and their ``classes`` (count,).
        num_classes: how many there are.

    Returns:
        Features (other, width) to logits (other, num_classes), without gradients.
    """
    mean, deviation = features.mean(0), features.std(0).clamp(min=1e-6)
    known = (features - mean) / deviation
    linear = nn.Linear(features.shape[1], num_classes)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    optimiser = torch.optim.LBFGS(linear.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = functional.cross_entropy(linear(known), classes) + 1e-3 * linear.weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)

    @torch.no_grad()
    def logits(other: Tensor) -> Tensor:
        return linear((other - mean) / deviation)

    return logits
