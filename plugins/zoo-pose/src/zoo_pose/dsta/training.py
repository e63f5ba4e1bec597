"""Training on clips of rendered people in front of photographs, with the paper's loss; and what that reaches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo_pose import rendered, rendered_training, scenes
from zoo_pose.dsta.config import DSTAConfig
from zoo_pose.dsta.network import DSTA
from zoo_pose.skeletons import POSETRACK

STEPS, BATCH, RATE = 5000, 32, 3e-3


def train(
    config: DSTAConfig,
    *,
    preset: str | None,
    seed: int,
    log: Callable[[str], None],
    takes: int = rendered_training.TAKES,
    steps: int = STEPS,
) -> tuple[nn.Module, dict[str, float]]:
    """Render people, then learn from fresh random crops of clips of one at every step; half an hour on one core."""
    model = DSTA(config)
    known = rendered.takes("train", takes, seed, log)
    size = torch.tensor((config.width, config.height))
    joints = scenes.indices(POSETRACK)

    def loss(generator: torch.Generator) -> Tensor:
        batch = scenes.single(
            scenes.picked(known, BATCH, generator),
            "train",
            config.height,
            config.width,
            generator,
            frames=config.num_frames,
        )
        target = batch.keypoints[:, 0, joints] / size
        weight = batch.inside[:, 0, joints, None].float().expand_as(target)
        return model.loss(model(scenes.standardised(batch)), target, weight) / len(POSETRACK)

    rendered_training.fit(model, loss, steps=steps, rate=RATE, seed=seed, log=log)
    return model, {name: round(value, 1) for name, value in evaluate(model, config, known).items()}


def evaluate(model: DSTA, config: DSTAConfig, known: list[rendered.Take] | None = None) -> dict[str, float]:
    """PCK at a tenth of the box on held-out motions and photographs; and of what could do without the network.

    Beside the network's on clips: on clips that stand still (the middle frame, repeated), and the mean pose's in the
    true box.

    Args:
        model: the network.
        config: its own.
        known: the takes that the mean pose is of; by default 100 of the training's motions.
    """
    test = scenes.exam_single(config.height, config.width, config.num_frames)
    images = scenes.standardised(test)
    still = images[:, config.num_frames // 2, None].expand_as(images)
    size = torch.tensor((config.width, config.height))
    with torch.no_grad():
        moving, standing = (model(clip).coord * size for clip in (images, still))
    mean = scenes.in_boxes(rendered_training.mean_pose(POSETRACK, known), test.boxes[:, 0])
    found = {"pck": moving, "still_pck": standing, "mean_pose_pck": mean}
    return {name: scenes.within(test, POSETRACK, keypoints) for name, keypoints in found.items()}
