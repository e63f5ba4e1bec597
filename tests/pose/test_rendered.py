"""Rendered people: the z-buffer, the body that moves as captured people did, and scenes with their truth."""

from __future__ import annotations

import pytest
import torch

from zoo.errors import InputError, MissingDependency
from zoo_pose import photographs, rasteriser, scenes
from zoo_pose.bodies import JOINTS
from zoo_pose.rendered import FRAMES, Take
from zoo_pose.skeletons import COCO, HUMAN36M, POSETRACK


def by_definition(corners, depth, height, width):
    """Pixel by pixel, the nearest of all triangles that cover its centre."""
    shown = torch.full((height, width), rasteriser.NOTHING)
    for row in range(height):
        for column in range(width):
            nearest = float("inf")
            for face, (triangle, distances) in enumerate(zip(corners, depth, strict=True)):
                # Weights of the corners solve: sum w = 1, sum w corner = centre.
                system = torch.cat((triangle.T, torch.ones(1, 3, dtype=triangle.dtype)))
                if system.det().abs() < 1e-9:
                    continue
                weights = torch.linalg.solve(system, triangle.new_tensor((column + 0.5, row + 0.5, 1.0)))
                if bool((weights >= 0).all()) and float(weights @ distances) < nearest:
                    nearest, shown[row, column] = float(weights @ distances), face
    return shown


@pytest.mark.parametrize("seed", range(3))
def test_pixels_show_the_nearest_triangle(seed):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(9, 3, 2, generator=generator, dtype=torch.float64) * 14 - 2
    depth = torch.rand(9, 3, generator=generator, dtype=torch.float64) + 1
    corners[0, 1] = corners[0, 2]  # No area.
    found = rasteriser.visible_faces(corners, depth, 10, 8)
    assert torch.equal(found, by_definition(corners, depth, 10, 8))
    assert len(found.unique()) > 3


def test_what_is_behind_the_camera_or_beside_the_picture_is_not_drawn():
    corners = torch.tensor([[[0.0, 0], [9, 0], [0, 9]]]).repeat(3, 1, 1)
    corners[1] += 100
    depth = torch.tensor([[1.0, 1, -1], [1, 1, 1], [2, 2, 2]])
    found = rasteriser.visible_faces(corners, depth, 4, 4)
    assert found.unique().tolist() == [2]
    assert (rasteriser.visible_faces(corners[:1], depth[:1], 4, 4) == rasteriser.NOTHING).all()
    with pytest.raises(InputError, match="corners"):
        rasteriser.visible_faces(corners[0], depth, 4, 4)


class TestBodies:
    @pytest.fixture(autouse=True)
    def packages(self):
        pytest.importorskip("anny")
        pytest.importorskip("pybullet_data")

    @pytest.mark.slow
    def test_joints_follow_the_captured_ones(self):
        from zoo_pose import bodies, motions

        for name in ("walk", "cartwheel", "getup_faceup"):
            rows = motions.rows(name)[::15]
            found = bodies.body().pose(rows, bodies.Build()).keypoints
            captured = motions.forward_kinematics(rows)
            # Another body: its bones are of other lengths.
            for joint in ("left_wrist", "right_elbow", "right_knee", "left_ankle"):
                apart = found[:, JOINTS.index(joint)] - captured[:, HUMAN36M.index(joint)]
                assert apart.norm(dim=-1).max() < 0.15, (name, joint)

    @pytest.mark.slow
    def test_a_take_shows_the_person_around_the_joints(self):
        from zoo_pose import rendered

        take = rendered.take("walk", 5, torch.Generator().manual_seed(3), frames=2)
        x, y = take.keypoints[0].floor().long().unbind(1)
        # A joint lies inside of the body, so on its silhouette; ears and nose on its edge.
        seen = [JOINTS.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("hip", "knee", "shoulder")]
        assert (take.pixels[0, 3, y[seen], x[seen]] > 0).all()
        assert torch.equal(take.pixels, rendered.take("walk", 5, torch.Generator().manual_seed(3), frames=2).pixels)
        assert take.areas[0] == (take.pixels[0, 3] > 127).sum()


def test_photographs_of_the_splits_differ_and_a_missing_package_is_named(monkeypatch):
    assert not set(photographs.NAMES["train"]) & set(photographs.NAMES["held-out"])
    monkeypatch.setattr(photographs, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match="pip install scikit-image"):
        photographs.path("skimage/coffee.png")
    monkeypatch.setitem(photographs._FOLDERS, "nature", photographs.Path("/nowhere"))
    with pytest.raises(MissingDependency, match="apt-get install"):
        photographs.path("nature/Dune.jpg")


def made_up(seed, side=40):
    """A take of squares: red where the left wrist is, green where the right one is, each 3 x 3, on a grey body."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.zeros(FRAMES, 4, side, side, dtype=torch.uint8)
    pixels[:, :, 8:32, 12:28] = 100
    pixels[:, 3, 8:32, 12:28] = 255
    keypoints = 13 + 14 * torch.rand(FRAMES, len(JOINTS), 2, generator=generator)
    for joint, channel in (("left_wrist", 0), ("right_wrist", 1)):
        place = torch.tensor((16.5, 14.5)) if channel else torch.tensor((22.5, 25.5))
        keypoints[:, JOINTS.index(joint)] = place
        x, y = place.long().tolist()
        pixels[:, :3, y - 1 : y + 2, x - 1 : x + 2] = 0
        pixels[:, channel, y - 1 : y + 2, x - 1 : x + 2] = 255
    boxes = torch.tensor([[12.0, 8, 28, 32]]).expand(FRAMES, 4)
    return Take(pixels, keypoints, boxes, torch.full((FRAMES,), 384.0), "made up")


@pytest.fixture
def plain_backgrounds(monkeypatch):
    def black(split, count, height, width, generator):
        return torch.zeros(count, 3, height, width)

    monkeypatch.setattr(photographs, "backgrounds", black)


def colour_at(image, point):
    x, y = point.floor().long().tolist()
    return image[:, y, x]


@pytest.mark.usefixtures("plain_backgrounds")
class TestScenes:
    def test_crops_show_joints_where_the_truth_says(self):
        generator = torch.Generator().manual_seed(0)
        chosen = [(made_up(seed), seed % FRAMES) for seed in range(12)]
        found = scenes.single(chosen, "train", 96, 72, generator, varied=True)
        for image, points in zip(found.images, found.keypoints[:, 0], strict=True):
            left, right = (colour_at(image, points[JOINTS.index(f"{side}_wrist")]) for side in ("left", "right"))
            # A mirrored person's red square is at the right wrist.
            assert {int(left.argmax()), int(right.argmax())} == {0, 1}
            assert left.max() - left.median() > 0.3

    def test_exact_crops_hold_the_box_as_networks_are_fed(self):
        take = made_up(0)
        found = scenes.single([(take, 2)], "held-out", 96, 72, torch.Generator(), varied=False)
        box = found.boxes[0, 0]
        torch.testing.assert_close((box[:2] + box[2:]) / 2, torch.tensor((36.0, 48.0)))
        sides = box[2:] - box[:2]
        assert max(float(sides[0]) / 72, float(sides[1]) / 96) == pytest.approx(1 / 1.25)
        torch.testing.assert_close(found.areas[0, 0], 384 * (sides[0] / 16) ** 2)
        from zoo_pose import crops

        region = crops.crops_of(take.boxes[2:3], 96, 72)
        expected = region.to_crop(take.keypoints[2][None]) * torch.tensor((72.0, 96.0))
        torch.testing.assert_close(found.keypoints[0], expected)

    def test_clips_repeat_the_ends_and_stand_still(self):
        found = scenes.single([(made_up(0), 0)], "train", 48, 36, torch.Generator(), frames=3, varied=False)
        assert found.images.shape == (1, 3, 3, 48, 36)
        torch.testing.assert_close(found.images[0, 0], found.images[0, 1])

    def test_groups_lie_within_the_picture_and_later_people_in_front(self):
        generator = torch.Generator().manual_seed(0)
        found = scenes.groups([made_up(0)], 20, "train", 64, 80, generator, most=3, varied=False)
        assert set(found.present.sum(1).tolist()) == {1, 2, 3}
        there = found.boxes[found.present]
        assert there.amin() >= -1e-3
        assert (there[:, 2:].amax(0) <= torch.tensor((80.001, 64.001))).all()
        assert torch.equal(found.inside.all(-1), found.present)
        assert torch.equal(found.inside.any(-1), found.present)
        for image, points, present in zip(found.images, found.keypoints, found.present, strict=True):
            front = points[int(present.sum()) - 1]
            assert colour_at(image, front[JOINTS.index("left_wrist")]).max() > 0.8

    def test_the_truth_scores_full_marks_and_a_shifted_one_less(self):
        found = scenes.groups([made_up(1)], 6, "train", 64, 80, torch.Generator().manual_seed(1), varied=False)
        people = [
            points[there][:, scenes.indices(COCO)] for points, there in zip(found.keypoints, found.present, strict=True)
        ]
        sure = [torch.ones(len(each)) for each in people]
        assert scenes.scores(found, COCO, people, sure)["AP"] == pytest.approx(100)
        assert scenes.scores(found, COCO, [each + 4 for each in people], sure)["AP"] < 70

    def test_everybody_takes_one_pose_or_none(self):
        found = scenes.groups([made_up(1)], 6, "train", 64, 80, torch.Generator().manual_seed(1), varied=False)
        people = [
            points[there][:, scenes.indices(COCO)] for points, there in zip(found.keypoints, found.present, strict=True)
        ]
        assert scenes.found_within(found, COCO, [each.flip(0) for each in people]) == 100
        # Poses too many do not help, and the first person's pose alone finds the first person alone.
        extra = [torch.cat((each[:1], each[:1] + 500, each[:1] + 900)) for each in people]
        shares = [1 / len(each) for each in people]
        joints = sum(len(each) for each in people)
        assert scenes.found_within(found, COCO, extra) == pytest.approx(100 * len(shares) / joints)
        assert scenes.found_within(found, COCO, [each[:0] for each in people]) == 0
        assert scenes.found_within(found, COCO, [each + 30 for each in people]) < 60

    def test_pck_counts_joints_within_a_tenth_of_the_longer_side(self):
        found = scenes.single([(made_up(0), 0)], "train", 96, 72, torch.Generator(), varied=False)
        truth = found.keypoints[:, 0, scenes.indices(POSETRACK)]
        side = float((found.boxes[0, 0, 2:] - found.boxes[0, 0, :2]).max())
        shift = torch.zeros_like(truth)
        shift[0, :5, 0] = 0.11 * side
        shift[0, 5:, 1] = 0.09 * side
        assert scenes.within(found, POSETRACK, truth + shift) == pytest.approx(100 * 12 / 17)

    def test_mean_pose_is_its_own_mirror_image(self):
        mean = scenes.mean_pose([made_up(0), made_up(1)], COCO)
        turned = torch.cat((1 - mean[:, :1], mean[:, 1:]), 1)[list(COCO.mirror)]
        torch.testing.assert_close(turned, mean)
        box = torch.tensor([10.0, 20.0, 30.0, 80.0])
        torch.testing.assert_close(scenes.in_boxes(torch.tensor([[0.5, 0.25]]), box), torch.tensor([[20.0, 35.0]]))
