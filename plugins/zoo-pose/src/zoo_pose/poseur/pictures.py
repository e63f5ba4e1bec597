"""Where deformable attention looks."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo.evidence.plots import new_figure, saved
from zoo_pose import crops, drawing, scenes
from zoo_pose.poseur.attention import DeformableAttention
from zoo_pose.poseur.network import Poseur
from zoo_pose.skeletons import COCO

_JOINTS = ("left_wrist", "right_knee", "nose")


def picture(path: Path) -> None:
    """Where 8 heads begin to look for three joints of a rendered person, on maps of strides 8, 16, 32; no training."""
    model = zoo.load("poseur/rendered", weights=None, num_heads=8)
    assert isinstance(model, Poseur)
    config = model.config
    scene = scenes.staged([("run", 18)], "sklearn/china.jpg", 420, 320, seed=8)
    shown, box = scenes.picture_of(scene.images[0]), scene.boxes[0]
    truth = scene.keypoints[0][:, scenes.indices(COCO)]
    region = crops.crops_of(box, config.height, config.width)
    sizes = [(config.height // stride, config.width // stride) for stride in (8, 16, 32)]
    references = region.to_crop(truth)[:, :, None].expand(-1, -1, len(sizes), -1)
    attention = model.head.layers[0].get_submodule("cross_attn")
    assert isinstance(attention, DeformableAttention)
    with torch.no_grad():
        # The offsets that training starts from do not depend on the query.
        points, _ = attention.where(torch.zeros(1, len(COCO), config.dim), references, sizes)
    figure = new_figure(figsize=(7.6, 3.8))
    axes = figure.subplots(1, len(sizes))
    base = drawing.skeleton_on(shown, truth, COCO)
    for level, (axis, (height, width)) in enumerate(zip(axes, sizes, strict=True)):
        axis.imshow(base)
        for joint, colour in zip(_JOINTS, ("#e15759", "#edc948", "#76b7b2"), strict=True):
            there = region.to_picture(points[:, COCO.index(joint), :, level].flatten(1, 2))[0]
            label = joint.replace("_", " ")
            axis.scatter(*there.T.tolist(), s=9, c=colour, edgecolors="black", linewidths=0.3, label=label)
        axis.set_title(f"level {level}: {height} x {width} places", fontsize=9)
        axis.set_xlim(0, shown.width)
        axis.set_ylim(shown.height, 0)
        axis.set_axis_off()
    axes[0].legend(fontsize=7, loc="lower left")
    saved(figure, path)
    drawing.compact(path)
