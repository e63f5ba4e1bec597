"""A parametric body that moves as captured people did: vertices, and where its keypoints truly are.

The package ``anny`` (Apache-2.0; its MakeHuman data CC0) gives a skinned mesh of a person of any build, with a table of
COCO's keypoints. The rotations of captured motions (``motions``) turn its bones: every bone takes the rotation of the
part of the body it belongs to, after arms and legs were brought from the mesh's rest pose to the motions' (straight
down).
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.targets import require
from zoo_pose import motions
from zoo_pose.skeletons import COCO

JOINTS = (*COCO.joints, "head_bottom", "head_top")
"""COCO's, the neck, and the top of the head."""

# The motions' axes (forward, up, right) in the mesh's (left, back, up).
_AXES = ((0.0, -1.0, 0.0), (0.0, 0.0, 1.0), (-1.0, 0.0, 0.0))
# Bones that reach from the first to the second; brought to point down, as in the motions' rest pose.
_STRETCHES = {
    "shoulder": ("upperarm01", "lowerarm01"),
    "elbow": ("lowerarm01", "wrist"),
    "hip": ("upperleg01", "lowerleg01"),
    "knee": ("lowerleg01", "foot"),
}
# First word of a bone's name -> the joint whose rotation it takes. The rest is hands and feet.
_LIMBS = {"upperarm": "shoulder", "lowerarm": "elbow", "upperleg": "hip", "lowerleg": "knee", "foot": "ankle"}
_LIMBS |= {"toe": "ankle", "wrist": "elbow", "finger": "elbow", "metacarpal": "elbow"}
_TRUNK = {"root": "root", "pelvis": "root", "spine05": "root", "spine04": "root", "spine": "chest", "clavicle": "chest"}
_TRUNK |= {"shoulder": "chest", "neck": "neck", "head": "neck", "eye": "neck"}


def _part(bone: str) -> tuple[str, str]:
    """(joint, side) of a bone; side is empty for the trunk."""
    name, _, side = bone.partition(".")
    for names in (_TRUNK, _LIMBS):
        for start in sorted(names, key=len, reverse=True):
            if name.startswith(start):
                return names[start], {"L": "left", "R": "right"}[side] if names is _LIMBS else ""
    raise AssertionError(bone)


def _turn_between(one: Tensor, other: Tensor) -> Tensor:
    """The smallest rotation (3, 3) of one direction (3,) to another."""
    one, other = one / one.norm(), other / other.norm()
    x, y, z = torch.linalg.cross(one, other).tolist()
    across = one.new_tensor(((0.0, -z, y), (z, 0.0, -x), (-y, x, 0.0)))
    return torch.eye(3) + across + across @ across / (1 + one @ other)


@dataclass(frozen=True)
class Build:
    """Of a person, each from 0 to 1: from female to male, from newborn to old, and of body, relative to both."""

    gender: float = 0.5
    age: float = 0.67
    muscle: float = 0.5
    weight: float = 0.5
    height: float = 0.5
    proportions: float = 0.5


@dataclass(frozen=True)
class Moving:
    """A person over some frames, in the motions' world: metres, y up.

    Args:
        vertices: (frames, vertices, 3).
        keypoints: (frames, ``JOINTS``, 3).
    """

    vertices: Tensor
    keypoints: Tensor


class Body:
    """The mesh and what it takes to pose it.

    Args (set by ``body()``):
        faces: (faces, 3), indices of vertices.
        bone: of every vertex the name of the bone that moves it most.
        rest: (vertices, 3), the average person at rest, in the mesh's axes (left, back, up), metres.
    """

    def __init__(self) -> None:
        anny = require("anny", needed_by="rendered people")
        with warnings.catch_warnings():
            # It says that skinning without a GPU's library takes more memory.
            warnings.simplefilter("ignore")
            self.model: Any = anny.Anny().float()
            self.table: Any = anny.KeypointsRegressor.coco(self.model, list(COCO.joints)).float()
        self.faces: Tensor = torch.as_tensor(self.model.faces).long()
        rest = self.model()
        self.rest: Tensor = rest["rest_vertices"][0].detach()
        self.bone = [self.model.bone_labels[index] for index in self.model.dense_vertex_bone_weights.argmax(1).tolist()]
        heads = dict(zip(self.model.bone_labels, rest["rest_bone_heads"][0], strict=True))
        self._straight = {
            (joint, side): _turn_between(
                heads[f"{end}.{letter}"] - heads[f"{start}.{letter}"], torch.tensor((0.0, 0.0, -1.0))
            )
            for joint, (start, end) in _STRETCHES.items()
            for side, letter in (("left", "L"), ("right", "R"))
        }
        self._neck = self.model.bone_labels.index("neck02")
        # The highest vertex of the head.
        self._top = int(self.rest[:, 2].argmax())

    def pose(self, rows: Tensor, build: Build) -> Moving:
        """A person of a build, moved as rows (frames, 44) of a motion say (``motions.part_turns``)."""
        turns = motions.part_turns(rows)
        axes = torch.tensor(_AXES)
        with torch.no_grad():
            kwargs = {name: torch.tensor([value]) for name, value in vars(build).items()}
            rest = self.model(phenotype_kwargs=kwargs)
            places = rest["rest_bone_poses"][0]
            given = torch.eye(4).repeat(len(rows), len(self.model.bone_labels), 1, 1)
            for index, bone in enumerate(self.model.bone_labels):
                joint, side = _part(bone)
                turn = axes.T @ turns[f"{side}_{joint}" if side else joint] @ axes
                straight = self._straight.get((joint, side))
                given[:, index, :3, :3] = (turn if straight is None else turn @ straight) @ places[index, :3, :3]
            found = self.model(pose_parameters=given, phenotype_kwargs=kwargs, pose_parameterization="world-orient")
            vertices = found["vertices"]
            keypoints = torch.cat(
                (self.table(found), found["bone_poses"][:, None, self._neck, :3, 3], vertices[:, None, self._top]), 1
            )
        # The root's bone was left at the origin.
        shift = rows[:, None, 1:4]
        return Moving(vertices @ axes.T + shift, keypoints @ axes.T + shift)


@functools.cache
def body() -> Body:
    """The body, read once; the first time on a machine this takes a minute or two, as ``anny`` fills its cache.

    Raises:
        MissingDependency: anny is not installed (with trimesh and roma, which it needs).
    """
    return Body()
