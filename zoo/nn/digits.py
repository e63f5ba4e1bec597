"""Train and judge small classifiers on scikit-learn's handwritten digits: real data that travels with a package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.datasets import HELD_OUT, handwritten_digits
from zoo.nn.descent import descend, one_cycle, shuffled

BATCH = 64
SAMPLES = 1797 - HELD_OUT
SIDE = 8


def as_maps(images: Tensor) -> Tensor:
    """Digits (n, 8, 8) as images of one channel (n, 1, 8, 8)."""
    return images[:, None]


def fit(
    model: nn.Module,
    *,
    epochs: int,
    seed: int,
    learning_rate: float = 1e-3,
    augment: bool = False,
    view: Callable[[Tensor], Tensor] = as_maps,
    log: Callable[[str], object] = lambda line: None,
) -> float:
    """Train with AdamW; returns the last epoch's mean loss in nats.

    Args:
        model: images as ``view`` makes them to logits (n, 10); in eval mode afterwards.
        epochs: passes over the 1,437 training images, in batches of 64.
        seed: of the order and the shifts.
        learning_rate: constant; of ``augment`` the highest.
        augment: shift every image by up to one pixel, smooth labels by 0.1, decay weights by 0.05 and let the rate
            rise over the first tenth and fall as a cosine. Epochs are whole batches then.
        view: digits (n, 8, 8) in [0, 1] to what the model takes.
        log: takes a line per epoch.
    """
    generator = torch.Generator().manual_seed(seed)
    images, labels, _, _ = handwritten_digits()
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.05 if augment else 0.01)
    batches = len(images) // BATCH if augment else -(-len(images) // BATCH)

    def loss_of(batch: Tensor) -> Tensor:
        shown = shifted(images[batch], generator) if augment else images[batch]
        return functional.cross_entropy(model(view(shown)), labels[batch], label_smoothing=0.1 if augment else 0.0)

    drawn = shuffled(len(images), BATCH, epochs, generator, drop_last=augment)
    rates = one_cycle(optimizer, epochs * batches) if augment else None
    losses = descend(model, drawn, loss_of, optimizer, rates=rates, log=log, log_every=batches)
    return sum(losses[-batches:]) / batches


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Every image (n, 8, 8) moved by -1, 0 or 1 pixels in each direction, zeros moving in."""
    padded = functional.pad(images, (1, 1, 1, 1))
    down, right = torch.randint(0, 3, (2, len(images)), generator=generator)
    return torch.stack(
        [image[y : y + SIDE, x : x + SIDE] for image, y, x in zip(padded, down.tolist(), right.tolist(), strict=True)]
    )


@dataclass(frozen=True)
class Result:
    """Of a network in eval mode: share of held-out digits classified rightly, and mean losses in nats."""

    accuracy: float
    training_loss: float
    held_out_loss: float


def measure(model: nn.Module, *, view: Callable[[Tensor], Tensor] = as_maps) -> Result:
    """How well a network knows the digits; see ``fit``."""
    images, labels, held_images, held_labels = handwritten_digits()
    model.eval()
    with torch.no_grad():
        logits, held_logits = model(view(images)), model(view(held_images))
    return Result(
        float((held_logits.argmax(-1) == held_labels).float().mean()),
        float(functional.cross_entropy(logits, labels)),
        float(functional.cross_entropy(held_logits, held_labels)),
    )


def linear_accuracy() -> float:
    """What a linear model of the 64 pixels reaches on the held-out digits: the least that a network has to beat."""
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 10))
    fit(linear, epochs=60, seed=0, learning_rate=5e-3)
    return measure(linear).accuracy
