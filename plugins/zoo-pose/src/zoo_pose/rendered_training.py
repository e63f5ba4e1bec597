"""One recipe for the networks that look at pictures: rendered people on photographs, AdamW with one cycle."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

import zoo
from zoo.nn.descent import descend, one_cycle
from zoo_pose import rendered, scenes
from zoo_pose.skeletons import Skeleton

TAKES = 1000
# Deformable attention's places train at a tenth of the rate, as the papers have it.
_SLOW, _SLOWER = "sampling_offsets", 0.1


def fit(
    model: nn.Module,
    loss: Callable[[torch.Generator], Tensor],
    *,
    steps: int,
    rate: float,
    seed: int,
    log: Callable[[str], object],
    clip: float = 1.0,
) -> None:
    """Train a network in place; it comes back in eval mode.

    Args:
        model: the network.
        loss: of a fresh batch, drawn by the generator.
        steps: how many.
        rate: the highest learning rate; it rises over the first tenth and falls to almost nothing.
        seed: of the generator.
        log: takes lines of progress.
        clip: largest norm of the gradient.
    """
    generator = torch.Generator().manual_seed(seed)
    slow = [value for name, value in model.named_parameters() if _SLOW in name]
    rest = [value for name, value in model.named_parameters() if _SLOW not in name]
    parts = [{"params": rest, "lr": rate}, {"params": slow, "lr": rate * _SLOWER}]
    parts = [part for part in parts if part["params"]]
    optimizer = torch.optim.AdamW(parts, weight_decay=1e-3)
    rates = one_cycle(optimizer, steps)
    descend(model, range(steps), lambda step: loss(generator), optimizer, rates=rates, clip=clip, log=log)


def begin_from(trunk: nn.Module, name: str, part: str) -> None:
    """Give a trunk the weights of another entry's, which has seen more.

    Args:
        trunk: filled in place.
        name: of an entry and a preset with bundled weights.
        part: its trunk, a trunk of the same shape.
    """
    trunk.load_state_dict(zoo.load(name).get_submodule(part).state_dict())


def mean_pose(skeleton: Skeleton, known: Sequence[rendered.Take] | None = None) -> Tensor:
    """(joints, 2) in parts of the true box, 0 to 1: of given takes, or of 100 of the training's motions."""
    return scenes.mean_pose(_hundred() if known is None else known, skeleton)


@functools.cache
def _hundred() -> list[rendered.Take]:
    return rendered.takes("train", 100, seed=1)
