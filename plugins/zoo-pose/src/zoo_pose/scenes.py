"""Takes (``rendered``) on photographs (``photographs``): crops of one person, clips, and pictures of several people.

Every person is placed by an affine map; what it does to the pixels it does to the keypoints. A mirrored person's left
and right joints change places. Also here: how a network is scored on them, beside the mean pose in the true box.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from zoo.targets import require
from zoo_pose import crops, metrics, photographs, rendered
from zoo_pose.bodies import JOINTS
from zoo_pose.motions import Split
from zoo_pose.rendered import Take
from zoo_pose.skeletons import COCO, Skeleton

# ``JOINTS`` in a mirror: COCO's exchange, neck and top of the head stay.
_MIRROR = (*COCO.mirror, len(COCO), len(COCO) + 1)
EXAM_TAKES = 100
_EXAM_FRAMES = (1, 4)


@dataclass(frozen=True)
class Scenes:
    """Pictures and the people in them.

    Args:
        images: (batch, 3, height, width) in [0, 1]; of clips (batch, frames, 3, height, width).
        keypoints: (batch, people, joints, 2) in pixels; of clips in the middle frame.
        inside: boolean (batch, people, joints): within the picture.
        boxes: (batch, people, 4) x1, y1, x2, y2 in pixels, of an unturned person exact.
        areas: (batch, people) in square pixels, of the whole person, also where others stand in front.
        present: boolean (batch, people).
    """

    images: Tensor
    keypoints: Tensor
    inside: Tensor
    boxes: Tensor
    areas: Tensor
    present: Tensor


def indices(skeleton: Skeleton) -> list[int]:
    """Where the joints of a skeleton stand in ``bodies.JOINTS``."""
    return [JOINTS.index(joint) for joint in skeleton.joints]


def composed(backgrounds: Tensor, people: Tensor, matrix: Tensor) -> Tensor:
    """Pictures with people in front of them, the last ones nearest.

    Args:
        backgrounds: (batch, 3, height, width) in [0, 1].
        people: (batch, people, 4, side, side) in [0, 1]: colour and opacity.
        matrix: (batch, people, 2, 3): picture's pixel = matrix @ (person's pixel, 1).
    """
    height, width = backgrounds.shape[-2:]
    x, y = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    turn = torch.linalg.inv(matrix[..., :2])
    offset = grid - matrix[..., None, None, :, 2]
    places = (turn[:, :, None, None] @ offset[..., None])[..., 0] * (2 / people.shape[-1]) - 1
    # Colours are weighed by opacity before they are averaged, so that no dark seam is drawn around people.
    solid = people[:, :, 3:]
    laid = torch.cat((people[:, :, :3] * solid, solid), 2).flatten(0, 1)
    seen = functional.grid_sample(laid, places.flatten(0, 1), align_corners=False).unflatten(0, people.shape[:2])
    found = backgrounds
    for person in seen.unbind(1):
        found = found * (1 - person[:, 3:]) + person[:, :3]
    return found


def _between(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _placed(points: Tensor, matrix: Tensor, mirrored: Tensor) -> Tensor:
    """(..., joints, 2) of people through (..., 2, 3), joints of mirrored ones exchanged."""
    moved = points @ matrix[..., :2].mT + matrix[..., None, :, 2]
    return torch.where(mirrored[..., None, None], moved[..., list(_MIRROR), :], moved)


def _affine(centre: Tensor, scale: Tensor, angle: Tensor, mirrored: Tensor, to: Tensor) -> Tensor:
    """(..., 2, 3): scaled, turned and mirrored about ``centre``, which comes to lie at ``to``."""
    c, s = angle.cos() * scale, angle.sin() * scale
    sign = torch.where(mirrored, -1.0, 1.0)
    turn = torch.stack((torch.stack((c * sign, -s), -1), torch.stack((s * sign, c), -1)), -2)
    return torch.cat((turn, (to - (turn @ centre[..., None])[..., 0])[..., None]), -1)


def _lit(images: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures with random brightness, contrast, tint and noise, each image alike in all of its frames."""
    shape = (len(images), *[1] * (images.ndim - 4), 1, 1, 1)
    tint = (*shape[:-3], 3, 1, 1)
    contrast, bright = _between(shape, 0.7, 1.3, generator), _between(tint, -0.12, 0.12, generator)
    noise = 0.03 * torch.randn(images.shape, generator=generator)
    return ((images - 0.5) * contrast + 0.5 + bright + noise).clamp(0, 1)


def single(
    chosen: Sequence[tuple[Take, int]],
    split: Split,
    height: int,
    width: int,
    generator: torch.Generator,
    *,
    frames: int = 1,
    varied: bool = True,
    padding: float = 1.25,
) -> Scenes:
    """Crops of one person each, as top-down networks are fed: around the box of the frame in question.

    Args:
        chosen: takes, and the frame in question of each.
        split: of the photographs behind them.
        height, width: of the crops, pixels.
        generator: of what is random.
        frames: of a clip around the frame in question; the background stands still. 1 gives single pictures.
        varied: crops turned by up to 30 degrees, 0.8 to 1.25 times as large, off by up to 6% of a side and mirrored,
            under varied light; else exactly as in tests, where the background alone is random.
        padding: of the box, as ``crops.crops_of`` has it.
    """
    count = len(chosen)
    boxes = torch.stack([one.boxes[frame] for one, frame in chosen])
    size = boxes[:, 2:] - boxes[:, :2]
    scale = torch.minimum(height / size[:, 1], width / size[:, 0]) / padding
    centre, to = (boxes[:, 2:] + boxes[:, :2]) / 2, torch.tensor((width / 2, height / 2)).expand(count, 2)
    angle, mirrored = torch.zeros(count), torch.zeros(count, dtype=torch.bool)
    if varied:
        scale = scale * torch.exp(_between((count,), math.log(0.8), math.log(1.25), generator))
        angle = _between((count,), -math.pi / 6, math.pi / 6, generator)
        to = to + _between((count, 2), -0.06, 0.06, generator) * torch.tensor((width, height))
        mirrored = torch.rand(count, generator=generator) < 0.5
    matrix = _affine(centre, scale, angle, mirrored, to)
    joints = torch.stack([one.keypoints[frame] for one, frame in chosen])
    keypoints = _placed(joints, matrix, mirrored)[:, None]
    behind = photographs.backgrounds(split, count, height, width, generator)
    people = torch.stack(
        [
            one.pixels[(frame + torch.arange(frames) - frames // 2).clamp(0, len(one.pixels) - 1)]
            for one, frame in chosen
        ]
    )
    images = composed(
        behind[:, None].expand(-1, frames, -1, -1, -1).flatten(0, 1),
        people.flatten(0, 1)[:, None].float() / 255,
        matrix[:, None].expand(-1, frames, -1, -1).flatten(0, 1)[:, None],
    ).unflatten(0, (count, frames))
    images = _lit(images, generator) if varied else images
    limit = torch.tensor((width, height))
    half = size * scale[:, None] / 2
    return Scenes(
        images if frames > 1 else images[:, 0],
        keypoints,
        ((keypoints >= 0) & (keypoints <= limit)).all(-1),
        torch.cat((to - half, to + half), 1)[:, None],
        (torch.stack([one.areas[frame] for one, frame in chosen]) * scale.square())[:, None],
        torch.ones(count, 1, dtype=torch.bool),
    )


def groups(
    known: Sequence[Take],
    count: int,
    split: Split,
    height: int,
    width: int,
    generator: torch.Generator,
    *,
    most: int = 3,
    varied: bool = True,
) -> Scenes:
    """Pictures of one to ``most`` people, later ones in front; each from 40 to 85% as high or wide as the picture."""
    take = torch.randint(len(known), (count, most), generator=generator)
    frame = torch.randint(rendered.FRAMES, (count, most), generator=generator)
    present = torch.arange(most) < torch.randint(1, most + 1, (count, 1), generator=generator)

    def gathered(name: str) -> Tensor:
        return torch.stack(
            [
                torch.stack([getattr(known[t], name)[f] for t, f in zip(ts, fs, strict=True)])
                for ts, fs in zip(take.tolist(), frame.tolist(), strict=True)
            ]
        )

    boxes, limit = gathered("boxes"), torch.tensor((float(width), float(height)))
    size = boxes[..., 2:] - boxes[..., :2]
    share = _between((count, most), 0.4, 0.85, generator)
    scale = share * (limit / size).amin(-1)
    # Wholly in the picture.
    half = size * scale[..., None] / 2
    to = half + torch.rand(count, most, 2, generator=generator) * (limit - 2 * half)
    mirrored = torch.rand(count, most, generator=generator) < 0.5
    matrix = _affine((boxes[..., 2:] + boxes[..., :2]) / 2, scale, torch.zeros(count, most), mirrored, to)
    people = gathered("pixels").float() / 255
    people[:, :, 3] *= present[..., None, None]
    images = composed(photographs.backgrounds(split, count, height, width, generator), people, matrix)
    keypoints = _placed(gathered("keypoints"), matrix, mirrored)
    return Scenes(
        _lit(images, generator) if varied else images,
        keypoints,
        ((keypoints >= 0) & (keypoints <= limit)).all(-1) & present[..., None],
        torch.cat((to - half, to + half), -1),
        gathered("areas") * scale.square(),
        present,
    )


def staged(
    people: Sequence[tuple[str, int]], photograph: str, height: int, width: int, seed: int, frames: int = 1
) -> Scenes:
    """One picture to look at: people side by side, each as high or wide as fits its share of the width.

    Args:
        people: the motion of each, and the frame of it that is the picture's.
        photograph: one of ``photographs.NAMES``, cut to the shape of the picture.
        height, width: pixels.
        seed: of builds, clothes, light and cameras.
        frames: of a clip whose middle one is the picture; frames are ``rendered.STEP`` of the motion's apart.
    """
    generator = torch.Generator().manual_seed(seed)
    whole = crops.pixels(photographs.photograph(photograph, 2 * max(height, width)))
    factor = min(whole.shape[1] / height, whole.shape[2] / width)
    tall, wide = int(height * factor), int(width * factor)
    top, left = (whole.shape[1] - tall) // 2, (whole.shape[2] - wide) // 2
    window = whole[None, :, top : top + tall, left : left + wide]
    behind = functional.interpolate(window, (height, width), mode="bilinear", antialias=True)
    share = width // len(people)
    side = min(height, share)
    shown = [
        rendered.take(
            name, start - rendered.STEP * (frames // 2), generator, frames=frames, side=side, tall=round(0.86 * side)
        )
        for name, start in people
    ]
    corner = torch.tensor([[index * share + (share - side) / 2, height - side] for index in range(len(people))])
    matrix = torch.cat((torch.eye(2).expand(len(people), 2, 2), corner[..., None]), -1)
    drawn = torch.stack([one.pixels for one in shown], 1).float() / 255
    images = composed(behind.expand(frames, -1, -1, -1), drawn, matrix.expand(frames, -1, -1, -1))
    middle = frames // 2
    keypoints = torch.stack([one.keypoints[middle] for one in shown]) + corner[:, None]
    limit = torch.tensor((width, height))
    return Scenes(
        images[None] if frames > 1 else images,
        keypoints[None],
        ((keypoints >= 0) & (keypoints <= limit)).all(-1)[None],
        (torch.stack([one.boxes[middle] for one in shown]) + corner.repeat(1, 2))[None],
        torch.stack([one.areas[middle] for one in shown])[None],
        torch.ones(1, len(people), dtype=torch.bool),
    )


def picture_of(image: Tensor) -> Image.Image:
    """(3, height, width) in [0, 1] as an RGB picture."""
    return Image.fromarray((image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy())


@functools.cache
def exam_takes() -> tuple[Take, ...]:
    """The takes of every test: of held-out motions, always the same."""
    return tuple(rendered.takes("held-out", EXAM_TAKES, seed=11))


def exam_single(height: int, width: int, frames: int = 1) -> Scenes:
    """Two frames of every test take, each in its exact crop on a held-out photograph."""
    chosen = [(one, frame) for one in exam_takes() for frame in _EXAM_FRAMES]
    generator = torch.Generator().manual_seed(12)
    return single(chosen, "held-out", height, width, generator, frames=frames, varied=False)


def exam_groups(count: int, height: int, width: int) -> Scenes:
    """Pictures of test takes on held-out photographs."""
    generator = torch.Generator().manual_seed(13)
    return groups(exam_takes(), count, "held-out", height, width, generator, varied=False)


def picked(known: Sequence[Take], count: int, generator: torch.Generator) -> list[tuple[Take, int]]:
    """Random frames of random takes."""
    take = torch.randint(len(known), (count,), generator=generator).tolist()
    frame = torch.randint(rendered.FRAMES, (count,), generator=generator).tolist()
    return [(known[t], f) for t, f in zip(take, frame, strict=True)]


def mean_pose(known: Sequence[Take], skeleton: Skeleton) -> Tensor:
    """(joints, 2): where the joints lie on average in the true box, 0 to 1, with each pose's mirror image."""
    points = torch.cat([one.keypoints for one in known])
    boxes = torch.cat([one.boxes for one in known])
    parts = (points - boxes[:, None, :2]) / (boxes[:, None, 2:] - boxes[:, None, :2])
    mirrored = torch.cat((1 - parts[..., :1], parts[..., 1:]), -1)[:, list(_MIRROR)]
    return torch.cat((parts, mirrored)).mean(0)[indices(skeleton)]


def in_boxes(pose: Tensor, boxes: Tensor) -> Tensor:
    """A pose (joints, 2) in parts of a box, in boxes (..., 4): (..., joints, 2)."""
    return boxes[..., None, :2] + pose * (boxes[..., None, 2:] - boxes[..., None, :2])


def scores(
    scenes: Scenes, skeleton: Skeleton, keypoints: Sequence[Tensor], confidence: Sequence[Tensor]
) -> dict[str, float]:
    """COCO's AP, AP50 and AR in percent of predictions on scenes.

    Args:
        scenes: with the truth.
        skeleton: whose joints were predicted.
        keypoints: of every picture, (people, joints, 2) in pixels.
        confidence: of every picture, (people,).
    """
    chosen = indices(skeleton)
    truth, found = [], []
    for index, present in enumerate(scenes.present):
        here = scenes.keypoints[index, present][:, chosen]
        boxes = scenes.boxes[index, present]
        boxes = torch.cat((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), 1)
        visible, none = scenes.inside[index, present][:, chosen], torch.zeros(len(here), dtype=torch.bool)
        truth.append(metrics.People(here, visible, torch.ones(len(here)), scenes.areas[index, present], boxes, none))
        points, score = keypoints[index], confidence[index]
        seen = torch.ones(points.shape[:2], dtype=torch.bool)
        zero = torch.zeros(len(points))
        found.append(metrics.People(points, seen, score, zero, torch.zeros(len(points), 4), zero.bool()))
    answer = metrics.coco_keypoints(found, truth, skeleton.sigmas)
    return {name: 100 * answer[name] for name in ("AP", "AP50", "AR")}


def within(scenes: Scenes, skeleton: Skeleton, keypoints: Tensor, share: float = 0.1) -> float:
    """PCK of one person per picture: percent of joints off by at most ``share`` of the longer side of the true box.

    Args:
        scenes: with one person each.
        skeleton: whose joints were predicted.
        keypoints: (batch, joints, 2) in pixels.
        share: of the box.
    """
    sides = (scenes.boxes[:, 0, 2:] - scenes.boxes[:, 0, :2]).amax(1)
    errors = metrics.joint_errors(keypoints, scenes.keypoints[:, 0, indices(skeleton)]) / sides[:, None]
    inside = scenes.inside[:, 0, indices(skeleton)]
    return 100 * float((errors <= share)[inside].double().mean())


def found_within(scenes: Scenes, skeleton: Skeleton, keypoints: Sequence[Tensor], share: float = 0.1) -> float:
    """PCK of everybody in pictures: as ``within``, where each person takes one of the poses found there, or none.

    Nobody's pose is another's too: of all such choices that of the least sum of mean distances counts, of which none is
    more than the person's box is long. All joints of a person for whom there is no pose are missed.

    Args:
        scenes: with the truth.
        skeleton: whose joints were predicted.
        keypoints: of every picture, (poses, joints, 2) in pixels.
        share: of the longer side of a person's true box.
    """
    optimise = require("scipy.optimize", needed_by="matching of people")
    chosen = indices(skeleton)
    hits, count = 0, 0
    for index, poses in enumerate(keypoints):
        present = scenes.present[index]
        truth, seen = scenes.keypoints[index, present][:, chosen], scenes.inside[index, present][:, chosen]
        boxes = scenes.boxes[index, present]
        sides = (boxes[:, 2:] - boxes[:, :2]).amax(1)
        errors = (poses[:, None] - truth).norm(dim=-1) / sides[:, None]
        rows, columns = optimise.linear_sum_assignment(errors.mean(-1).clamp(max=1).numpy())
        hits += int((errors[rows, columns] <= share)[seen[columns]].sum())
        count += int(seen.sum())
    return 100 * hits / max(count, 1)


def standardised(scenes: Scenes) -> Tensor:
    """Images as networks are fed: with ImageNet's mean and deviation."""
    return crops.standardised(scenes.images)
