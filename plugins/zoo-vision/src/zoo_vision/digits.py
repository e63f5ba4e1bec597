"""Train a classifier on scikit-learn's handwritten digits: real data that travels with a package.

Images of 8 x 8 pixels are enlarged to 32 x 32 and shifted at random by up to one original pixel.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.datasets import handwritten_digits
from zoo_vision.images import upsample_digits

BATCH = 64


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of digits (n, 8, 8) that the model, in eval mode, classifies rightly."""
    model.eval()
    with torch.no_grad():
        return float((model(upsample_digits(images)).argmax(-1) == labels).float().mean())


def fit(
    model: nn.Module, *, epochs: int, seed: int, log: Callable[[str], None], learning_rate: float = 2e-3
) -> dict[str, float]:
    """Train with AdamW, the rate rising over the first tenth and falling as a cosine; returns the held-out accuracy."""
    generator = torch.Generator().manual_seed(seed)
    images, labels, held_images, held_labels = handwritten_digits()
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.05)
    batches = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=epochs * batches, pct_start=0.1
    )
    for epoch in range(epochs):
        model.train()
        order = torch.randperm(len(images), generator=generator)
        for batch in order[: batches * BATCH].view(batches, BATCH):
            inputs = upsample_digits(_shifted(images[batch], generator))
            loss = functional.cross_entropy(model(inputs), labels[batch], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        log(f"epoch {epoch + 1}/{epochs}: loss {float(loss.detach()):.3f}")
    return {"held-out accuracy": accuracy(model, held_images, held_labels)}


def _shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Every image moved by -1, 0 or 1 pixels in each direction, zeros moving in."""
    padded = functional.pad(images, (1, 1, 1, 1))
    down, right = torch.randint(0, 3, (2, len(images)), generator=generator)
    return torch.stack(
        [image[y : y + 8, x : x + 8] for image, y, x in zip(padded, down.tolist(), right.tolist(), strict=True)]
    )
