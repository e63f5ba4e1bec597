"""Rendered people in front of real photographs, with where their joints truly are: what small pose networks learn from.

A ``Take`` is a person of random build and clothes (``bodies``) in some frames of a captured motion (``motions``), seen
by a camera that stands still, drawn by ``rasteriser`` on nothing. ``scenes`` puts takes on photographs. Motions of the
two splits differ. The people are rendered, not real: figures on them say what a network of this size learns, and are no
figures of COCO or PoseTrack.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zoo_pose import bodies, motions, rasteriser
from zoo_pose.bodies import Body, Build
from zoo_pose.motions import Split

SIDE = 112
FRAMES = 6
STEP = 2
"""Frames of the motions (50 a second) from one frame of a take to the next: 40 ms."""

_TALL = 96
_MARGIN = 2
_FINER = 2
_GARMENTS = ("skin", "hair", "top", "trousers", "shoes", "eyes")


@dataclass(frozen=True)
class Take:
    """A person in frames of one motion, on nothing.

    Args:
        pixels: (frames, 4, side, side) uint8: red, green, blue, not multiplied by the last, opacity.
        keypoints: (frames, ``bodies.JOINTS``, 2) in pixels of these.
        boxes: (frames, 4) x1, y1, x2, y2 around what is seen of the person.
        areas: (frames,) of what is seen, square pixels.
        motion: name of the clip.
    """

    pixels: Tensor
    keypoints: Tensor
    boxes: Tensor
    areas: Tensor
    motion: str


def _random(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


@functools.cache
def _garments(body: Body) -> dict[str, Tensor]:
    """Which vertices are skin, hair, ... in the longest clothes: boolean (vertices,) each."""
    names = [bone.partition(".")[0] for bone in body.bone]

    def on(*starts: str) -> Tensor:
        return torch.tensor([name.startswith(starts) for name in names])

    eyes = on("eye")
    middle = body.rest[eyes].mean(0)
    head = on("head")
    # Above the forehead, and what lies behind the ears' line down to the neck.
    forward = middle[1] - body.rest[:, 1]
    hair = head & ((body.rest[:, 2] > middle[2] + 0.055) | ((forward < -0.075) & (body.rest[:, 2] > middle[2] - 0.07)))
    return {
        "eyes": eyes,
        "hair": hair,
        "top": on("spine", "clavicle", "shoulder", "upperarm", "lowerarm"),
        "trousers": on("root", "pelvis", "upperleg", "lowerleg"),
        "shoes": on("foot", "toe"),
    }


def _colours(body: Body, generator: torch.Generator) -> Tensor:
    """(vertices, 3) in [0, 1]: skin, hair and clothes of random colours and lengths, a pattern on the top."""
    vertices = len(body.rest)
    tone = torch.lerp(torch.tensor((0.96, 0.80, 0.69)), torch.tensor((0.36, 0.22, 0.15)), _random(generator, 0, 1))
    dye = torch.lerp(torch.tensor((0.05, 0.04, 0.03)), torch.tensor((0.75, 0.6, 0.35)), _random(generator, 0, 1) ** 2)
    top, other, trousers, shoes = torch.rand(4, 3, generator=generator)
    found = tone.expand(vertices, 3).clone()
    garments = _garments(body)
    bones = [bone.partition(".")[0] for bone in body.bone]
    sleeves, legs = torch.rand(2, generator=generator)
    bare = (("lowerarm",) if sleeves < 0.5 else ()) + (("lowerleg",) if legs < 0.3 else ())
    clothed = ~torch.tensor([bone.startswith(bare) if bare else False for bone in bones])
    # Stripes along the body or across, or none.
    axis = int(torch.randint(2, (), generator=generator)) * 2
    wave = (body.rest[:, axis] * _random(generator, 40, 160)).sin()[:, None] > 0.2
    pattern = torch.where(wave, other, top) if _random(generator, 0, 1) < 0.4 else top.expand(vertices, 3)
    for name, colour in (("top", pattern), ("trousers", trousers), ("shoes", shoes), ("hair", dye)):
        worn = garments[name] & clothed
        found[worn] = colour[worn] if colour.ndim == 2 else colour
    found[garments["eyes"]] = torch.tensor((0.08, 0.06, 0.05))
    return (found + 0.04 * torch.randn(vertices, 1, generator=generator)).clamp(0, 1)


def _build(generator: torch.Generator) -> Build:
    age, *rest = torch.rand(6, generator=generator).tolist()
    # From youth to old age.
    return Build(rest[0], 0.6 + 0.4 * age, *(0.2 + 0.6 * value for value in rest[1:]))


def drawn(
    body: Body,
    seen: Tensor,
    colours: Tensor,
    light: Tensor,
    ambient: float,
    place: Callable[[Tensor], Tensor],
    side: int,
) -> Tensor:
    """A picture of a mesh, (4, side, side) in [0, 1]: colour and opacity.

    Args:
        body: whose faces they are.
        seen: (vertices, 3) in the camera's coordinates.
        colours: (vertices, 3).
        light: (3,), direction to the light, in the camera's axes.
        ambient: share of the light that comes from everywhere.
        place: from the camera's pixels to those of this picture.
        side: pixels.
    """
    one, two, three = seen[body.faces].unbind(1)
    normal = functional.normalize(torch.linalg.cross(two - one, three - one), dim=1)
    # The mesh is closed: a face that is turned away has another one in front of it.
    towards = (normal * one).sum(1) < 0
    faces, normal = body.faces[towards], normal[towards]
    points = place(motions.project(seen)) * _FINER
    shown = rasteriser.visible_faces(points[faces], seen[:, 2][faces], side * _FINER, side * _FINER)
    bright = ambient + (1 - ambient) * (normal @ light).clamp(min=0)
    values = torch.cat((colours[faces].mean(1) * bright[:, None], torch.ones(len(faces), 1)), 1)
    fine = torch.where((shown >= 0)[..., None], values[shown.clamp(min=0)], torch.zeros(4)).permute(2, 0, 1)
    mean = functional.avg_pool2d(fine, _FINER)
    return torch.cat((mean[:3] / mean[3:].clamp(min=1e-6), mean[3:]))


def take(
    name: str, start: int, generator: torch.Generator, *, frames: int = FRAMES, side: int = SIDE, tall: int = _TALL
) -> Take:
    """A person of random build and clothes in frames of a motion, from a random camera and under random light.

    Args:
        name: of the motion.
        start: its first frame; frames beyond its ends are its first or last one.
        generator: of everything that is random.
        frames: how many, ``STEP`` frames of the motion apart.
        side: of the pictures, pixels.
        tall: longer side of the person's box, pixels, in the frame where it is longest; less where the person moves so
            far that the frames would not fit.
    """
    body = bodies.body()
    motion = motions.rows(name)
    rows = motion[(start + STEP * torch.arange(frames)).clamp(0, len(motion) - 1)]
    moving = body.pose(rows, _build(generator))
    eye = motions.random_cameras(rows[:, 1:4].mean(0, keepdim=True), generator)
    seen, joints = eye.see(moving.vertices), motions.project(eye.see(moving.keypoints))
    outline = motions.project(seen)
    low, high = outline.amin(1), outline.amax(1)
    longest, whole = float((high - low).max()), float((high.amax(0) - low.amin(0)).max())
    scale = min(tall / longest, (side - 2 * _MARGIN) / whole)
    middle = (low.amin(0) + high.amax(0)) / 2

    def place(points: Tensor) -> Tensor:
        return (points - middle) * scale + side / 2

    colours = _colours(body, generator)
    azimuth, height = _random(generator, -1.2, 1.2), _random(generator, 0.1, 1.0)
    light = functional.normalize(torch.tensor((math.sin(azimuth), -height, -math.cos(azimuth))), dim=0)
    ambient = _random(generator, 0.35, 0.7)
    pictures = torch.stack([drawn(body, each, colours, light, ambient, place, side) for each in seen])
    solid = pictures[:, 3] > 0.5
    return Take(
        (pictures * 255).round().to(torch.uint8),
        place(joints),
        torch.cat((place(low), place(high)), 1),
        solid.sum((1, 2)).float(),
        name,
    )


def takes(split: Split, count: int, seed: int, log: Callable[[str], object] = lambda line: None) -> list[Take]:
    """``count`` takes, some tenth of a second each, of motions of a split, every frame of which is as likely."""
    generator = torch.Generator().manual_seed(seed)
    names = motions.clip_names(split)
    lengths = torch.tensor([float(len(motions.rows(name))) for name in names])
    found = []
    for index in range(count):
        chosen = int(torch.multinomial(lengths, 1, generator=generator))
        start = int(torch.rand((), generator=generator) * max(float(lengths[chosen]) - STEP * FRAMES, 1))
        found.append(take(names[chosen], start, generator))
        if index % 100 == 99:
            log(f"{index + 1} of {count} takes rendered")
    return found
