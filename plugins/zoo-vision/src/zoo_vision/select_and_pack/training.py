"""Training on scikit-learn's handwritten digits, each at a random place of a dark canvas: little of it is worth a look.

The masks that the selection loss learns from are the digit's strokes. That is real data, small, and no detection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.datasets import handwritten_digits
from zoo.nn import digits
from zoo_vision.images import SMALL_SIDE, upsample_digits
from zoo_vision.select_and_pack.config import SPTConfig
from zoo_vision.select_and_pack.network import SPT, kept_share
from zoo_vision.select_and_pack.selection import labels_of_masks, selection_loss
from zoo_vision.swin import initialise_narrow

EPOCHS = 40
SIDE = 64
_DARK, _INK = -1.0, -0.5


def placed(images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Digits (n, 8, 8) in [0, 1] at random places.

    Returns:
        Pictures (n, 3, 64, 64) in [-1, 1], a digit of 32 x 32 pixels in each, and masks (n, 64, 64) of its strokes.
    """
    canvas = torch.full((len(images), 3, SIDE, SIDE), _DARK)
    corners = torch.randint(0, SIDE - SMALL_SIDE + 1, (len(images), 2), generator=generator).tolist()
    for picture, digit, (top, left) in zip(canvas, upsample_digits(images), corners, strict=True):
        picture[:, top : top + SMALL_SIDE, left : left + SMALL_SIDE] = digit
    return canvas, canvas[:, 0] > _INK


def batches(epochs: int, seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Pictures, masks and labels (64,) of the 1,437 training digits, placed and shifted anew in every epoch."""
    generator = torch.Generator().manual_seed(seed)
    images, labels, _, _ = handwritten_digits()
    for _ in range(epochs):
        order = torch.randperm(len(images), generator=generator)
        for batch in order.split(digits.BATCH)[: len(images) // digits.BATCH]:
            yield *placed(digits.shifted(images[batch], generator), generator), labels[batch]


def train(
    config: SPTConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Cross-entropy and the paper's selection loss; four minutes on one core for ``digits``."""
    model = SPT(config).train()
    initialise_narrow(model, model.patch_embed, _DARK)
    total = EPOCHS * (digits.SAMPLES // digits.BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), 5e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=total, pct_start=0.1)
    for step, (pictures, masks, labels) in enumerate(batches(EPOCHS, seed)):
        found = model.features(pictures)
        assert found.logits is not None
        loss = functional.cross_entropy(found.logits, labels) + config.alpha * selection_loss(found.scores, masks)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            log(f"step {step}: loss {loss.item():.3f}, {100 * float(kept_share(found.kept)):.0f}% of tokens kept")
    return model, {name: round(value, 4) for name, value in evaluate(model.eval()).items()}


def evaluate(model: SPT) -> dict[str, float]:
    """On the 360 held-out digits at random places.

    Returns:
        ``accuracy``, the ``kept`` share of tokens, the share of cells that strokes ``touched``, and the accuracy of a
        ``linear`` model of the digits' own 64 pixels, which need not look for them.
    """
    _, _, held, labels = handwritten_digits()
    pictures, masks = placed(held, torch.Generator().manual_seed(12))
    with torch.no_grad():
        found = model.features(pictures)
    assert found.logits is not None
    touched = [labels_of_masks(masks, SIDE // each.shape[1]).bool() for each in found.kept]
    return {
        "accuracy": float((found.logits.argmax(1) == labels).float().mean()),
        "kept": float(kept_share(found.kept)),
        "touched": float(kept_share(touched)),
        "linear": digits.linear_accuracy(),
    }
