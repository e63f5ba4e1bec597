"""Train small image classifiers on scikit-learn's handwritten digits, without augmentation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.datasets import HELD_OUT, handwritten_digits

BATCH = 64
SAMPLES = 1797 - HELD_OUT


def _sized(images: Tensor, side: int) -> Tensor:
    """Digits (n, 8, 8) to (n, 1, side, side), bilinear where they grow."""
    return functional.interpolate(images[:, None], size=(side, side), mode="bilinear", align_corners=False)


def fit(model: nn.Module, *, side: int, epochs: int, seed: int, learning_rate: float = 1e-3) -> float:
    """Train on images (n, 1, side, side) with AdamW at a constant rate; returns the last epoch's mean loss in nats."""
    generator = torch.Generator().manual_seed(seed)
    images, labels, _, _ = handwritten_digits()
    images = _sized(images, side)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    model.train()
    losses: list[float] = []
    for _ in range(epochs):
        losses.clear()
        for batch in torch.randperm(len(images), generator=generator).split(BATCH):
            loss = functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    model.eval()
    return sum(losses) / len(losses)


@dataclass(frozen=True)
class Result:
    """Of a network in eval mode: share of held-out digits classified rightly, and mean losses in nats."""

    accuracy: float
    training_loss: float
    held_out_loss: float


def measure(model: nn.Module, *, side: int) -> Result:
    """How well a network of images (n, 1, side, side) knows the digits."""
    images, labels, held_images, held_labels = handwritten_digits()
    model.eval()
    with torch.no_grad():
        logits, held_logits = model(_sized(images, side)), model(_sized(held_images, side))
    return Result(
        float((held_logits.argmax(-1) == held_labels).float().mean()),
        float(functional.cross_entropy(logits, labels)),
        float(functional.cross_entropy(held_logits, held_labels)),
    )
