"""Training on pictures of one to three rendered people in front of photographs; and what that reaches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo_pose import rendered, rendered_training, scenes
from zoo_pose.group_pose.config import GroupPoseConfig
from zoo_pose.group_pose.losses import PERSON, People, losses
from zoo_pose.group_pose.network import SURE, GroupPose
from zoo_pose.skeletons import COCO

STEPS, BATCH, RATE = 3000, 12, 2e-3
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
    """Render people, then learn from fresh pictures of some of them at every step; a quarter of an hour on one core."""
    model = GroupPose(config)
    if preset == "rendered":
        assert model.backbone is not None
        rendered_training.begin_from(model.backbone, "poseur/rendered", "backbone")
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
    """Figures on pictures of held-out motions and photographs, beside the mean pose in the true boxes, all in percent.

    COCO's AP, AP50 and AR; and PCK at a tenth of the box of instances that score ``SURE`` or more.

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
    scores = found.logits[..., PERSON].sigmoid()
    mean = scenes.in_boxes(rendered_training.mean_pose(COCO, known), test.boxes)
    people = [poses[there] for poses, there in zip(mean, test.present, strict=True)]
    answer = scenes.scores(test, COCO, list(keypoints), list(scores))
    baseline = scenes.scores(test, COCO, people, [torch.ones(len(each)) for each in people])
    sure = [poses[score >= SURE] for poses, score in zip(keypoints, scores, strict=True)]
    answer["pck"] = scenes.found_within(test, COCO, sure)
    baseline["pck"] = scenes.found_within(test, COCO, people)
    return answer | {f"mean_pose_{name}": value for name, value in baseline.items()}
