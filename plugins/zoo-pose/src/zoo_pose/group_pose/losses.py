"""Matching of instances to people, and the losses of every stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zoo.targets import require
from zoo_pose import metrics
from zoo_pose.group_pose.network import Instances
from zoo_pose.skeletons import Skeleton

# Weights of class, L1 and OKS in costs and losses.
CLASS, L1, OKS = 2.0, 10.0, 4.0
_ALPHA, _GAMMA = 0.25, 2.0
PERSON = 1


@dataclass(frozen=True)
class People:
    """The right answer of one image.

    Args:
        keypoints: (people, K, 2) in parts of the unpadded image.
        visible: boolean (people, K).
        areas: (people,) in parts of the image's area.
    """

    keypoints: Tensor
    visible: Tensor
    areas: Tensor


def _costs(logits: Tensor, poses: Tensor, people: People, skeleton: Skeleton) -> Tensor:
    """(N, people): focal class cost, L1 summed over visible coordinates, and 1 - OKS, weighted."""
    chance = logits.sigmoid()[:, PERSON, None]
    right = _ALPHA * (1 - chance) ** _GAMMA * -(chance + 1e-8).log()
    wrong = (1 - _ALPHA) * chance**_GAMMA * -(1 - chance + 1e-8).log()
    distance = ((poses[:, None] - people.keypoints).abs().sum(-1) * people.visible).sum(-1)
    likeness = metrics.oks(poses[:, None], people.keypoints, people.visible, people.areas, skeleton.sigmas)
    return CLASS * (right - wrong) + L1 * distance + OKS * (1 - likeness)


def match(logits: Tensor, poses: Tensor, people: People, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """The cheapest assignment: indices of instances, and of the people they stand for.

    Args:
        logits: (N, classes).
        poses: (N, K, 2).
        people: of the image.
        skeleton: whose spreads OKS uses.
    """
    optimise = require("scipy.optimize", needed_by="matching of people")
    costs = _costs(logits.detach(), poses.detach(), people, skeleton)
    rows, columns = optimise.linear_sum_assignment(costs.cpu().numpy())
    return torch.as_tensor(rows, device=logits.device), torch.as_tensor(columns, device=logits.device)


def stage_loss(logits: Tensor, poses: Tensor, truth: Sequence[People], skeleton: Skeleton) -> Tensor:
    """2 focal + 10 L1 + 4 (1 - OKS), sums divided by the number of people.

    Args:
        logits: (batch, N, classes) of one stage.
        poses: (batch, N, K, 2) of it.
        truth: of each image.
        skeleton: whose spreads OKS uses.
    """
    target = torch.zeros_like(logits)
    distance, unlike = logits.new_zeros(()), logits.new_zeros(())
    for index, people in enumerate(truth):
        if not len(people.keypoints):
            continue
        rows, columns = match(logits[index], poses[index], people, skeleton)
        target[index, rows, PERSON] = 1.0
        pose, right, visible = poses[index, rows], people.keypoints[columns], people.visible[columns]
        distance = distance + ((pose - right).abs().sum(-1) * visible).sum()
        unlike = unlike + (1 - metrics.oks(pose, right, visible, people.areas[columns], skeleton.sigmas)).sum()
    chance = logits.sigmoid()
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    off = chance * (1 - target) + (1 - chance) * target
    focal = (_ALPHA * target + (1 - _ALPHA) * (1 - target)) * off**_GAMMA * entropy
    count = max(sum(len(people.keypoints) for people in truth), 1)
    return (CLASS * focal.sum() + L1 * distance + OKS * unlike) / count


def losses(found: Instances, truth: Sequence[People], skeleton: Skeleton) -> dict[str, Tensor]:
    """Of the proposals ("first"), of every layer ("layer0", ...) and of the last one ("last"), to be added."""

    def poses(keypoints: Tensor) -> Tensor:
        return keypoints[..., : 2 * len(skeleton)].unflatten(-1, (-1, 2))

    answer = {"first": stage_loss(found.first_logits, poses(found.first_keypoints), truth, skeleton)}
    pairs = zip(found.auxiliary_logits.unbind(1), found.auxiliary_keypoints.unbind(1), strict=True)
    for index, (logits, keypoints) in enumerate(pairs):
        answer[f"layer{index}"] = stage_loss(logits, poses(keypoints), truth, skeleton)
    answer["last"] = stage_loss(found.logits, poses(found.keypoints), truth, skeleton)
    return answer
