"""Training on handwritten digits pasted on photographs: which digit, and which part of the picture is worth attention.

Digits are scikit-learn's, photographs those of ``zoo_vision.photographs``; the digit's square is the object that the
selection is taught. That is real data, and not the paper's task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.datasets import handwritten_digits
from zoo_vision import images, photographs
from zoo_vision.photographs import Split
from zoo_vision.select_and_pack.config import SPTConfig
from zoo_vision.select_and_pack.network import SPT, kept_share
from zoo_vision.select_and_pack.selection import selection_loss

STEPS = 800
BATCH = 32
SIDE = 64
DIGIT = 24


@dataclass(frozen=True)
class Scenes:
    """Digits on photographs.

    Args:
        pictures: (batch, 3, 64, 64) in [0, 1].
        masks: (batch, 64, 64) bool, the square of the digit.
        labels: (batch,) int64.
    """

    pictures: Tensor
    masks: Tensor
    labels: Tensor

    @property
    def inputs(self) -> Tensor:
        """The pictures by ImageNet's statistics."""
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (images.IMAGENET_MEAN, images.IMAGENET_STD))
        return (self.pictures - mean) / std


def batches(split: Split, count: int, size: int, seed: int) -> Iterator[Scenes]:
    """Batches of 64 x 64 windows of photographs, each with a bright or dark digit of 24 x 24 somewhere on it."""
    generator = torch.Generator().manual_seed(seed)
    digits, labels, held, held_labels = handwritten_digits()
    if split == "held-out":
        digits, labels = held, held_labels
    grounds = [photographs.photograph(name, 2 * SIDE) for name in photographs.photograph_names(split)]
    for _ in range(count):
        chosen = torch.randint(len(digits), (size,), generator=generator)
        ink = functional.interpolate(digits[chosen][:, None], size=(DIGIT, DIGIT), mode="bilinear", align_corners=False)
        colours = torch.randint(2, (size, 1, 1, 1), generator=generator).float()
        places = torch.randint(SIDE - DIGIT + 1, (size, 2), generator=generator).tolist()
        pictures, masks = [], torch.zeros(size, SIDE, SIDE, dtype=torch.bool)
        for index, (top, left) in enumerate(places):
            ground = grounds[int(torch.randint(len(grounds), (), generator=generator))]
            picture = photographs.to_tensor(photographs.crop(ground, SIDE, SIDE, generator))
            window = (slice(None), slice(top, top + DIGIT), slice(left, left + DIGIT))
            picture[window] = picture[window] * (1 - ink[index]) + colours[index] * ink[index]
            masks[index, window[1], window[2]] = True
            pictures.append(picture)
        yield Scenes(torch.stack(pictures), masks, labels[chosen])


def train(
    config: SPTConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Cross-entropy of the digit and alpha times the selection loss; three minutes on one core for ``scenes``."""
    model = SPT(config).train()
    # Swin's deviation of 0.02 is made for widths from 96; at an eighth of that signals would vanish.
    for layer in model.modules():
        if isinstance(layer, nn.Linear) and layer.out_features > 1:
            nn.init.xavier_uniform_(layer.weight)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=STEPS, pct_start=0.1)
    for step, batch in enumerate(batches("train", STEPS, BATCH, seed)):
        found = model.features(batch.inputs)
        if found.logits is None:
            raise ValueError("num_classes=0: the digits need a classifier of 10 classes")
        task = functional.cross_entropy(found.logits, batch.labels)
        loss = task + config.alpha * selection_loss(found.scores, batch.masks)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            log(f"step {step}: loss {loss.item():.3f}, kept {float(kept_share(found.kept)):.2f}")
    return model, {name: round(value, 3) for name, value in evaluate(model.eval()).items()}


def evaluate(model: SPT) -> dict[str, float]:
    """On 512 scenes of held-out digits and photographs: accuracy, the commonest digit's, what is kept and where.

    ``kept`` is the share of tokens kept, ``kept_on_digit`` the same of cells that touch the digit's square.
    """
    right, labels, kept, on_digit = [], [], [], []
    for batch in batches("held-out", 8, 64, seed=31):
        with torch.no_grad():
            found = model.features(batch.inputs)
        assert found.logits is not None
        right.append(found.logits.argmax(1) == batch.labels)
        labels.append(batch.labels)
        kept.append(kept_share(found.kept))
        first = found.kept[0]
        stride = SIDE // first.shape[1]
        touched = functional.max_pool2d(batch.masks[:, None].float(), stride)[:, 0] > 0
        on_digit.append(first[touched].float())
    common = torch.bincount(torch.cat(labels)).max() / len(torch.cat(labels))
    return {
        "accuracy": float(torch.cat(right).float().mean()),
        "commonest": float(common),
        "kept": float(torch.stack(kept).mean()),
        "kept_on_digit": float(torch.cat(on_digit).mean()),
    }
