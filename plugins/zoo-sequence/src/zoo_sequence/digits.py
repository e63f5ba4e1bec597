"""Train small image classifiers on scikit-learn's handwritten digits, without augmentation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.datasets import handwritten_digits

BATCH = 64


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


def accuracy(model: nn.Module, *, side: int) -> float:
    """Share of the held-out digits that the model, in eval mode, classifies rightly."""
    _, _, images, labels = handwritten_digits()
    model.eval()
    with torch.no_grad():
        return float((model(_sized(images, side)).argmax(-1) == labels).float().mean())
