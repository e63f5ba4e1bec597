"""What the plugin's small trainings share: the course of a training, and the linear model that it is compared with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


def descend(
    model: nn.Module,
    loss_of_batch: Callable[[], Tensor],
    *,
    steps: int,
    rate: float,
    weight_decay: float,
    log: Callable[[str], object] = lambda line: None,
    log_every: int = 100,
) -> None:
    """Train a network in place by AdamW with cosine decay; it comes back in eval mode.

    Args:
        model: the network.
        loss_of_batch: draws the next batch and gives its loss.
        steps: how many.
        rate: the learning rate at the beginning.
        weight_decay: of AdamW.
        log: takes lines of progress, one in ``log_every`` steps.
    """
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    model.train()
    for step in range(1, steps + 1):
        loss = loss_of_batch()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % log_every == 0:
            log(f"step {step}: loss {loss.item():.3f}")
    model.eval()


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
