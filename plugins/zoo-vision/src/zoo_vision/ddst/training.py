"""Training on scenes of coloured squares, the specification's own task."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.descent import descend
from zoo_vision.ddst.config import RelationsConfig
from zoo_vision.ddst.relations import RelationNetwork
from zoo_vision.ddst.scenes import batches

STEPS = 700


def trained(config: RelationsConfig, steps: int, seed: int) -> RelationNetwork:
    """A network after that many steps of 32 scenes: AdamW at 1e-3, gradients cut to a norm of 1."""
    torch.manual_seed(seed)
    model = RelationNetwork(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)

    def loss_of(batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        images, questions, answers = batch
        return functional.cross_entropy(model(images, questions), answers)

    scenes = batches(steps, 32, seed + 1, config.image_size)
    descend(model, scenes, loss_of, optimizer, clip=1.0)
    return model


def train(
    config: RelationsConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """The specification's own task; half a minute on one core for ``tower``."""
    model = trained(config, STEPS, seed)
    return model, {"accuracy": round(accuracy(model), 4)}


def accuracy(model: RelationNetwork, seed: int = 99) -> float:
    """Share of right answers on 512 fresh scenes; half of the answers are yes."""
    right = []
    with torch.no_grad():
        for images, questions, answers in batches(8, 64, seed, model.config.image_size):
            right.append(model(images, questions).argmax(-1) == answers)
    return float(torch.cat(right).float().mean())
