"""Captured motions of a person, and cameras that look at them: real pairs of keypoints and joints in space.

The package ``pybullet`` carries fifteen short clips (walk, run, jump, dance, cartwheel, ...) as joint rotations of a
humanoid. Forward kinematics on its skeleton gives joints in metres; cameras with the focal length of Human3.6M's, at
random places around the person, give what a perfect detector would find. Four clips are held out.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError
from zoo.targets import missing_dependency
from zoo_pose.skeletons import HUMAN36M, root_relative

Split = Literal["train", "held-out"]

CLIPS: dict[Split, tuple[str, ...]] = {
    "train": (
        *("walk", "jump", "kick", "spin", "spinkick", "crawl", "cartwheel", "backflip"),
        *("dance_a", "getup_facedown", "roll"),
    ),
    "held-out": ("run", "punch", "dance_b", "getup_faceup"),
}
RATE = 50.0
"""Frames per second of every clip, as of Human3.6M's video."""
WIDTH = HEIGHT = 1000
FOCAL = 1145.0

# The humanoid, in metres: y up, x forward, z to the right. Joint -> parent and offset from it; as in its URDF, whose
# unit is 25 centimetres.
_CHEST, _NECK, _HIP, _KNEE, _ANKLE = 0.236151, 0.223894, 0.084887, 0.421546, 0.409870
_SHOULDER, _ELBOW, _WRIST = (-0.02405, 0.2435, 0.18311), 0.274788, 0.258947
# Ours, within the sphere of radius 10 cm around (0, 0.175, 0) that is the head: the file has no further joints.
_NOSE, _HEAD = (0.08, 0.15, 0.0), (0.0, 0.26, 0.0)


def clip_names(split: Split | None = None) -> tuple[str, ...]:
    """Names of the clips of a split, or of all."""
    return CLIPS[split] if split else (*CLIPS["train"], *CLIPS["held-out"])


def _folder() -> Path:
    found = importlib.util.find_spec("pybullet_data")
    if found is None or not found.submodule_search_locations:
        raise missing_dependency("pybullet", needed_by="captured motions")
    return Path(found.submodule_search_locations[0]) / "data" / "motions"


def rotation(quaternion: Tensor) -> Tensor:
    """(..., 4) as w, x, y, z, of any length above 0, to matrices (..., 3, 3)."""
    w, x, y, z = functional.normalize(quaternion, dim=-1).unbind(-1)
    rows = (
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def _hinge(angle: Tensor) -> Tensor:
    """Rotations about z by (frames, 1) radians."""
    half = angle / 2
    return rotation(torch.cat((half.cos(), torch.zeros_like(half), torch.zeros_like(half), half.sin()), -1))


def part_turns(frames: Tensor) -> dict[str, Tensor]:
    """Rotations (frames, 3, 3) of the body's parts in the world, by the joint each hangs on, from rows of 44 numbers.

    Upright, with arms and legs straight down, all are the identity: y up, x forward, z to the right.

    Args:
        frames: (frames, 44). A row is a duration in seconds, the root's place (3) and rotation (4), then rotations
            relative to the parent: chest, neck, and for the right side and the left hip (4), knee (1 angle), ankle (4),
            shoulder (4), elbow (1 angle).
    """
    if frames.ndim != 2 or frames.shape[1] != 44:
        raise InputError(f"motion {list(frames.shape)}; expected (frames, 44)")
    root = rotation(frames[:, 4:8])
    chest = root @ rotation(frames[:, 8:12])
    found = {"root": root, "chest": chest, "neck": chest @ rotation(frames[:, 12:16])}
    for side, start in (("right", 16), ("left", 30)):
        hip = root @ rotation(frames[:, start : start + 4])
        knee = hip @ _hinge(frames[:, start + 4 : start + 5])
        shoulder = chest @ rotation(frames[:, start + 9 : start + 13])
        found |= {
            f"{side}_hip": hip,
            f"{side}_knee": knee,
            f"{side}_ankle": knee @ rotation(frames[:, start + 5 : start + 9]),
            f"{side}_shoulder": shoulder,
            f"{side}_elbow": shoulder @ _hinge(frames[:, start + 13 : start + 14]),
        }
    return found


def forward_kinematics(frames: Tensor) -> Tensor:
    """Joints (frames, 17, 3) of Human3.6M in metres, y up, from rows (frames, 44) as ``part_turns`` reads them."""
    turns = part_turns(frames)
    root = frames[:, 1:4]
    found = {"pelvis": root}

    def place(start: Tensor, part: str, offset: tuple[float, float, float]) -> Tensor:
        return start + turns[part] @ frames.new_tensor(offset)

    found["spine"] = place(root, "root", (0.0, _CHEST, 0.0))
    found["thorax"] = place(found["spine"], "chest", (0.0, _NECK, 0.0))
    found["nose"], found["head"] = (place(found["thorax"], "neck", offset) for offset in (_NOSE, _HEAD))
    for side, sign in (("right", 1.0), ("left", -1.0)):
        found[f"{side}_hip"] = place(root, "root", (0.0, 0.0, sign * _HIP))
        found[f"{side}_knee"] = place(found[f"{side}_hip"], f"{side}_hip", (0.0, -_KNEE, 0.0))
        found[f"{side}_ankle"] = place(found[f"{side}_knee"], f"{side}_knee", (0.0, -_ANKLE, 0.0))
        x, y, z = _SHOULDER
        found[f"{side}_shoulder"] = place(found["spine"], "chest", (x, y, sign * z))
        found[f"{side}_elbow"] = place(found[f"{side}_shoulder"], f"{side}_shoulder", (0.0, -_ELBOW, 0.0))
        found[f"{side}_wrist"] = place(found[f"{side}_elbow"], f"{side}_elbow", (0.0, -_WRIST, 0.0))
    return torch.stack([found[joint] for joint in HUMAN36M.joints], 1)


@functools.cache
def rows(name: str) -> Tensor:
    """A clip as rows (frames, 44), see ``part_turns``, at ``RATE`` frames per second."""
    if name not in clip_names():
        raise InputError(f"there is no clip {name!r}; there are {', '.join(clip_names())}")
    return _resampled(torch.tensor(json.loads((_folder() / f"humanoid3d_{name}.txt").read_text())["Frames"]))


@functools.cache
def clip(name: str) -> Tensor:
    """A clip as joints (frames, 17, 3) in metres, y up, at ``RATE`` frames per second."""
    return forward_kinematics(rows(name))


# Where the quaternions of a row begin.
_TURNS = (4, 8, 12, 16, 21, 25, 30, 35, 39)


def _resampled(frames: Tensor) -> Tensor:
    """Rows of a motion at ``RATE`` frames per second: in between, places, angles and quaternions go straight."""
    frames = frames.double()
    for start in _TURNS:
        turn = frames[:, start : start + 4]
        # A quaternion and its negative are one rotation: neighbours take the nearer way.
        sign = torch.where((turn[1:] * turn[:-1]).sum(1, keepdim=True) < 0, -1.0, 1.0)
        frames[1:, start : start + 4] *= sign.cumprod(0)
    seconds = frames[:-1, 0].cumsum(0)
    times = torch.cat((seconds.new_zeros(1), seconds))
    wanted = torch.arange(int(times[-1] * RATE) + 1, dtype=torch.float64) / RATE
    after = torch.searchsorted(times, wanted, right=True).clamp(max=len(times) - 1)
    share = (wanted - times[after - 1]) / (times[after] - times[after - 1])
    return torch.lerp(frames[after - 1], frames[after], share[:, None]).float()


@dataclass(frozen=True)
class Camera:
    """Pinhole cameras, one or a batch: x to the right, y down, z away from them. All have ``FOCAL`` and one size.

    Args:
        axes: (..., 3, 3), rows are a camera's axes in the world.
        place: (..., 3) in the world, metres.
    """

    axes: Tensor
    place: Tensor

    def see(self, joints: Tensor) -> Tensor:
        """World (..., points, 3) to the camera's coordinates, metres."""
        return (joints - self.place[..., None, :]) @ self.axes.mT


def project(seen: Tensor) -> Tensor:
    """The camera's coordinates (..., 3) to pixels (..., 2): f x / z and f y / z from the picture's middle."""
    return FOCAL * seen[..., :2] / seen[..., 2:] + seen.new_tensor((WIDTH / 2, HEIGHT / 2))


def cameras(target: Tensor, azimuth: Tensor, elevation: Tensor, distance: Tensor) -> Camera:
    """Level cameras that look at targets (..., 3) from azimuths and elevations (...) in radians, (...) metres away."""
    direction = torch.stack((elevation.cos() * azimuth.cos(), elevation.sin(), elevation.cos() * azimuth.sin()), -1)
    # Seen from behind the camera, with y up, forward x up points to the right.
    right = functional.normalize(
        torch.linalg.cross(-direction, torch.tensor((0.0, 1.0, 0.0)).expand_as(direction)), dim=-1
    )
    down = torch.linalg.cross(-direction, right)
    return Camera(torch.stack((right, down, -direction), -2), target + distance[..., None] * direction)


def random_cameras(targets: Tensor, generator: torch.Generator) -> Camera:
    """One for each target (count, 3).

    Any azimuth, 5 degrees below to 25 above the horizon, 3.5 to 5.5 m away, aimed up to 20 cm beside the target.
    """
    drawn = torch.rand(len(targets), 6, generator=generator)
    azimuth, elevation, distance = 2 * math.pi * drawn[:, 0], (30 * drawn[:, 1] - 5).deg2rad(), 3.5 + 2 * drawn[:, 2]
    return cameras(targets + (drawn[:, 3:] - 0.5) * 0.4, azimuth, elevation, distance)


def sequences(split: Split, views: int = 4, seed: int = 7) -> Iterator[tuple[Tensor, Tensor]]:
    """Whole clips, each seen by some cameras: pixels (frames, 17, 2), and root-relative joints (frames, 17, 3)."""
    generator = torch.Generator().manual_seed(seed)
    for name in clip_names(split):
        joints = clip(name)
        eyes = random_cameras(joints[:, 0].mean(0).expand(views, 3), generator)
        for seen in eyes.see(joints.flatten(0, 1).expand(views, -1, -1)).unflatten(1, joints.shape[:2]):
            yield project(seen), root_relative(seen)


def windows(split: Split, length: int, count: int, batch_size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Random windows: pixels (batch, length, 17, 2), and root-relative joints (batch, length, 17, 3) in metres.

    Every window has a camera of its own. A clip that is shorter than the window is continued by its last frame.
    """
    generator = torch.Generator().manual_seed(seed)
    clips = [clip(name) for name in clip_names(split)]
    sizes = torch.tensor([len(each) for each in clips])
    first, frames = sizes.cumsum(0) - sizes, torch.cat(clips)
    for _ in range(count):
        chosen = torch.multinomial(sizes.float(), batch_size, replacement=True, generator=generator)
        start = (torch.rand(batch_size, generator=generator) * ((sizes[chosen] - length).clamp(min=0) + 1)).long()
        place = torch.minimum(start[:, None] + torch.arange(length), sizes[chosen, None] - 1)
        joints = frames[first[chosen, None] + place]
        eyes = random_cameras(joints[:, :, 0].mean(1), generator)
        seen = eyes.see(joints.flatten(1, 2)).unflatten(1, (length, -1))
        yield project(seen), root_relative(seen)
