"""Training on reflections laid over real photographs, with masks drawn from the truth as the paper draws them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.nn.descent import descend
from zoo_vision import restoration
from zoo_vision.firm import losses
from zoo_vision.firm.config import FIRMConfig
from zoo_vision.firm.guidance import REFLECTION, TRANSMISSION, UNKNOWN
from zoo_vision.firm.network import FIRM
from zoo_vision.photographs import Split

STEPS = 700
SIDE = 64

# Residuals above are reflection, below are scene; a region has so many pixels at least (the paper: 400 of 224 x 224).
_ABOVE, _BELOW, _LEAST = 0.1, 0.03, 30


@dataclass(frozen=True)
class Batch:
    """Photographs through glass, each tensor (batch, 3, 64, 64) but the guidance, (batch, 1, 64, 64)."""

    images: Tensor
    guidance: Tensor
    transmission: Tensor
    reflection: Tensor


def marked(images: Tensor, transmission: Tensor, generator: torch.Generator) -> Tensor:
    """Guidance as somebody might give it, from the residual between image and scene.

    With probability 1/2 the connected region of the largest mean residual above 0.1 is marked as reflection, with
    probability 1/2 that of the smallest below 0.03 as scene.

    Returns:
        (batch, 1, H, W).
    """
    from scipy import ndimage

    residual = (images - transmission).mean(1).numpy()
    guidance = torch.full((len(images), 1, *images.shape[2:]), UNKNOWN)
    for index, values in enumerate(residual):
        for label, wanted, sign in ((TRANSMISSION, values < _BELOW, -1), (REFLECTION, values > _ABOVE, 1)):
            if torch.rand((), generator=generator) < 0.5:
                continue
            regions, count = ndimage.label(wanted)
            sizes = ndimage.sum_labels(wanted, regions, range(1, count + 1))
            large = [region for region, size in enumerate(sizes, 1) if size > _LEAST]
            if large:
                means = ndimage.mean(values, regions, large)
                best = large[int((sign * torch.as_tensor(means)).argmax())]
                guidance[index, 0][torch.from_numpy(regions == best)] = label
    return guidance


def batches(split: Split, count: int, batch_size: int, seed: int) -> Iterator[Batch]:
    """Random windows of photographs behind reflections of other windows."""
    generator = torch.Generator().manual_seed(seed)
    for both in restoration.patches(split, SIDE, count, 2 * batch_size, seed):
        scenes, others = both.chunk(2)
        images, transmission, reflection = restoration.reflected(scenes, others, generator)
        yield Batch(images, marked(images, transmission, generator), transmission, reflection)


def train(
    config: FIRMConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """The paper's loss without VGG's term, its AdamW and clipping; four minutes on one core for ``photographs``."""
    model = FIRM(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, (0.9, 0.9), weight_decay=1e-3)

    def loss_of(batch: Batch) -> Tensor:
        found = model(batch.images, batch.guidance)
        return losses.loss(found.transmission, found.reflection, batch.transmission, batch.reflection)

    glass = batches("train", STEPS, 4, seed)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS, 1e-7)
    descend(model, glass, loss_of, optimizer, rates=rates, clip=0.1, log=log)
    return model, {name: round(value, 2) for name, value in evaluate(model).items()}


def evaluate(model: nn.Module, split: Split = "test") -> dict[str, float]:
    """Mean PSNR of the scene in decibels on 64 windows of photographs never trained on.

    "psnr" with guidance, "unguided" without, "unchanged" the photograph itself, "one_gain" the photograph times the
    factor that fits the training set best.

    Args:
        model: the network.
        split: whose photographs. "held-out" ones were watched while the recipe was chosen, "test" ones were not.
    """
    sums = torch.zeros(2)
    for batch in batches("train", 4, 16, seed=31):
        sums += torch.stack(((batch.images * batch.transmission).sum(), batch.images.square().sum()))
    found: dict[str, list[Tensor]] = {"psnr": [], "unguided": [], "unchanged": [], "one_gain": []}
    for batch in batches(split, 4, 16, seed=32):
        with torch.no_grad():
            guided = model(batch.images, batch.guidance).transmission
            unguided = model(batch.images, torch.zeros_like(batch.guidance)).transmission
        guesses = (guided, unguided, batch.images, batch.images * sums[0] / sums[1])
        for name, guess in zip(found, guesses, strict=True):
            found[name].append(restoration.psnr(guess.clamp(0, 1), batch.transmission))
    return {name: float(torch.cat(values).mean()) for name, values in found.items()}
