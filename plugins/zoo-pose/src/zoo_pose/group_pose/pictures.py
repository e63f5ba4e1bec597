"""Pictures in, people out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

import zoo
from zoo.evidence.plots import new_figure, saved_small
from zoo_pose import crops, drawing, scenes, skeletons
from zoo_pose.group_pose.config import GroupPoseConfig
from zoo_pose.group_pose.network import SURE, GroupPose, Instances

MOST = 50


@dataclass(frozen=True)
class Found:
    """People in one picture, the surest first.

    Args:
        scores: (n,) in [0, 1].
        classes: (n,); 1 is a person.
        keypoints: (n, K, 2) in pixels of the picture.
    """

    scores: Tensor
    classes: Tensor
    keypoints: Tensor


def best(instances: Instances, width: int, height: int, most: int = MOST) -> list[Found]:
    """The highest scores over instances and classes, of every image of the batch.

    Args:
        instances: what the network gave.
        width, height: of the unpadded image, to which keypoints are scaled.
        most: how many.
    """
    scores = instances.logits.sigmoid().flatten(1)
    classes = instances.logits.shape[2]
    values, places = scores.topk(min(most, scores.shape[1]), dim=1)
    points = instances.keypoints[..., : instances.keypoints.shape[-1] // 3 * 2].unflatten(-1, (-1, 2))
    size = points.new_tensor((width, height))
    return [
        Found(value, place % classes, keypoints[place // classes] * size)
        for value, place, keypoints in zip(values, places, points, strict=True)
    ]


def resized(picture: Image.Image, config: GroupPoseConfig) -> Image.Image:
    """Shorter side as the config says, unless the longer one would get too long."""
    factor = min(config.side / min(picture.size), config.longest / max(picture.size))
    width, height = (max(1, round(side * factor)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BILINEAR)


def preprocess(config: GroupPoseConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A picture (path, PIL image or array), resized and normalised."""

    def prepare(source: Any) -> dict[str, Tensor]:
        return {"images": crops.normalised(resized(crops.open_picture(source), config))[None]}

    return prepare


def predict(model: GroupPose, config: GroupPoseConfig, source: Any) -> dict[str, Any]:
    """People that score 0.3 or more, with joints in pixels, and the picture with them drawn; the best score of all."""
    picture = crops.open_picture(source)
    images = crops.normalised(resized(picture, config))[None]
    with torch.no_grad():
        (found,) = best(model(images.to(next(model.parameters()))), *picture.size)
    skeleton = skeletons.skeleton(config.skeleton)
    kept = (found.scores >= SURE) & (found.classes == config.num_classes - 1)
    keypoints = found.keypoints[kept].float().cpu()
    return {
        "best_score": round(float(found.scores.max()), 4),
        "people": [
            {
                "score": round(score, 4),
                "joints": {
                    joint: [round(x, 1), round(y, 1)] for joint, (x, y) in zip(skeleton.joints, person, strict=True)
                },
            }
            for score, person in zip(found.scores[kept].tolist(), keypoints.tolist(), strict=True)
        ],
        "picture": drawing.skeleton_on(picture, keypoints, skeleton),
    }


def picture(path: Path) -> None:
    """Rendered people on a photograph: whom the bundled weights find without boxes, and where the joints truly are.

    Motions and photograph are held out.
    """
    model = zoo.load("group-pose/rendered")
    motions = [("dance_b", 40), ("run", 20), ("punch", 30)]
    scene = scenes.staged(motions, "backgrounds/picosdeeuropa_by_Aitzol_Berasategi.jpg", 320, 400, seed=5)
    shown = scenes.picture_of(scene.images[0])
    found = predict(model, model.config, shown)
    truth = scene.keypoints[0][:, scenes.indices(skeletons.COCO)]
    figure = new_figure(figsize=(9.0, 3.9))
    axes = figure.subplots(1, 2)
    pictures = (found["picture"], drawing.skeleton_on(shown, truth, skeletons.COCO))
    for axis, title, each in zip(axes, (f"found: {len(found['people'])}", "true"), pictures, strict=True):
        axis.imshow(each)
        axis.set_title(title, fontsize=9)
        axis.set_axis_off()
    saved_small(figure, path, colours=96)
