"""Training on rendered people in front of photographs, with the paper's loss; and what that reaches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo_pose import rendered, rendered_training, scenes
from zoo_pose.poseur.config import PoseurConfig
from zoo_pose.poseur.network import Poseur, both_ways
from zoo_pose.skeletons import COCO

STEPS, BATCH, RATE = 4000, 32, 3e-3


def train(
    config: PoseurConfig,
    *,
    preset: str | None,
    seed: int,
    log: Callable[[str], None],
    takes: int = rendered_training.TAKES,
    steps: int = STEPS,
) -> tuple[nn.Module, dict[str, float]]:
    """Render people, then learn from fresh random crops of some at every step; a quarter of an hour on one core."""
    model = Poseur(config)
    known = rendered.takes("train", takes, seed, log)
    size = torch.tensor((config.width, config.height))

    def loss(generator: torch.Generator) -> Tensor:
        batch = scenes.single(scenes.picked(known, BATCH, generator), "train", config.height, config.width, generator)
        joints = scenes.indices(COCO)
        target = batch.keypoints[:, 0, joints] / size
        weight = batch.inside[:, 0, joints, None].float().expand_as(target)
        parts = model.losses(target, weight, images=scenes.standardised(batch), generator=generator)
        return sum(parts.values(), torch.zeros(()))

    rendered_training.fit(model, loss, steps=steps, rate=RATE, seed=seed, log=log)
    return model, {name: round(value, 1) for name, value in evaluate(model, config, known).items()}


def evaluate(model: Poseur, config: PoseurConfig, known: list[rendered.Take] | None = None) -> dict[str, float]:
    """PCK at a tenth of the box and AP on held-out motions and photographs, beside the mean pose in the true box.

    Args:
        model: the network.
        config: its own.
        known: the takes that the mean pose is of; by default 100 of the training's motions.
    """
    test = scenes.exam_single(config.height, config.width)
    coord, score = both_ways(model, scenes.standardised(test), COCO)
    found = coord * torch.tensor((config.width, config.height))
    mean = scenes.in_boxes(rendered_training.mean_pose(COCO, known), test.boxes[:, 0])
    answer = {}
    for name, keypoints, confidence in (("", found, score.mean(1)), ("mean_pose_", mean, torch.ones(len(mean)))):
        answer[f"{name}pck"] = scenes.within(test, COCO, keypoints)
        answer[f"{name}AP"] = scenes.scores(test, COCO, list(keypoints[:, None]), list(confidence[:, None]))["AP"]
    return answer
