"""Training on scenes: cut-outs pasted on photographs, their captions, and their masks as the subject's heat maps.

Pictures of people with descriptions of their poses do not travel with packages. Here the subject is what was pasted,
its text the caption of the cut-out and the folders that it lies in ("A gander. birds animals"), and its heat map the
blurred mask. That is real data, small, and not the paper's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_vision import photographs
from zoo_vision.descent import descend
from zoo_vision.focusclip.config import FocusCLIPConfig
from zoo_vision.focusclip.network import FocusCLIP, zero_shot
from zoo_vision.focusclip.words import tokenize
from zoo_vision.images import IMAGENET_MEAN, IMAGENET_STD
from zoo_vision.photographs import Cutout, Split

STEPS = 2000
KINDS = ("animals", "plants", "vehicles")
"""Kinds of things that are told apart without a label; each is a sentence of one word."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Scenes and texts.

    Args:
        images: (batch, 3, side, side), with ImageNet's statistics.
        heat: (batch, 1, side, side) in [0, 1], where the subject is.
        texts: its description.
        names: of the cut-outs.
    """

    images: Tensor
    heat: Tensor
    texts: list[str]
    names: list[str]


@cache
def description(name: str) -> str:
    """The caption that comes with a cut-out, if any, and the folders that it lies in."""
    folders = " ".join(reversed(name.split("/")[:-1]))
    caption = photographs.caption(name)
    return f"{caption} {folders}" if caption else folders


def kind(item: Cutout) -> int | None:
    """Index of the kind that a cut-out is of, None of another."""
    found = [index for index, word in enumerate(KINDS) if word in item.category.split("/")]
    return found[0] if found else None


def batches(
    split: Split, count: int, batch_size: int, seed: int, side: int, things: list[Cutout] | None = None
) -> Iterator[Pairs]:
    """Scenes with one thing each, of all things of a half of the split or of those given."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    for scenes in photographs.single_scenes(split, side, count, batch_size, seed, things):
        masks = torch.stack([scene.mask for scene in scenes])[:, None].float()
        names = [scene.names[0] for scene in scenes]
        yield Pairs(
            torch.stack([(scene.image - mean) / std for scene in scenes]),
            functional.avg_pool2d(masks, 5, stride=1, padding=2),
            [description(name) for name in names],
            names,
        )


def train(
    config: FocusCLIPConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """The paper's three losses by AdamW, from random weights; four minutes on one core for ``scenes``."""
    model = FocusCLIP(config).train()
    # transformers' deviation of 0.02 is made for towers ten times as wide.
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.05)

    def loss_of(pairs: Pairs) -> Tensor:
        return model.loss(model(pairs.images, mask=pairs.heat, **tokenize(pairs.texts, config))).total

    scenes = batches("train", STEPS, 32, seed, config.image_size)
    descend(model, scenes, loss_of, optimiser, steps=STEPS, clip=1.0, log=log)
    return model, {name: round(value, 3) for name, value in evaluate(model).items()}


def evaluate(model: FocusCLIP) -> dict[str, float]:
    """Zero-shot accuracy, averaged over the three kinds, so that chance is a third.

    Returns:
        ``held_out`` for cut-outs and photographs never trained on, and ``seen`` for cut-outs of the training on
        photographs never trained on; 384 scenes each.
    """
    config = model.config
    found = {}
    for name, half in (("held_out", "held-out"), ("seen", "train")):
        things = [item for item in photographs.cutouts() if photographs.half(item.name) == half]
        known = {item.name: label for item in things if (label := kind(item)) is not None}
        things = [item for item in things if item.name in known]
        right = torch.zeros(len(KINDS))
        total = torch.zeros(len(KINDS))
        with torch.no_grad():
            classes = model.encode_text(**tokenize(KINDS, config))
            for pairs in batches("held-out", 12, 32, 12, config.image_size, things):
                labels = torch.tensor([known[item] for item in pairs.names])
                guess = zero_shot(model.encode_image(pairs.images), classes).argmax(1)
                right.index_add_(0, labels, (guess == labels).float())
                total.index_add_(0, labels, torch.ones(len(labels)))
        found[name] = float((right / total).mean())
    return found
