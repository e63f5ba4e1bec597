"""The picture on the card."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo.evidence.plots import saved_small
from zoo_vision import panels
from zoo_vision.focusclip.heatmaps import body_part_heatmap, grid_points, person_heatmap
from zoo_vision.images import IMAGENET_MEAN, IMAGENET_STD
from zoo_vision.photographs import photograph, to_tensor
from zoo_vision.restoration import resized

_SIDE = 224
# Of the astronaut's photograph, 512 x 512, read off by eye: MPII's number -> x, y; the others are not in the picture.
_POINTS = {7: (228, 262), 8: (226, 196), 9: (222, 22), 12: (110, 285), 13: (335, 255), 11: (60, 440), 14: (420, 400)}


def guided(path: Path) -> None:
    """What the guided branch sees in training: a photograph, two heat maps from joints (dots, marked by eye), and the
    photograph through the map of body parts at alpha 0.5, where training starts, and at 0; no weights are involved.
    """
    picture = resized(to_tensor(photograph("skimage/astronaut.png"))[None], _SIDE, _SIDE)
    points = torch.zeros(16, 3)
    for joint, (x, y) in _POINTS.items():
        points[joint] = torch.tensor([x, y, 1.0])
    points = grid_points(points, (512, 512), (_SIDE, _SIDE))
    whole, parts = person_heatmap(points, _SIDE, _SIDE), body_part_heatmap(points, _SIDE, _SIDE)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    figure, axes = panels.grid(1, 5, 1.9, 2.1)
    panels.show(axes[0, 0], picture[0], "photograph")
    visible = points[points[:, 2] > 0]
    axes[0, 0].scatter(visible[:, 0], visible[:, 1], s=14, c="#00e5ff", edgecolors="black", linewidths=0.5)
    panels.show(axes[0, 1], whole, "person", low=0.0, high=1.0)
    panels.show(axes[0, 2], parts, "body parts", low=0.0, high=1.0)
    for axis, alpha in ((axes[0, 3], 0.5), (axes[0, 4], 0.0)):
        model = zoo.load("focusclip/tiny", alpha=alpha, image_size=_SIDE)
        with torch.no_grad():
            seen = model.mask((picture - mean) / std, parts[None, None])
        panels.show(axis, seen[0] * std + mean, f"seen, alpha {alpha:g}")
    saved_small(figure, path)
