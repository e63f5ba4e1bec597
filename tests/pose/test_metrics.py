"""Metrics: by hand, by their invariances, and beside pycocotools."""

from __future__ import annotations

import contextlib
import io
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import InputError
from zoo_pose import metrics
from zoo_pose.metrics import People
from zoo_pose.skeletons import COCO, COCO_WHOLEBODY, CROWDPOSE

TRUTH = torch.tensor([[[0.0, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, 4.0, 0.0]]])


def turned(points, angle):
    c, s = math.cos(angle), math.sin(angle)
    return points @ torch.tensor([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


class TestByHand:
    def test_position(self):
        moved = TRUTH + torch.tensor([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        assert metrics.joint_errors(moved, TRUTH).tolist() == [[5.0, 0.0, 1.0]]
        assert metrics.mpjpe(moved, TRUTH).tolist() == [2.0]

    def test_scale_is_forgiven_by_n_mpjpe_alone_of_the_plain_ones(self):
        assert metrics.mpjpe(2 * TRUTH, TRUTH).item() == pytest.approx(7 / 3)
        assert metrics.n_mpjpe(2 * TRUTH, TRUTH).item() == pytest.approx(0)
        # s = <p, t> / <p, p> = 3 / 9: the other leg of the right angle is missed by 4.
        half = torch.tensor([[[0.0, 0.0, 0.0], [9.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
        assert metrics.n_mpjpe(half, TRUTH).item() == pytest.approx(4 / 3)

    def test_velocity_is_per_frame(self):
        truth = torch.zeros(3, 1, 3)
        drifting = torch.tensor([0.0, 1.0, 4.0])[:, None, None] * torch.tensor([[0.0, 0.6, 0.8]])
        assert metrics.velocity_error(drifting, truth).item() == pytest.approx(2.0)
        # A constant offset has no velocity.
        assert metrics.velocity_error(truth + 7, truth).item() == 0

    def test_thresholds(self):
        truth = torch.zeros(4, 3, dtype=torch.float64)
        predicted = torch.tensor([0.0, 0.1, 0.2, 0.16], dtype=torch.float64)[:, None] * torch.tensor([1.0, 0.0, 0.0])
        assert metrics.pck(predicted, truth, 0.17).item() == 0.75
        # Of thresholds 0, 0.1, 0.2 the joints lie within 1 (of four), 2 and 4.
        assert metrics.auc(predicted, truth, 0.2, 3).item() == pytest.approx((1 + 2 + 4) / 12)

    def test_similarity_of_keypoints(self):
        truth = torch.zeros(2, 2)
        predicted = torch.tensor([[3.0, 4.0], [100.0, 0.0]])
        visible, area = torch.tensor([True, False]), torch.tensor(50.0)
        # exp(-25 / (2 * 50 * (2 * 0.25)^2)) = exp(-1): the second joint is not annotated.
        assert metrics.oks(predicted, truth, visible, area, (0.25, 0.1)).item() == pytest.approx(math.exp(-1))
        assert metrics.oks(predicted, truth, ~visible & False, area, (0.25, 0.1)).item() == 0


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.floats(-3, 3), st.floats(0.2, 5))
def test_procrustes_forgives_similarities_and_no_reflection(seed, angle, scale):
    points = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    moved = scale * turned(points, angle) + torch.tensor([1.0, -2.0, 3.0])
    assert metrics.p_mpjpe(moved, points).max() < 1e-4
    mirrored = points * torch.tensor([-1.0, 1.0, 1.0])
    assert metrics.p_mpjpe(mirrored, points).max() > 1e-2
    other = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(seed + 1))
    squares = (metrics.aligned(other, points) - points).square().sum((1, 2))
    # No similarity near it does better.
    for change in (0.02, -0.02):
        near = turned(metrics.aligned(other, points) - points.mean(1, True), change) + points.mean(1, True)
        assert ((near - points).square().sum((1, 2)) >= squares - 1e-4).all()


def test_shapes_that_cannot_be_compared_are_refused():
    with pytest.raises(InputError, match="equal shapes"):
        metrics.mpjpe(torch.zeros(2, 17, 3), torch.zeros(17, 3))
    with pytest.raises(InputError, match="velocity"):
        metrics.velocity_error(torch.zeros(1, 17, 3), torch.zeros(1, 17, 3))
    with pytest.raises(InputError, match="3 sigmas"):
        metrics.oks(torch.zeros(2, 2), torch.zeros(2, 2), torch.ones(2), torch.tensor(1.0), (1, 1, 1))


def people(keypoints, scores=None, area=100.0, visible=None, crowd=None):
    count, joints = keypoints.shape[:2]
    low, high = keypoints.amin(1), keypoints.amax(1)
    return People(
        keypoints,
        torch.ones(count, joints, dtype=torch.bool) if visible is None else visible,
        torch.ones(count) if scores is None else scores,
        torch.full((count,), area) if isinstance(area, float) else area,
        torch.cat((low, high - low), 1),
        torch.zeros(count, dtype=torch.bool) if crowd is None else crowd,
    )


class TestAveragePrecision:
    def test_by_hand(self):
        """Two people, the surer prediction is right at every threshold, the other at none: AP is recall 0.5."""
        truth = people(torch.tensor([[[0.0, 0.0]], [[50.0, 0.0]]]), area=40.0**2)
        found = people(torch.tensor([[[0.0, 0.0]], [[500.0, 0.0]]]), torch.tensor([0.9, 0.4]))
        answer = metrics.coco_keypoints([found], [truth], (0.1,))
        assert answer["AP"] == pytest.approx(51 / 101)
        assert answer["AR"] == pytest.approx(0.5)
        assert answer["APM"] == pytest.approx(51 / 101)
        assert answer["APL"] == -1
        # The sure one wrong, the unsure one right: precision 1/2 up to recall 0.5.
        worse = metrics.coco_keypoints([people(found.keypoints, torch.tensor([0.4, 0.9]))], [truth], (0.1,))
        assert worse["AP"] == pytest.approx(51 / 101 / 2)

    def test_nobody(self):
        nobody = people(torch.zeros(1, 1, 2))
        nobody = People(*(value[:0] for value in vars(nobody).values()))
        someone = people(torch.zeros(1, 1, 2))
        assert metrics.coco_keypoints([nobody], [nobody], (0.1,))["AP"] == -1
        assert metrics.coco_keypoints([nobody], [someone], (0.1,))["AP"] == 0
        with pytest.raises(InputError, match="2 images"):
            metrics.coco_keypoints([nobody, nobody], [someone], (0.1,))

    @pytest.mark.parametrize(
        ("skeleton", "seed"),
        [(COCO, seed) for seed in range(6)] + [(each, seed) for each in (COCO_WHOLEBODY, CROWDPOSE) for seed in (6, 7)],
        ids=lambda value: getattr(value, "name", value),
    )
    def test_against_pycocotools(self, skeleton, seed):
        """Body, whole body and CrowdPose: only the first of them is pycocotools' default, and so checks the sigmas."""
        cocoeval, coco = (pytest.importorskip(f"pycocotools.{name}") for name in ("cocoeval", "coco"))
        joints = len(skeleton)
        generator = torch.Generator().manual_seed(seed)

        def rand(*shape):
            return torch.rand(*shape, generator=generator, dtype=torch.float64)

        truth, found, annotations, results = [], [], [], []
        for image in range(1, 7):
            count = int(torch.randint(0, 5, (), generator=generator))
            sides = 20 + 150 * rand(count, 1, 2)
            points = 300 * rand(count, 1, 2) + sides * rand(count, joints, 2)
            visible = rand(count, joints) > 0.4
            visible[rand(count) > 0.8] = False
            crowd = rand(count) > 0.85
            one = people(points, area=sides[:, 0].prod(-1) * 0.6, visible=visible, crowd=crowd)
            truth.append(one)
            for index in range(count):
                v = visible[index].double()[:, None] * 2
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image,
                        "category_id": 1,
                        "keypoints": torch.cat((points[index], v), 1).flatten().tolist(),
                        "num_keypoints": int(visible[index].sum()),
                        "area": float(one.areas[index]),
                        "bbox": one.boxes[index].tolist(),
                        "iscrowd": int(crowd[index]),
                    }
                )
            wild = 300 * rand(2, 1, 2) + 80 * rand(2, joints, 2)
            guesses = torch.cat((points + 12 * rand(count, 1, 1) * (rand(count, joints, 2) - 0.5), points, wild))
            scores = rand(len(guesses))
            found.append(people(guesses, scores))
            for guess, score in zip(guesses, scores, strict=True):
                flat = torch.cat((guess, torch.ones(joints, 1)), 1).flatten().tolist()
                results.append({"image_id": image, "category_id": 1, "keypoints": flat, "score": float(score)})
        with contextlib.redirect_stdout(io.StringIO()):
            right = coco.COCO()
            right.dataset = {
                "images": [{"id": image} for image in range(1, 7)],
                "annotations": annotations,
                "categories": [{"id": 1, "name": "person"}],
                "info": {},
            }
            right.createIndex()
            evaluation = cocoeval.COCOeval(right, right.loadRes(results), "keypoints")
            if skeleton is not COCO:
                evaluation.params.kpt_oks_sigmas = torch.tensor(skeleton.sigmas, dtype=torch.float64).numpy()
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        answer = metrics.coco_keypoints(found, truth, skeleton.sigmas)
        order = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
        assert [answer[name] for name in order] == pytest.approx(evaluation.stats.tolist(), abs=1e-9)

    @pytest.mark.parametrize("skeleton", [COCO, COCO_WHOLEBODY], ids=lambda skeleton: skeleton.name)
    def test_similarity_is_that_of_pycocotools(self, skeleton):
        """Everybody with everybody, and the body's sigmas, with which the whole body's begin."""
        cocoeval = pytest.importorskip("pycocotools.cocoeval")
        joints, generator = len(skeleton), torch.Generator().manual_seed(1)
        truth = 40 * torch.rand(3, joints, 2, generator=generator, dtype=torch.float64)
        found = truth.flip(0) + 6 * torch.randn(3, joints, 2, generator=generator, dtype=torch.float64)
        visible = torch.rand(3, joints, generator=generator) > 0.3
        areas = torch.tensor([300.0, 900.0, 2500.0], dtype=torch.float64)
        evaluation = cocoeval.COCOeval(iouType="keypoints")
        assert COCO_WHOLEBODY.sigmas[:17] == COCO.sigmas == pytest.approx(evaluation.params.kpt_oks_sigmas.tolist())
        evaluation.params.kpt_oks_sigmas = torch.tensor(skeleton.sigmas, dtype=torch.float64).numpy()
        flat = torch.cat((truth, visible[..., None] * 2.0), -1).flatten(1).tolist()
        evaluation._gts[1, 1] = [
            {"keypoints": person, "bbox": [0, 0, 1, 1], "area": area}
            for person, area in zip(flat, areas.tolist(), strict=True)
        ]
        flat = torch.cat((found, torch.ones_like(found[..., :1])), -1).flatten(1).tolist()
        # By falling score.
        evaluation._dts[1, 1] = [{"keypoints": person, "score": -index} for index, person in enumerate(flat)]
        expected = torch.from_numpy(evaluation.computeOks(1, 1))
        ours = metrics.oks(found[:, None], truth[None], visible[None], areas[None], skeleton.sigmas)
        torch.testing.assert_close(ours, expected)
        assert ours.min() < 0.05 < ours.max() < 1
