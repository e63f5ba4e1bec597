"""Poses as pictures: skeletons on images, and lifted poses in three dimensions."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from zoo.evidence.plots import new_figure
from zoo.targets import require
from zoo_pose.skeletons import Skeleton

LEFT, RIGHT, MIDDLE = "#f28e2b", "#4e79a7", "#59a14f"


def colour(skeleton: Skeleton, limb: tuple[int, int]) -> str:
    """Left limbs orange, right ones blue, those of the middle green."""
    names = " ".join(skeleton.joints[joint] for joint in limb)
    left, right = "left_" in names, "right_" in names
    return MIDDLE if left == right else LEFT if left else RIGHT


def skeleton_on(
    picture: Image.Image,
    keypoints: Tensor,
    skeleton: Skeleton,
    shown: Tensor | None = None,
    boxes: Tensor | None = None,
) -> Image.Image:
    """A copy of a picture with people drawn on it.

    Args:
        picture: of any mode.
        keypoints: (people, joints, 2) in pixels.
        skeleton: whose joints they are.
        shown: boolean (people, joints), the joints to draw; all by default.
        boxes: (people, 4) x1, y1, x2, y2 to draw as well.
    """
    canvas = picture.convert("RGB")
    draw = ImageDraw.Draw(canvas)
    width = max(1, round(max(canvas.size) / 250))
    for box in [] if boxes is None else boxes.tolist():
        draw.rectangle(box, outline="white", width=max(1, width // 2))
    seen = torch.ones(keypoints.shape[:2], dtype=torch.bool) if shown is None else shown
    for person, visible in zip(keypoints[..., :2].tolist(), seen.tolist(), strict=True):
        for one, other in skeleton.limbs:
            if visible[one] and visible[other]:
                line = (*person[one], *person[other])
                draw.line(line, fill=colour(skeleton, (one, other)), width=width)
        for (x, y), drawn in zip(person, visible, strict=True):
            if drawn:
                draw.ellipse((x - width, y - width, x + width, y + width), fill="white", outline="black")
    return canvas


def _flat(axes: Any, keypoints: Tensor, skeleton: Skeleton) -> None:
    for one, other in skeleton.limbs:
        x, y = keypoints[[one, other]].T.tolist()
        axes.plot(x, y, color=colour(skeleton, (one, other)), linewidth=2)
    axes.set_aspect("equal", adjustable="datalim")
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.set_yticks([])


def _deep(axes: Any, joints: Tensor, skeleton: Skeleton) -> None:
    """Camera axes (x right, y down, z away) drawn with the camera's depth as the second axis and up upwards."""
    for one, other in skeleton.limbs:
        x, y, z = joints[[one, other]].T.tolist()
        axes.plot(x, z, [-value for value in y], color=colour(skeleton, (one, other)), linewidth=2)


def _cube(axes: Any, joints: Tensor) -> None:
    middle = (joints.flatten(0, -2).amax(0) + joints.flatten(0, -2).amin(0)) / 2
    half = float((joints.flatten(0, -2) - middle).abs().max()) * 1.05 or 1.0
    x, y, z = middle.tolist()
    axes.set_xlim(x - half, x + half)
    axes.set_ylim(z - half, z + half)
    axes.set_zlim(-y - half, -y + half)
    axes.set_box_aspect((1, 1, 1))
    # Beside the camera, so that the depth, which the picture does not show, is seen.
    axes.view_init(elev=12, azim=-50)
    axes.locator_params(nbins=3)
    axes.tick_params(labelsize=8, pad=-1)


def lifted_figure(keypoints: Tensor, poses: Mapping[str, Tensor], skeleton: Skeleton) -> Any:
    """A matplotlib figure: a row of poses in the picture, and below them rows of poses in space.

    Args:
        keypoints: (frames, joints, 2) in pixels.
        poses: title -> (frames, joints, 3) in metres, camera axes.
        skeleton: whose joints they are.
    """
    require("mpl_toolkits.mplot3d", needed_by="drawing lifted poses")
    count = len(keypoints)
    figure = new_figure(figsize=(2.2 * count + 0.4, 2.3 + 2.5 * len(poses)))
    rows = 1 + len(poses)
    for frame in range(count):
        flat = figure.add_subplot(rows, count, frame + 1)
        _flat(flat, keypoints[frame], skeleton)
        flat.set_title("keypoints", fontsize=10)
        for row, (title, joints) in enumerate(poses.items(), 1):
            axes = figure.add_subplot(rows, count, row * count + frame + 1, projection="3d")
            _deep(axes, joints[frame], skeleton)
            _cube(axes, joints[frame])
            axes.set_title(title, fontsize=10)
    figure.supxlabel("axes in metres; left limbs orange, right ones blue", fontsize=10)
    return figure


def lifted(keypoints: Tensor, joints: Tensor, skeleton: Skeleton) -> Image.Image:
    """A picture of keypoints (frames, joints, 2) in pixels, and below them joints (frames, joints, 3) in metres."""
    written = io.BytesIO()
    lifted_figure(keypoints, {"lifted, metres": joints}, skeleton).savefig(written, format="png", dpi=110)
    return Image.open(written)
