"""A-HMLC, G-HMLC and HMCE: what is particular to them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional

import zoo
from zoo.errors import ConfigError, InputError
from zoo_vision.feature_hmlc.baseline import HMCE
from zoo_vision.feature_hmlc.config import HMCEConfig
from zoo_vision.feature_hmlc.contrast import same_prefix, supervised_contrast
from zoo_vision.feature_hmlc.hierarchy import silhouette
from zoo_vision.feature_hmlc.masks import masked, similarity_of_levels
from zoo_vision.feature_hmlc.mixture import explained_variance, fit_mixture, hard_masks
from zoo_vision.feature_hmlc.network import predict


def units(*shape, seed=0):
    return functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


class TestContrast:
    def by_definition(self, z, positives, temperature, base, classes=None):
        n, views, _ = z.shape
        rows, losses, groups = z.flatten(0, 1), [], []
        for i in range(n * views):
            others = [k for k in range(n * views) if k != i]
            positive = [j for j in others if positives[i // views, j // views]]
            if positive:
                spread = math.log(sum(math.exp(rows[i] @ rows[k] / temperature) for k in others))
                losses.append(-sum(float(rows[i] @ rows[j]) / temperature - spread for j in positive) / len(positive))
                groups.append(None if classes is None else int(classes[i // views]))
        means = [
            sum(loss for loss, group in zip(losses, groups, strict=True) if group == each) / groups.count(each)
            for each in set(groups)
        ]
        return temperature / base * sum(means) / len(means) if means else 0.0

    @settings(max_examples=20)
    @given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 99), st.booleans())
    def test_is_the_definition(self, n, views, seed, balance):
        z = units(n, views, 4, seed=seed).double()
        label = torch.randint(3, (n, 1), generator=torch.Generator().manual_seed(seed))
        positives, classes = same_prefix(label, 1), label[:, 0] if balance else None
        expected = self.by_definition(z, positives, 0.2, 0.07, classes)
        assert float(supervised_contrast(z, positives, 0.2, 0.07, classes)) == pytest.approx(expected, abs=1e-9)

    def test_balance_weighs_classes_not_rows(self):
        # Five samples of one class and one of another: unbalanced, the lone one hardly counts.
        z = units(6, 2, 3)
        classes = torch.tensor([0, 0, 0, 0, 0, 1])
        positives = classes[:, None] == classes
        balanced = float(supervised_contrast(z, positives, classes=classes))
        assert balanced != pytest.approx(float(supervised_contrast(z, positives)), abs=1e-3)

    def test_no_gradient_is_nan_without_positives(self):
        z = units(3, 1, 4).requires_grad_()
        loss = supervised_contrast(z, torch.eye(3, dtype=torch.bool))
        loss.backward()
        assert loss.item() == 0
        assert z.grad.isfinite().all()


class TestMasks:
    @pytest.mark.parametrize("mask", ["attention", "mlp"])
    def test_soft_masks_are_distributions(self, mask):
        model = zoo.load("feature-hmlc/tiny", mask=mask)
        masks = model.masks(5 * torch.randn(7, 2, 12))
        assert masks.shape == (7, 2, 2, 12)
        assert (masks >= 0).all()
        torch.testing.assert_close(masks.mean(-1), torch.ones(7, 2, 2))

    def test_attention_is_the_stated_one(self):
        model = zoo.load("feature-hmlc/tiny")
        masks, f = model.masks, torch.randn(12)
        keys = torch.stack([masks.key.weight @ (f[j] * masks.embeddings[j]) + masks.embeddings[j] for j in range(12)])
        for level in range(2):
            scores = torch.stack([masks.queries[level] @ key / math.sqrt(6) for key in keys])
            torch.testing.assert_close(masks(f)[level], 12 * scores.softmax(0))

    def test_hard_masks_are_ones_until_fitted_and_travel_with_the_weights(self):
        model = zoo.load("feature-hmlc-hard/tiny")
        assert (model.masks.hard == 1).all()
        bank = torch.randn(40, 12, generator=torch.Generator().manual_seed(0))
        label = torch.arange(40) % 4
        model.fit_masks(bank, torch.stack((label // 2, label), 1))
        assert (model.masks.hard.sum(0) == 1).all()
        assert "masks.hard" in model.state_dict()
        with pytest.raises(InputError, match="mask=attention"):
            zoo.load("feature-hmlc/tiny").fit_masks(bank, torch.stack((label // 2, label), 1))

    def test_a_level_without_features_gives_zeros(self):
        z = masked(torch.randn(3, 4), torch.tensor([[0.0] * 4, [1.0] * 4]))
        assert (z[:, 0] == 0).all()
        torch.testing.assert_close(z[:, 1].norm(dim=-1), torch.ones(3))

    def test_diversity(self):
        assert similarity_of_levels(torch.eye(3)).item() == 0
        assert similarity_of_levels(torch.ones(5, 3, 4)).item() == pytest.approx(1)
        assert similarity_of_levels(torch.ones(5, 1, 4)).item() == 0


class TestMixture:
    def test_explained_variance_by_hand(self):
        labels = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
        features = torch.tensor([[0.0, 0.0, 7.0], [0.0, 1.0, 7.0], [1.0, 0.0, 7.0], [1.0, 1.0, 7.0]])
        # Finer classes are the pairs: each is one sample, so they explain all that varies.
        expected = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
        torch.testing.assert_close(explained_variance(features, labels), expected)

    @given(st.integers(0, 200))
    @settings(max_examples=20)
    def test_finer_classes_explain_at_least_as_much(self, seed):
        generator = torch.Generator().manual_seed(seed)
        labels = torch.randint(3, (30, 3), generator=generator)
        shares = explained_variance(torch.randn(30, 5, generator=generator), labels)
        assert (shares.diff(dim=1) >= -1e-12).all()
        assert shares.min() >= 0
        assert shares.max() <= 1

    def test_finds_two_clouds(self):
        generator = torch.Generator().manual_seed(0)
        clouds = torch.cat((torch.randn(20, 2, generator=generator), 9 + torch.randn(30, 2, generator=generator)))
        shares, means = fit_mixture(clouds.double(), 2)
        assert (shares.argmax(1)[:20] == shares.argmax(1)[0]).all()
        assert (shares.argmax(1)[20:] != shares.argmax(1)[0]).all()
        assert sorted(means[:, 0].round().tolist()) == [0, 9]

    @settings(max_examples=15, deadline=None)
    @given(st.integers(1, 4), st.integers(4, 24), st.sampled_from(["ratios", "activations"]), st.integers(0, 50))
    def test_every_level_keeps_some_features_and_none_is_shared(self, levels, dim, kind, seed):
        generator = torch.Generator().manual_seed(seed)
        labels = torch.randint(2, (25, levels), generator=generator)
        masks = hard_masks(torch.randn(25, dim, generator=generator), labels, kind, seed)
        assert (masks.sum(0) == 1).all()
        assert (masks.sum(1) >= max(1, dim // (4 * levels))).all()

    def test_features_that_are_all_alike_are_parted_all_the_same(self):
        masks = hard_masks(torch.ones(6, 8), torch.stack((torch.arange(6) // 3, torch.arange(6)), 1))
        assert (masks.sum(0) == 1).all()
        assert (masks.sum(1) >= 1).all()


class TestNetwork:
    def test_level_weights_and_diversity_add_up(self):
        torch.manual_seed(0)
        f = torch.randn(6, 2, 12)
        labels = torch.tensor([[0, 0], [0, 1], [0, 1], [1, 2], [1, 3], [1, 3]])
        model = zoo.load("feature-hmlc/tiny", level_weights=[2.0, 0.5], diversity=3.0)
        found = model.loss(f, labels)
        expected = 2 * found.levels[0] + 0.5 * found.levels[1] + 3 * similarity_of_levels(found.masks)
        torch.testing.assert_close(found.total, expected)

    def test_a_fine_class_is_a_prefix(self):
        # Fine label 0 under either coarse label: two classes, not one.
        labels = torch.tensor([[0, 0], [1, 0]])
        assert same_prefix(labels, 2).tolist() == [[True, False], [False, True]]

    def test_probes_send_no_gradient_to_the_encoder(self):
        model = zoo.load("feature-hmlc/tiny").train()
        model.probe_loss(torch.randn(4, 3, 32, 32), torch.tensor([[0, 0], [0, 1], [1, 2], [1, 3]])).backward()
        assert all(parameter.grad is None for parameter in model.encoder.parameters())
        assert all(parameter.grad is not None for parameter in model.probes.parameters())

    def test_another_encoder(self):
        class Points(torch.nn.Module):
            out = 5

            def forward(self, x):
                return x.amax(1)

        config = zoo.load("feature-hmlc/tiny").config
        network = type(zoo.load("feature-hmlc/tiny"))(config, encoder=Points())
        assert network(torch.randn(2, 30, 5))["levels"].shape == (2, 2, 12)

    @pytest.mark.parametrize("size", [(1, 1), (7, 33)])
    def test_any_size(self, size):
        found = zoo.load("feature-hmlc/tiny")(torch.randn(1, 3, *size))
        assert all(value.isfinite().all() for value in found.values())

    def test_inputs_that_do_not_fit_are_refused(self):
        with pytest.raises(InputError, match="batch, 3, height"):
            zoo.load("feature-hmlc/tiny")(torch.randn(1, 1, 8, 8))
        with pytest.raises(InputError, match="vectors"):
            zoo.load("feature-hmlc/vectors")(torch.randn(1, 31))
        with pytest.raises(InputError, match="coarse to fine"):
            zoo.load("feature-hmlc/tiny").loss(torch.randn(3, 2, 12), torch.zeros(3, 3, dtype=torch.long))
        with pytest.raises(ConfigError, match="num_classes"):
            zoo.load("feature-hmlc", num_levels=3)
        with pytest.raises(ConfigError, match="cannot serve"):
            zoo.load("feature-hmlc-hard/tiny", dim=1)

    def test_a_picture_gets_classes_on_every_level(self, tmp_path):
        Image.new("RGB", (40, 30), (9, 90, 200)).save(tmp_path / "a.png")
        model = zoo.load("feature-hmlc/tiny")
        found = predict(model, model.config, tmp_path / "a.png")
        assert [len(found[f"level {level}"]) for level in range(2)] == [2, 4]


class TestBaseline:
    def test_kept_samples_are_the_first_in_lexicographic_order_of_the_rows(self):
        """By hand: three levels, so that the order after the first reduction decides who is kept at the second."""
        labels = torch.tensor([[0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 2], [0, 1, 0, 3], [0, 0, 1, 4]])
        z = units(5, 2, 4)
        terms = HMCE(HMCEConfig("hmc", 0.1)).loss(z, labels).terms
        # Finest classes: (0,0,0) sample 1, (0,0,1) sample 0, (0,1,0) sample 3, (1,0,0) sample 2; then without the
        # finest column (0,0) keeps sample 1, not sample 0.
        second, third = torch.tensor([1, 0, 3, 2]), torch.tensor([1, 3, 2])
        by_hand = [
            supervised_contrast(z, same_prefix(labels, 3), 0.1),
            supervised_contrast(z[second], same_prefix(labels[second], 2), 0.1),
            supervised_contrast(z[third], same_prefix(labels[third], 1), 0.1),
        ]
        torch.testing.assert_close(terms, torch.stack(by_hand))
        total = sum(2 ** (1 / (level + 1)) * term for level, term in enumerate(by_hand)) / 4
        torch.testing.assert_close(HMCE(HMCEConfig("hmc", 0.1)).loss(z, labels).total, total)

    def test_every_call_inside_attach_is_a_view(self):
        model, method = torch.nn.Linear(4, 3), HMCE(HMCEConfig())
        views = torch.randn(2, 6, 4)
        labels = torch.tensor([[0], [0], [0], [1], [1], [1]])
        with method.attach(model) as recorded:
            outputs = [model(view) for view in views]
            found = recorded.loss(labels)
            with pytest.raises(InputError, match="not called"):
                recorded.loss(labels)
        features = functional.normalize(torch.stack(outputs, 1), dim=-1)
        ids = torch.arange(6)[:, None]
        torch.testing.assert_close(found.total, method.loss(features, torch.cat((labels, ids), 1)).total)
        assert not model._forward_hooks

    def test_labels_without_a_level_are_refused(self):
        with pytest.raises(InputError, match="one level at least"):
            HMCE(HMCEConfig()).loss(units(2, 2, 3), torch.tensor([[0], [1]]))


def test_silhouette_by_hand():
    points = torch.tensor([[0.0], [1.0], [4.0]])
    # The first: a = 1, b = 4; the second: a = 1, b = 3; the third is alone.
    assert silhouette(points, torch.tensor([5, 5, 9])) == pytest.approx((3 / 4 + 2 / 3) / 3)
    with pytest.raises(InputError, match="two at least"):
        silhouette(points, torch.zeros(3, dtype=torch.long))
