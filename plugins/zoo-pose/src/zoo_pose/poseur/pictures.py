"""What the network finds in a picture, and where it looks for it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

import zoo
from zoo.evidence.plots import new_figure, saved_small
from zoo_pose import crops, drawing, metrics, scenes
from zoo_pose.poseur.network import Poseur, predict
from zoo_pose.skeletons import COCO

JOINT = "left_wrist"


def looked_at(model: Poseur, images: Tensor, joint: int) -> tuple[Tensor, Tensor]:
    """Where the last decoder layer's heads sample for one joint's query in one crop.

    Args:
        model: the network.
        images: (1, 3, height, width).
        joint: which query.

    Returns:
        Points (heads * levels * points, 2) in parts of the crop, and their weights, which sum to the number of heads.
    """
    found: list[tuple[Tensor, Tensor]] = []
    attention = model.head.layers[-1].get_submodule("cross_attn")

    def keep(module: torch.nn.Module, arguments: tuple[Tensor, ...]) -> None:
        query, positions, _, sizes, references = arguments
        found.append(module.where(query + positions, references, sizes))  # type: ignore[operator]

    with torch.no_grad(), attention.register_forward_pre_hook(keep):
        model(images)
    points, weights = found[0]
    return points[0, joint].flatten(0, 2), weights[0, joint].flatten()


def picture(path: Path) -> None:
    """Joints that the bundled weights find on a rendered person they never saw, true ones, and where they look for one.

    Motion and photograph are held out.
    """
    model = zoo.load("poseur/rendered")
    config = model.config
    scene = scenes.staged([("run", 18)], "sklearn/china.jpg", 420, 400, seed=8)
    shown, box = scenes.picture_of(scene.images[0]), scene.boxes[0]
    found = predict(model, config, (shown, box))
    truth = scene.keypoints[0][:, scenes.indices(COCO)]
    joints = torch.tensor([[[found["people"][0][joint][axis] for axis in "xy"] for joint in COCO.joints]])
    side = float((box[0, 2:] - box[0, :2]).max())
    error = float(metrics.joint_errors(joints, truth).mean()) / side
    region = crops.crops_of(box, config.height, config.width)
    images = crops.cut(crops.normalised(shown), region, config.height, config.width)
    points, weights = looked_at(model, images, COCO.index(JOINT))
    points = region.to_picture(points[None])[0]
    figure = new_figure(figsize=(9.6, 3.7))
    axes = figure.subplots(1, 3)
    titles = (f"found, {100 * error:.1f}% of the box off", "true", f"where layer {config.num_layers} looks: {JOINT}")
    pictures = (found["picture"], drawing.skeleton_on(shown, truth, COCO, boxes=box), shown)
    for axis, title, each in zip(axes, titles, pictures, strict=True):
        axis.imshow(each)
        axis.set_title(title, fontsize=9)
        axis.set_axis_off()
    axes[2].scatter(*points.T.tolist(), s=(120 * weights).tolist(), c="#e15759", edgecolors="white", linewidths=0.5)
    axes[2].scatter(*truth[0, COCO.index(JOINT)].tolist(), marker="x", c="white", s=40)
    axes[2].set_xlim(0, shown.width)
    axes[2].set_ylim(shown.height, 0)
    saved_small(figure, path, colours=96)
