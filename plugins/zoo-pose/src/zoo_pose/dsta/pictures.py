"""Clips of a person: crops by the box of the frame in question, and joints drawn on it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageSequence, UnidentifiedImageError
from torch import Tensor

from zoo.errors import InputError
from zoo.evidence.plots import new_figure, saved
from zoo_pose import crops, drawing
from zoo_pose.dsta.config import DSTAConfig
from zoo_pose.dsta.network import DSTA, JOINTS, SLOTS, clip_indices
from zoo_pose.skeletons import POSETRACK


def read_clip(source: Any) -> tuple[list[Image.Image], int, Any]:
    """Frames, the index of the one in question, and boxes of the people in it.

    Args:
        source: a picture file of one frame or more (GIF, PNG, WebP), a sequence of pictures, a mapping with ``frames``
            (such a sequence, or paths) and optionally ``frame`` (an index, the middle one by default) and ``boxes``
            (x1, y1, x2, y2 in pixels, the whole picture by default), or a JSON file that holds such a mapping.
    """
    entries: dict[str, Any] = {"frames": source}
    folder = Path()
    if isinstance(source, dict):
        entries = source
    elif isinstance(source, str | os.PathLike) and Path(source).suffix == ".json":
        folder = Path(source).parent
        try:
            entries = dict(json.loads(Path(source).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{source} is no description of a clip: {error}") from error
    frames = _frames(entries.get("frames"), folder)
    index = entries.get("frame", len(frames) // 2)
    if not isinstance(index, int) or not 0 <= index < len(frames):
        raise InputError(f"frame={index!r} of a clip with {len(frames)} frames; they count from 0")
    return frames, index, entries.get("boxes")


def _frames(source: Any, folder: Path) -> list[Image.Image]:
    if isinstance(source, str | os.PathLike):
        try:
            with Image.open(folder / source) as file:
                return [frame.convert("RGB") for frame in ImageSequence.Iterator(file)]
        except (OSError, UnidentifiedImageError, ValueError) as error:
            raise InputError(f"{source!r} cannot be read as a picture: {error}") from error
    if not isinstance(source, Sequence) or not source:
        raise InputError(f"a clip is a file or a sequence of one or more pictures, not {type(source).__name__}")
    frames = [crops.open_picture(folder / each if isinstance(each, str | os.PathLike) else each) for each in source]
    if len({frame.size for frame in frames}) > 1:
        raise InputError(f"frames of sizes {sorted({frame.size for frame in frames})}; expected one size")
    return frames


def clips(frames: list[Image.Image], index: int, regions: crops.Crops, config: DSTAConfig) -> Tensor:
    """(people, 3 * num_frames, height, width): each person's crops of the frames around one, in the order of time."""
    around = clip_indices(index, len(frames), config.num_frames)
    cut = {
        each: crops.cut(crops.normalised(frames[each]), regions, config.height, config.width) for each in set(around)
    }
    return torch.cat([cut[each] for each in around], 1)


def preprocess(config: DSTAConfig) -> Callable[[Any], dict[str, Tensor]]:
    """Crops of a clip, see ``read_clip``; the box of the frame in question crops all frames."""

    def prepare(source: Any) -> dict[str, Tensor]:
        frames, index, boxes = read_clip(source)
        regions = crops.crops_of(crops.read_boxes(boxes, frames[index]), config.height, config.width)
        return {"images": clips(frames, index, regions, config)}

    return prepare


def predict(model: DSTA, config: DSTAConfig, source: Any) -> dict[str, Any]:
    """Everybody's joints in pixels of the frame in question with scores, and that frame with them drawn."""
    frames, index, boxes = read_clip(source)
    people = crops.read_boxes(boxes, frames[index])
    regions = crops.crops_of(people, config.height, config.width)
    with torch.no_grad():
        found = model(clips(frames, index, regions, config).to(next(model.parameters())))
    keypoints = regions.to_picture(found.coord.float().cpu())
    return {
        "frame": index,
        "people": [
            {
                joint: {"x": round(x, 1), "y": round(y, 1), "score": round(value, 3)}
                for joint, (x, y), (value,) in zip(POSETRACK.joints, person, scores, strict=True)
            }
            for person, scores in zip(keypoints.tolist(), found.score.tolist(), strict=True)
        ],
        "picture": drawing.skeleton_on(frames[index], keypoints, POSETRACK, boxes=people),
    }


_SLOT_NAMES = {
    slot: joint.replace("right_", "r ").replace("left_", "l ").replace("_", " ")
    for slot, joint in reversed(list(zip(SLOTS, POSETRACK.joints, strict=True)))
}


def picture(path: Path) -> None:
    """Which tokens of which frames a joint's token hears in both branches, by their gradients; untrained, T = 3."""
    torch.manual_seed(0)
    model = DSTA(DSTAConfig(backbone="convolution", backbone_channels=8, depth=2)).eval()
    frames = model.config.num_frames
    tokens, weight = torch.randn(1, frames, JOINTS, model.config.dim), torch.randn(model.config.dim)
    figure = new_figure(figsize=(9.6, 4.4))
    axes = figure.subplots(1, 2)
    # Two slots serve no joint of the data set.
    names = [_SLOT_NAMES.get(slot, "spare") for slot in range(JOINTS)]
    for axis, (title, branch) in zip(
        axes,
        (("temporal: own joint, all frames", model.temporal), ("spatial: own limb, middle frame", model.spatial)),
        strict=True,
    ):
        jacobian = torch.autograd.functional.jacobian(lambda x, branch=branch: branch(x)[0] @ weight, tokens)
        assert isinstance(jacobian, Tensor)
        # (slot, frames * slots): frame after frame.
        reach = jacobian[:, 0].abs().amax(-1).flatten(1)
        axis.imshow((reach / reach.amax()).sqrt(), cmap="viridis", vmin=0, aspect="auto")
        axis.set_title(title, fontsize=9)
        axis.set_yticks(range(JOINTS), names if axis is axes[0] else [], fontsize=7)
        axis.set_xticks([JOINTS * (frame + 0.5) - 0.5 for frame in range(frames)], ["previous", "current", "next"])
        axis.set_xlabel("tokens of all joints, frame after frame", fontsize=8)
        for frame in range(1, frames):
            axis.axvline(JOINTS * frame - 0.5, color="white", linewidth=0.8)
    axes[0].set_ylabel("token that hears", fontsize=8)
    saved(figure, path)
