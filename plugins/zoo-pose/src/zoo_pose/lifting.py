"""Lifting a sequence of any length: what every lifter of this plugin does around its network.

A lifter's ``forward(keypoints)`` takes windows (batch, window, 17, 2) in Human3.6M's order, normalised by the picture's
width, and returns joints in metres relative to the pelvis: of all frames of the window, or of its middle one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.places import to_read
from zoo_pose import drawing, skeletons
from zoo_pose.skeletons import HUMAN36M

Output = Literal["all", "centre"]


@dataclass(frozen=True)
class Track:
    """One person's keypoints over time.

    Args:
        keypoints: (frames, 17, 2) in pixels, Human3.6M's order.
        width, height: of the picture in pixels.
    """

    keypoints: Tensor
    width: float
    height: float


def require_windows(keypoints: Tensor, window: int | None, joints: int = 17) -> None:
    """Raise InputError unless ``keypoints`` is (batch, window, joints, 2); None allows any window."""
    if keypoints.ndim != 4 or keypoints.shape[2:] != (joints, 2) or window not in (None, keypoints.shape[1]):
        frames = "frames" if window is None else window
        raise InputError(f"keypoints {list(keypoints.shape)}; expected (batch, {frames}, {joints}, 2)")


def chunk_starts(frames: int, window: int, overlap: int = 0) -> list[int]:
    """First frames of the windows that cover a sequence; the last window ends with it."""
    if not 0 <= overlap < window:
        raise InputError(f"overlap={overlap}; expected 0 to {window - 1}, less than the window of {window} frames")
    last = max(frames - window, 0)
    return [*range(0, last, window - overlap), last]


def lift(
    model: nn.Module,
    track: Track,
    window: int,
    output: Output = "all",
    *,
    overlap: int = 0,
    mirrored: bool = True,
    batch_size: int = 64,
) -> Tensor:
    """Joints of a whole track, (frames, 17, 3) in metres, relative to the pelvis, in the camera's axes.

    Args:
        model: a lifter.
        track: of one frame or more.
        window: frames that the network takes.
        output: "all": the track is cut into windows, the last one ends with the track, and frames of several windows
            get the mean; a track shorter than the window is continued by its last frame. "centre": every frame is the
            middle of a window of its own, and the ends of the track are repeated.
        overlap: frames that neighbouring windows share at least, of "all".
        mirrored: average with what the network says of the mirrored keypoints.
        batch_size: windows at a time.
    """
    skeletons.require_joints(track.keypoints, HUMAN36M)
    frames = len(track.keypoints)
    if track.keypoints.ndim != 3 or not frames:
        raise InputError(f"keypoints {list(track.keypoints.shape)}; expected (1 or more frames, 17, 2)")
    keypoints = skeletons.normalise(track.keypoints.float(), track.width, track.height)
    starts = list(range(-(window // 2), frames - window // 2)) if output == "centre" else []
    starts = starts or chunk_starts(frames, window, overlap)
    places = (torch.tensor(starts)[:, None] + torch.arange(window)).clamp(0, frames - 1)
    found = torch.cat([_poses(model, keypoints[part], mirrored) for part in places.split(batch_size)])
    if output == "centre":
        return found[:, 0]
    total, seen = found.new_zeros(frames, 17, 3), found.new_zeros(frames, 1, 1)
    for start, joints in zip(starts, found, strict=True):
        stop = min(start + window, frames)
        total[start:stop] += joints[: stop - start]
        seen[start:stop] += 1
    return total / seen


def _poses(model: nn.Module, windows: Tensor, mirrored: bool) -> Tensor:
    parameter = next(model.parameters())
    windows = windows.to(parameter.device, parameter.dtype)
    with torch.no_grad():
        joints = model(windows)
        if mirrored:
            turned = model(skeletons.flip(windows, HUMAN36M))
            joints = (joints + skeletons.flip(turned, HUMAN36M)) / 2
    return skeletons.root_relative(joints).float().cpu()


def read_track(source: Any) -> Track:
    """A track from a file, a mapping or a ``Track``.

    A file is JSON or .npz with ``keypoints`` (frames, joints, 2 or 3) in pixels, ``width`` and ``height`` of the
    picture, and optionally ``skeleton`` (human3.6m by default; coco and others are converted). A third number of a
    joint, its score, is left out. A single pose (joints, 2) is a track of one frame.
    """
    if isinstance(source, Track):
        return source
    entries = source if isinstance(source, dict) else _read(source)
    missing = [name for name in ("keypoints", "width", "height") if name not in entries]
    if missing:
        raise InputError(f"a track has keypoints, width and height (in pixels); this one lacks {', '.join(missing)}")
    try:
        keypoints = torch.as_tensor(np.asarray(entries["keypoints"], dtype=np.float32))
        width, height = float(entries["width"]), float(entries["height"])
    except (TypeError, ValueError) as error:
        raise InputError(f"keypoints, width and height of a track are numbers: {error}") from error
    keypoints = keypoints[None] if keypoints.ndim == 2 else keypoints
    if keypoints.ndim != 3 or keypoints.shape[2] not in (2, 3) or not bool(keypoints[..., :2].isfinite().all()):
        raise InputError(f"keypoints {list(keypoints.shape)}; expected finite numbers (frames, joints, 2 or 3)")
    skeleton = skeletons.skeleton(str(entries.get("skeleton", HUMAN36M.name)))
    skeletons.require_joints(keypoints, skeleton)
    return Track(skeletons.convert(keypoints[..., :2], skeleton, HUMAN36M), width, height)


def _read(source: Any) -> dict[str, Any]:
    if not isinstance(source, str | os.PathLike):
        raise InputError(f"{type(source).__name__} is no track; give a file, a mapping or a zoo_pose.lifting.Track")
    path = to_read(source)
    try:
        if path.suffix == ".npz":
            with np.load(path) as file:
                return {name: file[name].item() if file[name].ndim == 0 else file[name] for name in file.files}
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, BadZipFile) as error:
        raise InputError(f"{path} cannot be read as a track (JSON or .npz): {error}") from error
    if not isinstance(entries, dict):
        raise InputError(f"{path} holds a {type(entries).__name__}; expected an object with keypoints, width, height")
    return entries


def preprocessor(window: int, output: Output) -> Callable[[Any], dict[str, Tensor]]:
    """From a track to ``forward``'s arguments: its windows, normalised."""

    def prepare(source: Any) -> dict[str, Tensor]:
        track = read_track(source)
        frames = len(track.keypoints)
        keypoints = skeletons.normalise(track.keypoints, track.width, track.height)
        first = torch.arange(frames) - window // 2 if output == "centre" else torch.tensor(chunk_starts(frames, window))
        return {"keypoints": keypoints[(first[:, None] + torch.arange(window)).clamp(0, frames - 1)]}

    return prepare


def answer(model: nn.Module, source: Any, window: int, output: Output) -> dict[str, Any]:
    """What ``zoo predict`` gives: all poses as JSON, some of them drawn, and the span of the person in metres."""
    track = read_track(source)
    joints = lift(model, track, window, output)
    poses = {
        "skeleton": HUMAN36M.name,
        "unit": "metres",
        "joints": [[list(j) for j in pose] for pose in joints.tolist()],
    }
    shown = torch.linspace(0, len(joints) - 1, min(4, len(joints))).round().long()
    span = joints.flatten(0, 1).amax(0) - joints.flatten(0, 1).amin(0)
    return {
        "frames": len(joints),
        "span_in_metres": {axis: round(value, 3) for axis, value in zip("xyz", span.tolist(), strict=True)},
        "poses": (".json", json.dumps(poses).encode()),
        "picture": drawing.lifted(track.keypoints[shown], joints[shown], HUMAN36M),
    }
