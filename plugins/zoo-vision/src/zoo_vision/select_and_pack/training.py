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
from zoo.nn.descent import descend, one_cycle
from zoo_vision.images import SMALL_SIDE, upsample_digits
from zoo_vision.select_and_pack.config import SPTConfig
from zoo_vision.select_and_pack.network import SPT, kept_share
from zoo_vision.select_and_pack.selection import labels_of_masks, selection_loss
from zoo_vision.swin import initialise_narrow

EPOCHS = 100
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


def started(config: SPTConfig) -> SPT:
    """A network to train on pictures that are mostly canvas.

    Patches that start as zero would go through norms that multiply gradients by 300 each, and whoever clips gradients
    would learn from the canvas alone: it gets a vector of its own.
    """
    model = SPT(config).train()
    initialise_narrow(model, model.patch_embed, _DARK)
    assert model.patch_embed.proj.bias is not None
    with torch.no_grad():
        model.patch_embed.proj.bias.add_(torch.randn(config.embed_dim))
    return model


def train(
    config: SPTConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Cross-entropy and the paper's selection loss; eight minutes on one core for ``digits``."""
    model = started(config)
    steps = EPOCHS * (digits.SAMPLES // digits.BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), 4e-3, weight_decay=0.05)

    def loss_of(batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        pictures, masks, labels = batch
        found = model.features(pictures)
        assert found.logits is not None
        return functional.cross_entropy(found.logits, labels) + config.alpha * selection_loss(found.scores, masks)

    rates = one_cycle(optimizer, steps)
    descend(model, batches(EPOCHS, seed), loss_of, optimizer, rates=rates, clip=1.0, log=log)
    return model, {name: round(value, 4) for name, value in evaluate(model).items()}


def held_out() -> tuple[Tensor, Tensor, Tensor]:
    """The 360 held-out digits at random places: pictures (360, 3, 64, 64), masks (360, 64, 64), labels (360,)."""
    _, _, held, labels = handwritten_digits()
    return *placed(held, torch.Generator().manual_seed(12)), labels


def evaluate(model: SPT) -> dict[str, float]:
    """On the held-out digits at random places.

    Returns:
        ``accuracy``, the ``kept`` share of tokens, the share of cells that strokes ``touched``, and the accuracy of a
        ``linear`` model of the digits' own 64 pixels, which need not look for them.
    """
    pictures, masks, labels = held_out()
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
