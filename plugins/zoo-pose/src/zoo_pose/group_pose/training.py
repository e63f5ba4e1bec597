"""Training on pictures of one to three rendered people in front of photographs; and what that reaches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo_pose import rendered, rendered_training, scenes
from zoo_pose.group_pose.config import GroupPoseConfig
from zoo_pose.group_pose.losses import PERSON, People, losses
from zoo_pose.group_pose.network import GroupPose
from zoo_pose.skeletons import COCO

STEPS, BATCH, RATE = 600, 12, 1.5e-3
# A picture is as high as the config's shorter side, and by a quarter wider.
_WIDER = 5 / 4
TESTS = 150


def shape(config: GroupPoseConfig) -> tuple[int, int]:
    """Height and width of the pictures."""
    return config.side, int(config.side * _WIDER)


def train(
    config: GroupPoseConfig,
    *,
    preset: str | None,
    seed: int,
    log: Callable[[str], None],
    takes: int = rendered_training.TAKES,
    steps: int = STEPS,
) -> tuple[nn.Module, dict[str, float]]:
    """Render people, then learn from fresh pictures of some of them at every step."""
    model = GroupPose(config)
    known = rendered.takes("train", takes, seed, log)
    height, width = shape(config)
    joints, size = scenes.indices(COCO), torch.tensor((float(width), float(height)))

    def loss(generator: torch.Generator) -> Tensor:
        batch = scenes.groups(known, BATCH, "train", height, width, generator)
        truth = [
            People(points[there][:, joints] / size, seen[there][:, joints], areas[there] / (height * width))
            for points, seen, areas, there in zip(
                batch.keypoints, batch.inside, batch.areas, batch.present, strict=True
            )
        ]
        return sum(losses(model(scenes.standardised(batch)), truth, COCO).values(), torch.zeros(()))

    rendered_training.fit(model, loss, steps=steps, rate=RATE, seed=seed, log=log, clip=0.5)
    return model, {name: round(value, 1) for name, value in evaluate(model, config, known).items()}


def evaluate(model: GroupPose, config: GroupPoseConfig, known: list[rendered.Take] | None = None) -> dict[str, float]:
    """COCO's AP and AP50 on pictures of held-out motions and photographs, beside the mean pose in the true boxes.

    Args:
        model: the network, which is given the pictures alone.
        config: its own.
        known: the takes that the mean pose is of; by default 100 of the training's motions.
    """
    height, width = shape(config)
    test = scenes.exam_groups(TESTS, height, width)
    with torch.no_grad():
        found = model(scenes.standardised(test))
    keypoints = found.keypoints[..., : 2 * len(COCO)].unflatten(-1, (-1, 2)) * torch.tensor((width, height))
    mean = scenes.in_boxes(rendered_training.mean_pose(COCO, known), test.boxes)
    answer = scenes.scores(test, COCO, list(keypoints), list(found.logits[..., PERSON].sigmoid()))
    people = [poses[there] for poses, there in zip(mean, test.present, strict=True)]
    baseline = scenes.scores(test, COCO, people, [torch.ones(len(each)) for each in people])
    return answer | {f"mean_pose_{name}": value for name, value in baseline.items()}
