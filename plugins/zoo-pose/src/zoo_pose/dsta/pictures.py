"""Clips of a person: crops by the box of the frame in question, and joints drawn on it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageSequence
from torch import Tensor

import zoo
from zoo.errors import InputError
from zoo.evidence.plots import new_figure, saved_small
from zoo.places import to_read
from zoo_pose import crops, drawing, metrics, scenes
from zoo_pose.dsta.config import DSTAConfig
from zoo_pose.dsta.network import DSTA, clip_indices
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
            entries = dict(json.loads(to_read(source).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise InputError(f"{source} is no description of a clip: {error}") from error
    frames = _frames(entries.get("frames"), folder)
    index = entries.get("frame", len(frames) // 2)
    if not isinstance(index, int) or not 0 <= index < len(frames):
        raise InputError(f"frame={index!r} of a clip with {len(frames)} frames; they count from 0")
    return frames, index, entries.get("boxes")


def _frames(source: Any, folder: Path) -> list[Image.Image]:
    if isinstance(source, str | os.PathLike):
        try:
            with Image.open(to_read(folder / source)) as file:
                return [frame.convert("RGB") for frame in ImageSequence.Iterator(file)]
        except (OSError, Image.DecompressionBombError, ValueError) as error:
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


def picture(path: Path) -> None:
    """A rendered dancer in three frames, and the middle one's joints: found by the bundled weights, and true.

    Motion and photograph are held out.
    """
    model = zoo.load("dsta/rendered")
    scene = scenes.staged([("dance_b", 40)], "sklearn/china.jpg", 420, 300, seed=2, frames=model.config.num_frames)
    frames = [scenes.picture_of(image) for image in scene.images[0]]
    found = predict(model, model.config, {"frames": frames, "boxes": scene.boxes[0]})
    truth = scene.keypoints[0][:, scenes.indices(POSETRACK)]
    joints = torch.tensor([[[found["people"][0][joint][axis] for axis in "xy"] for joint in POSETRACK.joints]])
    side = float((scene.boxes[0, 0, 2:] - scene.boxes[0, 0, :2]).max())
    error = float(metrics.joint_errors(joints, truth).mean()) / side
    middle = len(frames) // 2
    true = drawing.skeleton_on(frames[middle], truth, POSETRACK, boxes=scene.boxes[0])
    panels = [(f"frame {index - middle:+d}".replace("+0", "0"), frame) for index, frame in enumerate(frames)]
    panels += [(f"found, {100 * error:.1f}% of the box off", found["picture"]), ("true", true)]
    figure = new_figure(figsize=(10.0, 3.6))
    # What is found and what is true is larger than what it is found in.
    axes = figure.subplots(1, len(panels), width_ratios=[1.0] * len(frames) + [2.0, 2.0])
    for axis, (title, shown) in zip(axes, panels, strict=True):
        axis.imshow(shown)
        axis.set_title(title, fontsize=9)
        axis.set_axis_off()
    saved_small(figure, path, colours=96)
