"""Tracks of any length, captured motions, and drawings."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from torch import nn

from zoo.errors import InputError, MissingDependency
from zoo_pose import drawing, lifting, motions, skeletons
from zoo_pose.lifting import Track
from zoo_pose.skeletons import COCO, HUMAN36M


class Counter(nn.Module):
    """Puts the number of the frame, which its keypoints carry as y, into every joint but the root."""

    def __init__(self, output="all"):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.output, self.windows = output, []

    def forward(self, keypoints):
        self.windows.append(keypoints)
        joints = torch.cat((keypoints, torch.zeros_like(keypoints[..., :1])), -1) * self.scale
        joints = torch.cat((torch.zeros_like(joints[..., :1, :]), joints[..., 1:, :]), -2)
        middle = joints.shape[1] // 2
        return joints if self.output == "all" else joints[:, middle : middle + 1]


def track(frames):
    keypoints = torch.zeros(frames, 17, 2)
    keypoints[..., 0] = 50
    keypoints[..., 1] = torch.arange(frames).float()[:, None]
    return Track(keypoints, 100, 100)


@pytest.mark.parametrize(("frames", "window", "overlap"), [(1, 4, 0), (4, 4, 0), (10, 4, 0), (11, 4, 2), (9, 1, 0)])
@pytest.mark.parametrize("output", ["all", "centre"])
def test_every_frame_gets_its_own_pose(frames, window, overlap, output):
    if output == "centre":
        window += 1 - window % 2
    found = lifting.lift(Counter(output), track(frames), window, output, overlap=overlap if output == "all" else 0)
    y = found[:, 5, 1]
    torch.testing.assert_close(y, torch.arange(frames).float() * 2 / 100 - 1)
    assert found[:, 0].abs().max() == 0


def test_windows_end_with_the_track():
    assert lifting.chunk_starts(10, 4) == [0, 4, 6]
    assert lifting.chunk_starts(8, 4) == [0, 4]
    assert lifting.chunk_starts(3, 4) == [0]
    assert lifting.chunk_starts(10, 4, 3) == [0, 1, 2, 3, 4, 5, 6]
    with pytest.raises(InputError, match="overlap"):
        lifting.chunk_starts(10, 4, 4)


def test_ends_are_repeated_around_a_centre():
    model = Counter("centre")
    lifting.lift(model, track(3), 5, "centre", mirrored=False)
    frames = (model.windows[0][:, :, 0, 1] + 1) * 50
    torch.testing.assert_close(frames[0], torch.tensor([0.0, 0, 0, 1, 2]))
    torch.testing.assert_close(frames[2], torch.tensor([0.0, 1, 2, 2, 2]))


def test_the_mirrored_pass_is_mirrored_back():
    """A network that answers with its input is its own mirror image; what another adds to x averages out."""
    points = Track(torch.rand(2, 17, 2, generator=torch.Generator().manual_seed(0)) * 100, 100, 100)

    class Shifted(Counter):
        def forward(self, keypoints):
            return super().forward(keypoints) + torch.tensor([1.0, 0, 0]) * (torch.arange(17) > 0)[:, None]

    plain = lifting.lift(Counter(), points, 2)
    torch.testing.assert_close(lifting.lift(Counter(), points, 2, mirrored=False), plain)
    torch.testing.assert_close(lifting.lift(Shifted(), points, 2), plain)


def test_tracks_that_cannot_be_read_say_why(tmp_path):
    good = {"keypoints": torch.zeros(2, 17, 2).tolist(), "width": 10, "height": 10}
    assert lifting.read_track(good).keypoints.shape == (2, 17, 2)
    assert lifting.read_track({**good, "keypoints": good["keypoints"][0]}).keypoints.shape == (1, 17, 2)
    for change, message in (
        ({"keypoints": [[1, 2]]}, "17, coordinates"),
        ({"keypoints": [1, 2]}, "frames, joints"),
        ({"keypoints": [["a"]]}, "numbers"),
        ({"keypoints": torch.full((1, 17, 2), float("nan")).tolist()}, "finite"),
        ({"skeleton": "octopus"}, "octopus"),
        ({"skeleton": "coco-wholebody"}, "133"),
    ):
        with pytest.raises(InputError, match=message):
            lifting.read_track({**good, **change})
    with pytest.raises(InputError, match="lacks width"):
        lifting.read_track({"keypoints": good["keypoints"], "height": 10})
    for content in ("[1]", "no json"):
        (tmp_path / "track.json").write_text(content)
        with pytest.raises(InputError):
            lifting.read_track(tmp_path / "track.json")
    with pytest.raises(InputError, match="int is no track"):
        lifting.read_track(3)


class TestMotions:
    @pytest.fixture(autouse=True)
    def _needs_the_files(self):
        pytest.importorskip("pybullet_data")

    @pytest.mark.parametrize("name", motions.clip_names())
    def test_limbs_keep_their_length_and_sides_agree(self, name):
        joints = motions.clip(name)
        lengths = torch.stack([(joints[:, a] - joints[:, b]).norm(dim=-1) for a, b in HUMAN36M.limbs])
        assert (lengths.amax(1) - lengths.amin(1)).max() < 1e-4
        mirror = HUMAN36M.mirror
        for index, (parent, child) in enumerate(HUMAN36M.limbs):
            other = HUMAN36M.limbs.index((mirror[parent], mirror[child]))
            assert lengths[index].max() == pytest.approx(lengths[other].max().item(), abs=1e-4)

    def test_standing_is_upright_and_forward_is_forward(self):
        joints = motions.clip("walk")
        head, feet = joints[:, HUMAN36M.index("head"), 1], joints[:, HUMAN36M.index("left_ankle"), 1]
        assert (head - feet).min() > 1.2
        walked = joints[-1, 0] - joints[0, 0]
        assert walked[0] > 1
        # Right of somebody who walks along x with y up is +z.
        across = joints[:, HUMAN36M.index("right_hip")] - joints[:, HUMAN36M.index("left_hip")]
        assert across[:, 2].mean() > 0.15

    def test_cameras_see_the_person_upright_and_in_the_picture(self):
        (pixels, joints) = next(motions.windows("train", 5, 1, 32, seed=0))
        assert pixels.shape == (32, 5, 17, 2)
        assert joints[:, :, 0].abs().max() == 0
        assert (pixels > 0).all()
        assert (pixels < 1000).all()
        pixels, _ = next(motions.sequences("held-out"))
        # y points down: a runner's head is above the feet.
        assert (pixels[:, HUMAN36M.index("head"), 1] < pixels[:, HUMAN36M.index("right_ankle"), 1]).all()

    def test_from_the_front_right_is_left(self):
        zero = torch.zeros(1)
        eye = motions.cameras(torch.zeros(1, 3), zero, zero, zero + 4)
        points = torch.tensor([[[0.0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]])
        seen = eye.see(points)[0]
        torch.testing.assert_close(seen, torch.tensor([[0.0, 0, 4], [-1, 0, 4], [0, -1, 4], [0, 0, 3]]))
        torch.testing.assert_close(motions.project(seen[1]), torch.tensor([500 - 1145 / 4, 500.0]))

    def test_held_out_clips_are_not_trained_on(self):
        assert not set(motions.clip_names("train")) & set(motions.clip_names("held-out"))
        with pytest.raises(InputError, match="no clip"):
            motions.clip("swim")


def test_without_the_package_the_error_names_it(monkeypatch):
    monkeypatch.setattr(motions.importlib.util, "find_spec", lambda name: None)
    motions.rows.cache_clear()
    motions.clip.cache_clear()
    with pytest.raises(MissingDependency, match="pybullet"):
        motions.clip("walk")


def test_skeletons_are_drawn_where_they_are():
    picture = Image.new("RGB", (100, 100), "black")
    keypoints = torch.full((1, 17, 2), 10.0)
    keypoints[0, COCO.index("left_hip")] = torch.tensor([80.0, 80.0])
    keypoints[0, COCO.index("left_knee")] = torch.tensor([80.0, 20.0])
    shown = torch.zeros(1, 17, dtype=torch.bool)
    shown[0, [COCO.index("left_hip"), COCO.index("left_knee")]] = True
    drawn = drawing.skeleton_on(picture, keypoints, COCO, shown)
    assert drawn.getpixel((80, 50)) == (0xF2, 0x8E, 0x2B)
    assert drawn.getpixel((10, 10)) == (0, 0, 0)
    assert picture.getpixel((80, 50)) == (0, 0, 0)
    assert skeletons.flip(keypoints, COCO, 50)[0, COCO.index("right_hip")].tolist() == [20, 80]
