"""Skeletons: joint orders, parents, limbs, left-right pairs and normalisations, as facts; and what follows from them.

Right and left are the person's. A skeleton that is a tree says each joint's parent; the others say their limbs alone.
Keypoints are tensors (..., joints, 2 or more) whose first coordinate is x, to the right; y points down in images.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from zoo.errors import InputError

Normalisation = Literal["width", "box"]


@dataclass(frozen=True)
class Skeleton:
    """The joints of a data set.

    Args:
        name: what ``skeleton`` finds it by.
        joints: names, in the data set's order.
        parents: index of each joint's parent, -1 for the root; empty where the joints are no tree.
        edges: limbs where there are no parents, as pairs of indices.
        sigmas: spread of each joint's annotation, of COCO's similarity of keypoints; empty where there is none.
        normalisation: how networks are fed: "width", by the width of the whole image, or "box", by a person's crop.
        image_size: width and height of the data set's pictures in pixels, where they all have one.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...] = ()
    edges: tuple[tuple[int, int], ...] = ()
    sigmas: tuple[float, ...] = ()
    normalisation: Normalisation = "box"
    image_size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def limbs(self) -> tuple[tuple[int, int], ...]:
        """Pairs of joints that are drawn connected; of a tree (parent, child) in the order of the children."""
        return self.edges or tuple((parent, joint) for joint, parent in enumerate(self.parents) if parent >= 0)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """(left, right) joints that a mirror exchanges."""
        named = {joint: index for index, joint in enumerate(self.joints)}
        return tuple(
            (index, named[joint.replace("left_", "right_", 1)])
            for joint, index in named.items()
            if joint.startswith("left_")
        )

    @property
    def mirror(self) -> tuple[int, ...]:
        """For each joint the one that takes its place in a mirror."""
        order = list(range(len(self)))
        for left, right in self.pairs:
            order[left], order[right] = right, left
        return tuple(order)

    def index(self, joint: str) -> int:
        """Where a joint stands."""
        if joint not in self.joints:
            raise InputError(f"the skeleton {self.name!r} has no joint {joint!r}; it has {', '.join(self.joints)}")
        return self.joints.index(joint)

    def distances(self) -> tuple[tuple[int, ...], ...]:
        """Number of limbs on the shortest path between two joints, -1 where there is none."""
        near: list[list[int]] = [[] for _ in self.joints]
        for one, other in self.limbs:
            near[one].append(other)
            near[other].append(one)
        rows = []
        for start in range(len(self)):
            steps = [-1] * len(self)
            steps[start] = 0
            waiting = deque([start])
            while waiting:
                joint = waiting.popleft()
                for neighbour in near[joint]:
                    if steps[neighbour] < 0:
                        steps[neighbour] = steps[joint] + 1
                        waiting.append(neighbour)
            rows.append(tuple(steps))
        return tuple(rows)


def _sides(*joints: str) -> tuple[str, ...]:
    """Each joint of the left and of the right, in turn."""
    return tuple(f"{side}_{joint}" for joint in joints for side in ("left", "right"))


def _limb(side: str, *joints: str) -> tuple[str, ...]:
    return tuple(f"{side}_{joint}" for joint in joints)


_ARM, _LEG = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")
_BODY = (
    *(.026, .025, .025, .035, .035, .079, .079, .072, .072, .062, .062, .107, .107, .087, .087, .089, .089),
)  # fmt: skip
_COCO_EDGES = (
    *((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10)),
    *((1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
)

HUMAN36M = Skeleton(
    "human3.6m",
    (
        "pelvis",
        *_limb("right", *_LEG),
        *_limb("left", *_LEG),
        "spine",
        "thorax",
        "nose",
        "head",
        *_limb("left", *_ARM),
        *_limb("right", *_ARM),
    ),
    parents=(-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
    normalisation="width",
    image_size=(1000, 1000),
)
"""The 17 joints that lifters use. Joint 9 lies between neck and nose; two of the four cameras have 1002 rows."""

MPI_INF_3DHP = Skeleton(
    "mpi-inf-3dhp",
    (
        "head_top",
        "neck",
        *_limb("right", *_ARM),
        *_limb("left", *_ARM),
        *_limb("right", *_LEG),
        *_limb("left", *_LEG),
        "pelvis",
        "spine",
        "head",
    ),
    parents=(16, 15, 1, 2, 3, 1, 5, 6, 14, 8, 9, 14, 11, 12, -1, 14, 1),
    normalisation="width",
    image_size=(2048, 2048),
)
"""The 17 joints of its test set."""

HUMANEVA = Skeleton(
    "humaneva",
    (
        "pelvis",
        "thorax",
        *_limb("left", *_ARM),
        *_limb("right", *_ARM),
        *_limb("left", *_LEG),
        *_limb("right", *_LEG),
        "head",
    ),
    parents=(-1, 0, 1, 2, 3, 1, 5, 6, 0, 8, 9, 0, 11, 12, 1),
    normalisation="width",
    image_size=(640, 480),
)

COCO = Skeleton(
    "coco",
    ("nose", *_sides("eye", "ear", *_ARM, *_LEG)),
    edges=_COCO_EDGES,
    sigmas=_BODY,
)

CROWDPOSE = Skeleton(
    "crowdpose",
    (*_sides(*_ARM, *_LEG), "head_top", "neck"),
    edges=((12, 13), (13, 0), (13, 1), (0, 2), (2, 4), (1, 3), (3, 5), (0, 6), (1, 7), (6, 7),
           (6, 8), (8, 10), (7, 9), (9, 11)),
    sigmas=(*_BODY[5:], .079, .079),
)  # fmt: skip

POSETRACK = Skeleton(
    "posetrack",
    ("nose", "head_bottom", "head_top", *_sides("ear", *_ARM, *_LEG)),
    edges=((2, 0), (0, 1), (0, 3), (0, 4), (1, 5), (1, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12),
           (11, 12), (11, 13), (13, 15), (12, 14), (14, 16)),
    sigmas=(.026, .079, .079, *_BODY[3:]),
)  # fmt: skip
"""The similarity is not this data set's metric; neck and top of the head have CrowdPose's spreads here."""


def _face() -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
    """The 68 landmarks of a face by the place they mirror to, and the lines through them, counted from 0.

    Landmarks run from the person's right to the left, as one looks at a face from left to right.
    """
    mirrored = {index: 16 - index for index in range(8)} | {index: 43 - index for index in range(17, 22)}
    mirrored |= {31: 35, 32: 34, 36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46, 48: 54, 49: 53, 50: 52}
    mirrored |= {59: 55, 58: 56, 60: 64, 61: 63, 67: 65}
    names = {}
    for right, left in mirrored.items():
        names[right], names[left] = f"right_face_{right}", f"left_face_{right}"
    lines: list[Sequence[int]] = [range(17), range(17, 22), range(22, 27), range(27, 31), range(31, 36)]
    lines += [[*range(start, stop), start] for start, stop in ((36, 42), (42, 48), (48, 60), (60, 68))]
    return tuple(names.get(index, f"face_{index}") for index in range(68)), tuple(
        pair for line in lines for pair in zip(list(line), list(line)[1:], strict=False)
    )


_FACE, _FACE_EDGES = _face()
_HAND = (
    "palm",
    *(f"{finger}_{joint}" for finger in ("thumb", "index", "middle", "ring", "little") for joint in "1234"),
)
_HAND_EDGES = tuple(
    (4 * finger + joint if joint else 0, 4 * finger + joint + 1) for finger in range(5) for joint in range(4)
)
# From COCO-WholeBody's evaluation (its myeval_wholebody.py, which is handed to xtcocotools): feet, face, hand.
_FEET_SIGMAS = (.068, .066, .066, .092, .094, .094)  # fmt: skip
_FACE_SIGMAS = (
    *(.042, .043, .044, .043, .040, .035, .031, .025, .020, .023, .029, .032, .037, .038, .043, .041, .045),
    *(.013, .012, .011, .011, .012, .012, .011, .011, .013, .015, .009, .007, .007, .007, .012, .009, .008, .016, .010),
    *(.017, .011, .009, .011, .009, .007, .013, .008, .011, .012, .010, .034, .008, .008, .009, .008, .008, .007, .010),
    *(.008, .009, .009, .009, .007, .007, .008, .011, .008, .008, .008, .010, .008),
)  # fmt: skip
_HAND_SIGMAS = (
    *(.029, .022, .035, .037, .047, .026, .025, .024, .035, .018, .024),
    *(.022, .026, .017, .021, .021, .032, .020, .019, .022, .031),
)  # fmt: skip

COCO_WHOLEBODY = Skeleton(
    "coco-wholebody",
    (
        *COCO.joints,
        *_limb("left", "big_toe", "small_toe", "heel"),
        *_limb("right", "big_toe", "small_toe", "heel"),
        *_FACE,
        *_limb("left", *_HAND),
        *_limb("right", *_HAND),
    ),
    edges=(
        *_COCO_EDGES,
        (15, 17),
        (15, 18),
        (15, 19),
        (16, 20),
        (16, 21),
        (16, 22),
        (9, 91),
        (10, 112),
        *tuple((23 + one, 23 + other) for one, other in _FACE_EDGES),
        *tuple((start + one, start + other) for start in (91, 112) for one, other in _HAND_EDGES),
    ),
    sigmas=(*_BODY, *_FEET_SIGMAS, *_FACE_SIGMAS, *_HAND_SIGMAS, *_HAND_SIGMAS),
)

SKELETONS = {
    each.name: each
    for each in (HUMAN36M, MPI_INF_3DHP, HUMANEVA, COCO, CROWDPOSE, POSETRACK, COCO_WHOLEBODY)
}  # fmt: skip


def skeleton(name: str) -> Skeleton:
    """A skeleton by its name."""
    if name not in SKELETONS:
        raise InputError(f"there is no skeleton {name!r}; there are {', '.join(SKELETONS)}")
    return SKELETONS[name]


# How a joint that a skeleton lacks follows from others: the mean of the first of these groups that can be had.
_DERIVED: dict[str, tuple[tuple[str, ...], ...]] = {
    "pelvis": (("left_hip", "right_hip"),),
    "thorax": (("neck",), ("left_shoulder", "right_shoulder")),
    "neck": (("thorax",), ("left_shoulder", "right_shoulder")),
    "head_bottom": (("neck",), ("thorax",), ("left_shoulder", "right_shoulder")),
    "spine": (("pelvis", "thorax"),),
    "nose": (("thorax", "head"), ("neck", "head_top")),
    "head": (("head_top",), ("left_eye", "right_eye"), ("left_ear", "right_ear")),
    "head_top": (("head",), ("left_eye", "right_eye")),
}


def _weights(joint: str, source: Skeleton, asked: frozenset[str] = frozenset()) -> list[float] | None:
    if joint in source.joints:
        return [float(joint == each) for each in source.joints]
    for group in _DERIVED.get(joint, ()):
        parts = [_weights(part, source, asked | {joint}) for part in group if part not in asked]
        if len(parts) == len(group) and all(part is not None for part in parts):
            columns = zip(*(part for part in parts if part is not None), strict=True)
            return [sum(column) / len(group) for column in columns]
    return None


def conversion(source: Skeleton, target: Skeleton) -> Tensor:
    """(target joints, source joints) float32: weights, each row of sum 1, that make one skeleton of another.

    Raises:
        InputError: a joint of the target neither is one of the source nor follows from some.
    """
    rows = {joint: _weights(joint, source) for joint in target.joints}
    missing = [joint for joint, row in rows.items() if row is None]
    if missing:
        raise InputError(f"{target.name} cannot be had from {source.name}: it lacks {', '.join(missing)}")
    return torch.tensor([row for row in rows.values() if row is not None])


def convert(keypoints: Tensor, source: Skeleton, target: Skeleton) -> Tensor:
    """(..., source joints, d) to (..., target joints, d): the same joints, means for what the source lacks."""
    require_joints(keypoints, source)
    return conversion(source, target).to(keypoints) @ keypoints


def require_joints(keypoints: Tensor, skeleton: Skeleton) -> None:
    """Raise InputError unless the joints of ``keypoints`` (..., joints, d) are as many as the skeleton's."""
    if keypoints.ndim < 2 or keypoints.shape[-2] != len(skeleton):
        raise InputError(
            f"keypoints {list(keypoints.shape)}; expected (..., {len(skeleton)}, coordinates) for {skeleton.name}"
        )


def flip(keypoints: Tensor, skeleton: Skeleton, about: float = 0.0) -> Tensor:
    """What a mirror shows: x becomes ``2 about - x``, left and right change places.

    Args:
        keypoints: (..., joints, 1 or more); the first coordinate is x.
        skeleton: whose joints they are.
        about: x of the mirror: 0 for centred and for three-dimensional joints, 0.5 for parts of a crop, half the width
            for pixels.
    """
    require_joints(keypoints, skeleton)
    turned = keypoints[..., list(skeleton.mirror), :]
    return torch.cat((2 * about - turned[..., :1], turned[..., 1:]), -1)


def normalise(keypoints: Tensor, width: float, height: float, how: Normalisation = "width") -> Tensor:
    """Pixels (..., 2) to what networks are fed.

    "width": both axes by the width, x' = 2 x / W - 1, y' = 2 y / W - H / W, so that the picture's middle is 0 and its
    width is 2. "box": parts of the crop, x / W and y / H.
    """
    _require_size(width, height)
    if how == "box":
        return keypoints / keypoints.new_tensor((width, height))
    return keypoints * (2 / width) - keypoints.new_tensor((1.0, height / width))


def denormalise(keypoints: Tensor, width: float, height: float, how: Normalisation = "width") -> Tensor:
    """The inverse of ``normalise``."""
    _require_size(width, height)
    if how == "box":
        return keypoints * keypoints.new_tensor((width, height))
    return (keypoints + keypoints.new_tensor((1.0, height / width))) * (width / 2)


def _require_size(width: float, height: float) -> None:
    if not (width > 0 and height > 0):
        raise InputError(f"a picture of {width} x {height} pixels; expected a width and a height above 0")


def root_relative(joints: Tensor, skeleton: Skeleton = HUMAN36M) -> Tensor:
    """(..., joints, 3) minus the root joint, which becomes 0."""
    root = skeleton.parents.index(-1)
    return joints - joints[..., root : root + 1, :]
