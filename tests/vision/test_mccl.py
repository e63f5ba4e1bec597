"""MCCL: what is particular to it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import zoo
from zoo.errors import ConfigError, InputError
from zoo_vision import saliency_metrics as metrics
from zoo_vision.mccl.adversary import discriminator_loss, generator_term, masked_images
from zoo_vision.mccl.losses import iou_loss, saliency_loss
from zoo_vision.mccl.prediction import predict


def test_parameter_counts():
    assert zoo.info("mccl").parameters == 27_036_609
    assert zoo.info("mccl-adversary").parameters == 130_657


class TestConsensus:
    @settings(max_examples=10)
    @given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
    def test_is_the_definition(self, count, height, width):
        layer = zoo.load("mccl-consensus/tiny")
        x = torch.randn(2, count, 12, height, width, generator=torch.Generator().manual_seed(count))
        with torch.no_grad():
            found = layer.aggregate(x)
            for group in range(2):
                query, key = (
                    conv(x[group]).flatten(2).transpose(1, 2) for conv in (layer.query_transform, layer.key_transform)
                )
                for image in range(count):
                    scores = torch.stack(
                        [
                            torch.stack([(key[other] @ q).max() for other in range(count)]).mean() / 12**0.5
                            for q in query[image]
                        ]
                    )
                    torch.testing.assert_close(found.weights[group, image].flatten(), scores.softmax(0))
                attended = layer.conv6(x[group] * found.weights[group][:, None])
                torch.testing.assert_close(found.vector[group], attended.mean((0, 2, 3)))
                torch.testing.assert_close(found.maps[group], x[group] * found.vector[group][:, None, None])

    def test_finds_a_planted_common_direction(self):
        """Every image holds one position of a shared direction among positions of its own: it gets most weight."""
        layer = zoo.load("mccl-consensus/tiny")
        with torch.no_grad():
            for conv in (layer.query_transform, layer.key_transform):
                conv.weight.copy_(torch.eye(12)[..., None, None])
        basis = torch.eye(12)
        x = torch.zeros(1, 5, 12, 1, 2)
        for image in range(5):
            x[0, image, :, 0, image % 2] = 4 * basis[11]
            x[0, image, :, 0, 1 - image % 2] = 4 * basis[image]
        weights = layer.aggregate(x).weights[0, :, 0]
        assert all(weights[image, image % 2] > 0.9 for image in range(5))

    def test_groups_do_not_see_each_other(self):
        layer = zoo.load("mccl-consensus/tiny")
        x = torch.randn(2, 3, 12, 2, 2)
        with torch.no_grad():
            torch.testing.assert_close(layer(x)[:1], layer(x[:1]))

    def test_what_is_no_group_is_refused(self):
        with pytest.raises(InputError, match="groups"):
            zoo.load("mccl-consensus/tiny")(torch.randn(3, 12, 2, 2))


class TestNetwork:
    @settings(max_examples=8)
    @given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40))
    def test_any_group_and_any_size(self, count, height, width):
        model = zoo.load("mccl/tiny")
        with torch.no_grad():
            found = model(torch.randn(count, 3, height, width))
        assert found.shape == (count, 1, height, width)
        assert found.isfinite().all()

    def test_a_group_is_a_batch_of_one_group(self):
        model = zoo.load("mccl/tiny")
        images = torch.randn(2, 2, 3, 40, 33)
        with torch.no_grad():
            torch.testing.assert_close(model(images)[1], model(images[1]), atol=1e-5, rtol=1e-4)

    @pytest.mark.parametrize(
        ("backbone", "strides"), [("vgg16", [1, 2, 4, 8]), ("vgg16-bn", [1, 2, 4, 8]), ("resnet50", [2, 4, 8, 16])]
    )
    def test_other_backbones(self, backbone, strides):
        with torch.device("meta"):
            model = type(zoo.load("mccl/tiny"))(zoo.load("mccl/tiny").config.__class__(backbone=backbone))
            found = model.parts(torch.empty(1, 2, 3, 64, 64))
        assert [64 // stage.shape[-1] for stage in found.stages] == strides
        assert [stage.shape[1] for stage in found.stages] == model.config.widths
        assert found.logits.shape == (1, 2, 1, 64, 64)
        norms = [name for name, part in model.named_modules() if isinstance(part, torch.nn.BatchNorm2d)]
        assert bool(norms) == (backbone != "vgg16")

    def test_configs_that_cannot_be_are_refused(self):
        with pytest.raises(ConfigError, match="4 stages"):
            zoo.load("mccl/tiny", depths=[1, 1])
        with pytest.raises(ConfigError, match="divisible"):
            zoo.load("mccl/tiny", num_heads=[3, 2, 2, 4])
        with pytest.raises(InputError, match="one group"):
            zoo.load("mccl/tiny")(torch.randn(3, 64, 64))


class TestMemory:
    def test_slots_by_hand(self):
        memory = zoo.load("mccl-memory/tiny", dim=2)
        memory.update(torch.tensor([[3.0, 4.0]]), torch.tensor([1]))
        torch.testing.assert_close(memory.slots[1], torch.tensor([0.6, 0.8]))
        memory.update(torch.tensor([[0.0, 1.0]]), torch.tensor([1]))
        moved = torch.tensor([0.9 * 0.6, 0.9 * 0.8 + 0.1])
        torch.testing.assert_close(memory.slots[1], moved / moved.norm())
        assert memory.seen.tolist() == [False, True, False, False]

    def test_slots_never_seen_are_left_out(self):
        memory = zoo.load("mccl-memory/tiny", dim=2, temperature=0.5)
        memory.update(torch.eye(2), torch.tensor([0, 2]))
        consensus = torch.tensor([[1.0, 0.5], [1.0, 0.5]], requires_grad=True)
        found = memory(consensus, torch.tensor([0, 3]))
        expected = -torch.log_softmax(torch.tensor([2.0, 1.0]), 0)[0]
        torch.testing.assert_close(found, torch.stack([expected, torch.zeros(())]))
        found.sum().backward()
        assert consensus.grad.isfinite().all()
        assert (consensus.grad[1] == 0).all()

    def test_the_loss_changes_nothing_and_slots_travel_with_the_state(self):
        memory = zoo.load("mccl-memory/tiny")
        before = {name: value.clone() for name, value in memory.state_dict().items()}
        memory(torch.randn(2, 8), torch.tensor([0, 1]))
        assert before.keys() == {"slots", "seen"}
        assert all(torch.equal(value, memory.state_dict()[name]) for name, value in before.items())

    def test_what_does_not_fit_is_refused(self):
        with pytest.raises(InputError, match="integers"):
            zoo.load("mccl-memory/tiny")(torch.randn(2, 8), torch.tensor([0.0, 1.0]))


class TestAdversary:
    def test_norms_have_the_codes_eps(self):
        model = zoo.load("mccl-adversary/tiny")
        assert [layer.eps for layer in model.model if isinstance(layer, torch.nn.BatchNorm2d)] == [0.8] * 3

    def test_maps_are_probabilities_unless_asked_otherwise(self):
        images, logits = torch.ones(1, 3, 2, 2), torch.full((1, 1, 2, 2), -3.0)
        assert masked_images(images, logits).max() < 0.05
        assert (masked_images(images, logits, "logits") == -3).all()
        with pytest.raises(InputError, match="logits"):
            masked_images(images, logits, "maps")

    def test_the_discriminators_loss_reaches_no_map(self):
        model = zoo.load("mccl-adversary/tiny")
        images, truth = torch.rand(2, 3, 16, 16), torch.ones(2, 1, 16, 16)
        logits = torch.zeros(2, 1, 16, 16, requires_grad=True)
        discriminator_loss(model, images, logits, truth).backward()
        assert logits.grad is None
        generator_term(model, images, logits).backward()
        assert logits.grad.abs().sum() > 0
        with pytest.raises(InputError, match="resize"):
            model(torch.rand(1, 3, 17, 16))


class TestLosses:
    def test_by_hand(self):
        maps = torch.tensor([[[[1.0, 0.5]]]])
        truth = torch.tensor([[[[1.0, 0.0]]]])
        # Intersection 1, union 1.5.
        assert iou_loss(maps, truth).item() == pytest.approx(1 / 3)
        entropy = torch.log(torch.tensor(2.0)) / 2
        assert saliency_loss(maps, truth).item() == pytest.approx(float(120 * entropy + 2 / 3), rel=1e-5)

    def test_empty_maps_agree(self):
        empty = torch.zeros(1, 1, 2, 2, requires_grad=True)
        loss = iou_loss(empty, torch.zeros(1, 1, 2, 2))
        assert loss.item() == 0


class TestMetrics:
    def right(self, seed=0):
        return torch.rand(3, 13, 9, generator=torch.Generator().manual_seed(seed)) > 0.6

    def test_a_perfect_map_is_perfect(self):
        masks = self.right()
        assert metrics.mean_absolute_error(masks.float(), masks).max() == 0
        for measure in (metrics.f_measure, metrics.e_measure, metrics.s_measure):
            torch.testing.assert_close(
                measure(masks.float(), masks), torch.ones(3, dtype=torch.float64), atol=1e-6, rtol=0
            )

    @settings(max_examples=20)
    @given(st.integers(0, 1000))
    def test_measures_lie_between_0_and_1(self, seed):
        maps = torch.rand(3, 13, 9, generator=torch.Generator().manual_seed(seed))
        for measure in (metrics.mean_absolute_error, metrics.f_measure, metrics.e_measure, metrics.s_measure):
            found = measure(maps, self.right(seed))
            assert (found >= 0).all()
            assert (found <= 1 + 1e-9).all()

    def test_f_by_hand(self):
        maps = torch.tensor([[[1.0, 0.8, 0.2]]])
        masks = torch.tensor([[[True, False, False]]])
        # The threshold 1 keeps the first alone.
        assert metrics.f_measure(maps, masks).item() == pytest.approx(1)
        masks = torch.tensor([[[True, False, True]]])
        # At 0.2: P 2/3, R 1; at 1: P 1, R 1/2. With b = 0.3 the latter is better.
        assert metrics.f_measure(maps, masks).item() == pytest.approx(1.3 * 0.5 / (0.3 + 0.5))

    @pytest.mark.parametrize("full", [True, False])
    def test_empty_and_full_masks(self, full):
        masks = torch.full((1, 4, 4), full)
        maps = torch.full((1, 4, 4), 0.25)
        level = 0.25 if full else 0.75
        assert metrics.s_measure(maps, masks).item() == pytest.approx(level)
        assert metrics.mean_absolute_error(maps, masks).item() == pytest.approx(1 - level)
        assert metrics.e_measure(maps, masks).item() == pytest.approx(1)

    def test_the_better_map_scores_higher(self):
        masks = torch.zeros(1, 20, 20, dtype=torch.bool)
        masks[:, 5:12, 6:15] = True
        good = torch.nn.functional.avg_pool2d(masks.float()[:, None], 3, 1, 1)[:, 0]
        bad = good.flip(2)
        for measure in (metrics.f_measure, metrics.e_measure, metrics.s_measure):
            assert measure(good, masks) > measure(bad, masks)

    def test_what_is_no_map_is_refused(self):
        with pytest.raises(InputError, match=r"in \[0, 1\]"):
            metrics.s_measure(torch.full((1, 2, 2), 2.0), torch.ones(1, 2, 2, dtype=torch.bool))
        with pytest.raises(InputError, match="boolean"):
            metrics.s_measure(torch.ones(1, 2, 2), torch.ones(1, 2, 2))


def test_a_folder_of_pictures_is_a_group(tmp_path):
    for name, size in (("a.png", (30, 20)), ("b.png", (21, 40))):
        Image.new("RGB", size, (10, 200, 90)).save(tmp_path / name)
    model = zoo.load("mccl/tiny")
    found = predict(model, model.config, tmp_path)
    assert [picture.size for picture in found.values()] == [(30, 20), (21, 40)]
    alone = predict(model, model.config, tmp_path / "a.png")
    assert alone["map-1"].size == (30, 20)
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no image"):
        predict(model, model.config, tmp_path / "none")
