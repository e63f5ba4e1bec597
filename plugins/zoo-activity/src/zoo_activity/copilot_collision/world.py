"""A plane with boxes, and a body with cameras that walks through it; all of it from a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo_activity.copilot_collision.config import WorldConfig

Array = np.ndarray[Any, np.dtype[Any]]
# Half the side of the plane, radius of the body and of a joint, height of the cameras and of boxes, in metres.
HALF, BODY, JOINT, EYE, TALL = 4.0, 0.4, 0.1, 1.0, 2.0
STEPS = 20


@dataclass
class Scene:
    """A body among boxes.

    Args:
        boxes: (boxes, 4): x1, y1, x2, y2 in metres.
        shades: (boxes, 3), colours.
        place, velocity: (2,), metres, metres per second.
    """

    boxes: Array
    shades: Array
    place: Array
    velocity: Array

    @property
    def heading(self) -> float:
        """Direction of the body, in radians."""
        return math.atan2(self.velocity[1], self.velocity[0])


def joint_offsets(config: WorldConfig, heading: float) -> Array:
    """(J, 2): joints evenly on a circle about the body, the first in front."""
    angles = heading + 2 * math.pi * np.arange(config.num_joints) / config.num_joints
    return BODY * np.stack((np.cos(angles), np.sin(angles)), -1)


def hits(boxes: Array, points: Array) -> Array:
    """(..., boxes): whether points (..., 2) are within a joint's radius of each box."""
    away = np.maximum(np.maximum(boxes[:, :2] - points[..., None, :], points[..., None, :] - boxes[:, 2:]), 0)
    return np.asarray(np.linalg.norm(away, axis=-1) <= JOINT)


def collisions(config: WorldConfig, scene: Scene) -> tuple[Array, Array]:
    """Which joints (J,) hit anything within ``seconds`` at constant velocity, and which boxes (boxes,) are hit."""
    times = np.linspace(0, config.seconds, STEPS + 1)
    places = scene.place + times[:, None, None] * scene.velocity + joint_offsets(config, scene.heading)
    found = hits(scene.boxes, places)
    return np.asarray(found.any((0, 2))), np.asarray(found.any((0, 1)))


def random_scene(config: WorldConfig, random: np.random.Generator) -> Scene:
    """Boxes that the body does not touch yet."""
    place = random.uniform(-HALF / 2, HALF / 2, 2)
    angle, speed = random.uniform(-math.pi, math.pi), random.uniform(0.5, 1.5)
    velocity = speed * np.array((math.cos(angle), math.sin(angle)))
    boxes: list[Array] = []
    while len(boxes) < config.num_boxes:
        middle, half = random.uniform(-HALF, HALF, 2), random.uniform(0.2, 0.5, 2)
        box = np.concatenate((middle - half, middle + half))
        away = np.maximum(np.maximum(box[:2] - place, place - box[2:]), 0)
        if np.linalg.norm(away) > BODY + JOINT + 0.1:
            boxes.append(box)
    return Scene(np.array(boxes).reshape(-1, 4), random.uniform(0.2, 1.0, (config.num_boxes, 3)), place, velocity)


def render(config: WorldConfig, scene: Scene, place: Array) -> tuple[Array, Array]:
    """Pinhole cameras of 90 degrees at a place: pictures (V, 3, S, S) in 0..1, and the box at each pixel (V, S, S).

    A column sees the first box on its ray, as a rectangle from the floor up to the box's top; -1 where there is none.
    Distance darkens.
    """
    size = config.image_size
    across = (np.arange(size) + 0.5) / size * 2 - 1
    views = scene.heading + 2 * math.pi * np.arange(config.num_views) / config.num_views
    # Left of a picture is left of the camera; rays have a depth of 1.
    rays = np.stack(
        (
            np.cos(views)[:, None] + across * np.sin(views)[:, None],
            np.sin(views)[:, None] - across * np.cos(views)[:, None],
        ),
        -1,
    )
    pictures = np.zeros((config.num_views, 3, size, size))
    owner = np.full((config.num_views, size, size), -1)
    pictures[:, :, size // 2 :] = 0.1
    if not len(scene.boxes):
        return pictures, owner
    safe = np.where(np.abs(rays) < 1e-9, 1e-9, rays)[:, :, None]
    near, far = (scene.boxes[:, :2] - place) / safe, (scene.boxes[:, 2:] - place) / safe
    enter, leave = np.minimum(near, far).max(-1), np.maximum(near, far).min(-1)
    depth = np.where((enter <= leave) & (leave > 0), np.maximum(enter, 0.05), np.inf)
    first = depth.argmin(-1)
    least = np.take_along_axis(depth, first[..., None], -1)[..., 0]
    # Rows from the top: the tangent of the angle above the horizon, from 1 to -1.
    up = 1 - (np.arange(size) + 0.5) / size * 2
    seen = np.isfinite(least)[:, None] & (up[:, None] <= (TALL - EYE) / least[:, None])
    seen &= up[:, None] >= -EYE / least[:, None]
    owner = np.where(seen, first[:, None], -1)
    shade = scene.shades[first] / (1 + 0.3 * np.where(np.isfinite(least), least, 0))[..., None]
    pictures = np.where(seen[:, None], shade.transpose(0, 2, 1)[:, :, None], pictures)
    return pictures, owner


def blurred(region: Tensor, sigma: float = 1.0) -> Tensor:
    """(V, S, S), blurred by a Gaussian of ``sigma`` pixels and normalised to a sum of 1; zeros stay."""
    reach = math.ceil(3 * sigma)
    kernel = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * sigma**2))
    soft = torch.nn.functional.conv2d(region[:, None], kernel.view(1, 1, 1, -1), padding=(0, reach))
    soft = torch.nn.functional.conv2d(soft, kernel.view(1, 1, -1, 1), padding=(reach, 0))[:, 0]
    return soft / soft.sum((-2, -1), keepdim=True).clamp(min=1e-12)


def observe(config: WorldConfig, scene: Scene) -> Tensor:
    """The last frames (V, T, 3, S, S) of a body that came here at its velocity, in -1..1."""
    frames = []
    for frame in range(config.num_frames):
        ago = (config.num_frames - 1 - frame) / config.frame_rate
        frames.append(render(config, scene, scene.place - ago * scene.velocity)[0])
    return torch.from_numpy(np.stack(frames, 1)).float() * 2 - 1


def label(config: WorldConfig, scene: Scene) -> tuple[Tensor, Tensor, Tensor]:
    """Collision (), joints (J,) and regions (V, S, S): the visible pixels of boxes that will be hit, blurred."""
    joints, boxes = collisions(config, scene)
    owner = render(config, scene, scene.place)[1]
    region = np.concatenate((boxes, [False]))[owner]
    return (
        torch.tensor(float(joints.any())),
        torch.from_numpy(joints).float(),
        blurred(torch.from_numpy(region).float()),
    )
