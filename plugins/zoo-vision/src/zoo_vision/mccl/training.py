"""Training on groups of scenes: in every scene one thing of the group's category and one of another, on a photograph.

No co-saliency set travels with packages; cut-outs of one category, whose alpha channel is a true mask, stand in for
one. That is real data, and not the paper's benchmark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.nn.descent import descend, one_cycle
from zoo_vision import images, photographs
from zoo_vision import saliency_metrics as metrics
from zoo_vision.mccl.config import MCCLConfig, MemoryConfig
from zoo_vision.mccl.losses import saliency_loss
from zoo_vision.mccl.memory import MemoryContrast
from zoo_vision.mccl.network import MCCL
from zoo_vision.photographs import Cutout, Split

STEPS = 3000
SIDE = 64
GROUP = 4
GROUPS = 4
CATEGORIES = (
    "animals/birds",
    "animals/fish",
    "animals/insects",
    "animals/mammals",
    "food",
    "hobbies/music",
    "household",
    "plants/flowers",
    "plants/mushrooms",
    "plants/trees",
    "seasonal/christmas",
    "seasonal/easter",
    "sports",
    "vehicles",
)


@dataclass(frozen=True)
class Groups:
    """Groups of scenes.

    Args:
        pictures: (groups, n, 3, 64, 64) in [0, 1].
        masks: (groups, n, 1, 64, 64) bool, the thing of the common category.
        others: masks of the thing that is not.
        classes: (groups,) int64, places in ``CATEGORIES``.
    """

    pictures: Tensor
    masks: Tensor
    others: Tensor
    classes: Tensor

    @property
    def inputs(self) -> Tensor:
        """The pictures by ImageNet's statistics."""
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (images.IMAGENET_MEAN, images.IMAGENET_STD))
        return (self.pictures - mean) / std


def _things(split: Split) -> dict[str, list[Cutout]]:
    found = {name: photographs.cutout_list(split, name) for name in CATEGORIES}
    return {name: things for name, things in found.items() if len(things) > 1}


def groups(split: Split, count: int, size: int, seed: int) -> Iterator[Groups]:
    """Batches of so many groups of four scenes each.

    Args:
        split: which photographs and cut-outs.
        count: of batches.
        size: groups in a batch.
        seed: decides everything.
    """
    generator = torch.Generator().manual_seed(seed)
    grounds = [photographs.photograph(name, 2 * SIDE) for name in photographs.photograph_names(split)]
    things = _things(split)
    names = list(things)

    def draw(values: list[Cutout]) -> Cutout:
        return values[int(torch.randint(len(values), (), generator=generator))]

    for _ in range(count):
        scenes, classes = [], []
        for index in torch.randint(len(names), (size,), generator=generator).tolist():
            others = [thing for name in names if name != names[index] for thing in things[name]]
            classes.append(CATEGORIES.index(names[index]))
            for _ in range(GROUP):
                ground = grounds[int(torch.randint(len(grounds), (), generator=generator))]
                # What is common lies on top: it is never hidden wholly.
                pair = (draw(others), draw(things[names[index]]))
                scenes.append(photographs.scene(ground, pair, SIDE, SIDE, generator))
        masks = torch.stack([scene.masks for scene in scenes]).unflatten(0, (size, GROUP))
        pictures = torch.stack([scene.image for scene in scenes]).unflatten(0, (size, GROUP))
        yield Groups(pictures, masks[:, :, 1:], masks[:, :, :1], torch.tensor(classes))


def train(
    config: MCCLConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """The paper's loss with the memory's contrast, without the adversary; six minutes on one core for ``stamps``."""
    model = MCCL(config).train()
    memory = MemoryContrast(MemoryConfig(config.widths[-1], len(CATEGORIES)))
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=1e-2)

    def loss_of(batch: Groups) -> Tensor:
        found = model.parts(batch.inputs)
        maps, truth = found.logits.flatten(0, 1).sigmoid(), batch.masks.flatten(0, 1).float()
        memory.update(found.consensus, batch.classes)
        return saliency_loss(maps, truth) + memory(found.consensus, batch.classes).mean()

    rates = one_cycle(optimizer, STEPS)
    descend(model, groups("train", STEPS, GROUPS, seed), loss_of, optimizer, rates=rates, log=log)
    return model, {name: round(value, 3) for name, value in evaluate(model).items()}


def evaluate(model: nn.Module, split: Split = "test") -> dict[str, float]:
    """On 32 groups of pictures never trained on: S-measure and F-measure of the network and of the mean mask.

    ``common`` and ``other`` are the network's mean answers on things of the group's category and on others.

    Args:
        model: the network.
        split: whose pictures. "held-out" ones were watched while the recipe was chosen, "test" ones were not.
    """
    mean = torch.cat([batch.masks for batch in groups("train", 8, 8, seed=21)]).float().mean((0, 1, 2))
    found: dict[str, list[Tensor]] = {name: [] for name in ("s", "f", "mean_s", "mean_f", "common", "other")}
    for batch in groups(split, 4, 8, seed=22):
        with torch.no_grad():
            maps = model(batch.inputs).sigmoid().flatten(0, 2)
        masks, others = batch.masks.flatten(0, 2), batch.others.flatten(0, 2)
        fixed = (mean / mean.max()).expand_as(maps)
        for prefix, guess in (("", maps), ("mean_", fixed)):
            found[f"{prefix}s"].append(metrics.s_measure(guess, masks))
            found[f"{prefix}f"].append(metrics.f_measure(guess, masks))
        found["common"].append(maps[masks])
        found["other"].append(maps[others])
    return {name: float(torch.cat(values).mean()) for name, values in found.items()}
