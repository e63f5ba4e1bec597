"""Skeletons: the facts agree with one another, and what is converted or mirrored stays a person."""

from __future__ import annotations

import pytest
import torch

from zoo.errors import InputError
from zoo_pose import skeletons
from zoo_pose.skeletons import COCO, COCO_WHOLEBODY, HUMAN36M, HUMANEVA, MPI_INF_3DHP, POSETRACK, SKELETONS

EVERY = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=list(SKELETONS))


@EVERY
def test_facts_agree(skeleton):
    assert len(set(skeleton.joints)) == len(skeleton)
    assert len(skeleton.sigmas) in (0, len(skeleton))
    assert {joint for limb in skeleton.limbs for joint in limb} <= set(range(len(skeleton)))
    if skeleton.parents:
        assert skeleton.parents.count(-1) == 1
        assert len(skeleton.limbs) == len(skeleton) - 1
        assert min(map(min, skeleton.distances())) == 0
    # A mirror maps limbs to limbs.
    drawn = {frozenset(limb) for limb in skeleton.limbs}
    assert {frozenset(skeleton.mirror[joint] for joint in limb) for limb in drawn} == drawn
    if skeleton.sigmas and skeleton is not COCO_WHOLEBODY:
        assert [skeleton.sigmas[joint] for joint in skeleton.mirror] == list(skeleton.sigmas)


@EVERY
def test_a_mirror_twice_is_nothing(skeleton):
    points = torch.randn(2, len(skeleton), 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(skeletons.flip(skeletons.flip(points, skeleton, 0.5), skeleton, 0.5), points)
    left = [joint for joint, name in enumerate(skeleton.joints) if name.startswith("left_")]
    assert sorted(skeleton.mirror[joint] for joint in left) == [
        joint for joint, name in enumerate(skeleton.joints) if name.startswith("right_")
    ]


def test_known_orders():
    assert HUMAN36M.joints[3] == "right_ankle"
    assert HUMAN36M.joints[11] == "left_shoulder"
    assert max(map(max, HUMAN36M.distances())) == 8
    assert COCO.joints[9:11] == ("left_wrist", "right_wrist")
    assert COCO.pairs == tuple((joint, joint + 1) for joint in range(1, 17, 2))
    assert POSETRACK.joints[:5] == ("nose", "head_bottom", "head_top", "left_ear", "right_ear")
    assert MPI_INF_3DHP.parents[MPI_INF_3DHP.index("left_wrist")] == MPI_INF_3DHP.index("left_elbow")
    assert len(COCO_WHOLEBODY) == 133
    # Landmarks 36 to 41 (59 to 64) are the right eye: its outer corner mirrors to the left one's.
    assert COCO_WHOLEBODY.mirror[23 + 36] == 23 + 45
    assert COCO_WHOLEBODY.mirror[91] == 112


def test_conversion():
    points = torch.zeros(17, 2)
    for name, place in {
        "left_hip": (2, 0),
        "right_hip": (0, 0),
        "left_shoulder": (3, -4),
        "right_shoulder": (-1, -4),
        "nose": (1, -6),
        "left_eye": (2, -7),
    }.items():
        points[COCO.index(name)] = torch.tensor(place).float()
    found = skeletons.convert(points, COCO, HUMAN36M)
    expected = {"pelvis": [1, 0], "thorax": [1, -4], "spine": [1, -2], "nose": [1, -6], "head": [1, -3.5]}
    for name, place in expected.items():
        assert found[HUMAN36M.index(name)].tolist() == place, name
    rows = skeletons.conversion(COCO, HUMANEVA)
    torch.testing.assert_close(rows.sum(1), torch.ones(15))
    with pytest.raises(InputError, match="left_eye"):
        skeletons.conversion(HUMAN36M, COCO)
    assert torch.equal(skeletons.conversion(HUMAN36M, HUMAN36M), torch.eye(17))


@pytest.mark.parametrize("how", ["width", "box"])
def test_normalisation(how):
    points = torch.tensor([[0.0, 0.0], [1000.0, 500.0], [500.0, 250.0]])
    found = skeletons.normalise(points, 1000, 500, how)
    expected = [[-1, -0.5], [1, 0.5], [0, 0]] if how == "width" else [[0, 0], [1, 1], [0.5, 0.5]]
    torch.testing.assert_close(found, torch.tensor(expected).float())
    torch.testing.assert_close(skeletons.denormalise(found, 1000, 500, how), points)
    with pytest.raises(InputError, match="above 0"):
        skeletons.normalise(points, 0, 500, how)


def test_wrong_names_and_shapes_say_so():
    with pytest.raises(InputError, match=r"human3\.6m"):
        skeletons.skeleton("smpl")
    with pytest.raises(InputError, match="17"):
        skeletons.flip(torch.zeros(15, 2), HUMAN36M)
    with pytest.raises(InputError, match="no joint"):
        HUMAN36M.index("tail")


def test_the_root_becomes_zero():
    joints = torch.randn(2, 17, 3)
    assert skeletons.root_relative(joints, MPI_INF_3DHP)[:, 14].abs().max() == 0
