"""Class semantics-based attention and boundary matching: what is particular to them."""

from __future__ import annotations

import importlib.util

import pytest
import torch

import zoo
from zoo.errors import ConfigError, InputError
from zoo_activity.csa_action_detection.bmn import BMN, Boundaries, sampling_mask, valid_proposals
from zoo_activity.csa_action_detection.config import BMNConfig
from zoo_activity.csa_action_detection.conversion import convert
from zoo_activity.csa_action_detection.loss import balanced_logistic, bmn_loss, targets
from zoo_activity.csa_action_detection.proposals import peaks, propose
from zoo_activity.csa_action_detection.routines import CHANNELS, LONGEST, routines


def test_parameters():
    assert zoo.info("csa-action-detection-bmn/anet").parameters == 2_782_980
    assert zoo.info("csa-action-detection-attention").parameters == 61_809
    assert zoo.info("csa-action-detection/anet").parameters == 2_782_980 + 61_809
    # A first convolution of 2048 channels, and an attention of as many.
    attention = 2048 * 5 + 2048 * 32 + 32 + 32 * 256 + 256 + 2048 * 32 * 3 + 32 + 97
    assert zoo.info("csa-action-detection/thumos").parameters == 2_782_980 + (2048 - 400) // 4 * 256 * 3 + attention


def test_the_mask_by_hand():
    """Two samples of one sub-sample: the ends of the extended region."""
    config = BMNConfig(length=6, max_duration=2, num_samples=2, sub_samples=1, boundary_ratio=0.5)
    mask = sampling_mask(config).view(6, 2, 2, 6)
    # From point 2, two long: 2 - 1 and 2 + 2 + 1. One long: 1.5 and 3.5, between two points each.
    assert mask[:, :, 1, 2].T.tolist() == [[0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]]
    assert mask[:, :, 0, 2].T.tolist() == [[0, 0.5, 0.5, 0, 0, 0], [0, 0, 0, 0.5, 0.5, 0]]
    # Before the first point there is nothing; what ends behind the last is no proposal.
    assert mask[:, 0, 0, 0].sum() == 0
    assert mask[:, :, 1, 5].sum() == 0
    assert valid_proposals(config).tolist() == [[True] * 6, [True] * 5 + [False]]


def test_the_mask_is_one_of_samples_and_sub_samples():
    config = BMNConfig(length=12, max_duration=5, num_samples=4, sub_samples=3)
    mask, signal = sampling_mask(config).view(12, 4, 5, 12), torch.randn(12)
    for duration, first in ((0, 3), (2, 4), (4, 7)):
        span = duration + 1
        places = torch.linspace(first - span / 2, first + span + span / 2, 12)
        values = []
        for place in places.tolist():
            low = int(place // 1)
            inside = 0 <= place <= 11
            values.append(signal[low] * (1 - place + low) + signal[min(low + 1, 11)] * (place - low) if inside else 0.0)
        expected = torch.tensor(values).view(4, 3).mean(1)
        torch.testing.assert_close(signal @ mask[:, :, duration, first], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("fuse", ["mean", "max", "conv"])
@pytest.mark.parametrize("residual", [False, True])
def test_fusion_is_the_stated_one(fuse, residual):
    layer = zoo.load("csa-action-detection-attention/tiny", fuse=fuse, residual=residual)
    semantics, features = torch.randn(2, 20, 7), torch.randn(2, 16, 7)
    weights = layer.weights(semantics)
    parts = [features * weights["channel"], features * weights["time"]]
    expected = {
        "mean": (parts[0] + parts[1]) / 2,
        "max": torch.maximum(*parts),
        "conv": layer.fuse(torch.cat(parts, 1)) if layer.fuse is not None else None,
    }[fuse]
    torch.testing.assert_close(layer(semantics, features), expected + features if residual else expected)


def test_channels_know_when_and_time_knows_its_neighbours():
    torch.manual_seed(0)
    layer = zoo.load("csa-action-detection-attention/tiny", reduction=1).eval()
    semantics = torch.zeros(1, 20, 16)
    semantics[0, 3, 2] = 5.0
    early, late = layer.weights(semantics), layer.weights(semantics.roll(12, -1))
    assert (early["channel"] - late["channel"]).abs().max() > 1e-5
    quiet = layer.weights(torch.zeros(1, 20, 16))["time"]
    changed = ((early["time"] - quiet).abs() > 1e-7)[0, 0].nonzero().flatten().tolist()
    assert set(changed) <= {0, 1, 2, 3, 4}
    assert 2 in changed


@pytest.mark.parametrize("axes", ["channel", "time"])
def test_one_axis_alone(axes):
    layer = zoo.load("csa-action-detection-attention/tiny", axes=axes, fuse="conv")
    semantics, features = torch.randn(1, 20, 1), torch.randn(1, 16, 1)
    torch.testing.assert_close(layer(semantics, features), features * layer.weights(semantics)[axes])


def test_community_names_fill_the_network():
    config = zoo.load("csa-action-detection-bmn/tiny").config
    state = {f"module.{name}": tensor for name, tensor in BMN(config).state_dict().items()}
    state["module.sample_mask"] = torch.zeros(16, 4 * 8 * 16)
    model = BMN(config)
    zoo.fill(model, convert(state, config))
    assert {name.partition(".")[0] for name in model.state_dict()} == {
        *("x_1d_b", "x_1d_s", "x_1d_e", "x_1d_p", "x_3d_p", "x_2d_p")
    }


def test_proposals_by_hand():
    start, end = torch.tensor([0.1, 0.9, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.2, 0.8])
    assert peaks(start).tolist() == [False, True, False, False]
    confidence = torch.full((1, 2, 4, 4), 0.5)
    confidence[0, :, 2, 1] = torch.tensor([0.6, 0.7])
    intervals, scores = propose(Boundaries(start[None], end[None], confidence))
    # From 1 to the end of 3: two points later, a duration of three.
    assert intervals.tolist() == [[0.25, 1.0]]
    assert scores.tolist() == pytest.approx([0.9 * 0.8 * 0.6 * 0.7])
    with pytest.raises(InputError, match="row"):
        propose(Boundaries(start[None], end[None], confidence), 1)


def test_targets_by_hand():
    config = BMNConfig(length=10, max_duration=6)
    found = targets(torch.tensor([[2.0, 6.0]]), config)
    assert found.overlap[3, 2] == 1
    assert found.overlap[1, 2] == 0.5
    assert found.overlap[5, 5] == 0
    # A region one point wide around 2 covers half of points 1 and 2.
    assert found.start.nonzero().flatten().tolist() == [1, 2]
    assert found.end.nonzero().flatten().tolist() == [5, 6]
    empty = targets(torch.zeros(0, 2), config)
    assert empty.overlap.abs().max() == 0


def test_loss_by_hand():
    probability, positive = torch.tensor([0.5, 0.25, 0.25, 0.25]), torch.tensor([True, False, False, False])
    expected = -0.5 * (torch.tensor(0.5).log() + torch.tensor(0.75).log())
    torch.testing.assert_close(balanced_logistic(probability, positive), expected, atol=1e-4, rtol=1e-4)
    config = BMNConfig(length=10, max_duration=6)
    truth = [targets(torch.tensor([[2.0, 6.0]]), config), targets(torch.zeros(0, 2), config)]
    overlap = torch.stack([t.overlap for t in truth])
    ideal = Boundaries(
        *((torch.stack([getattr(t, n) for t in truth]) > 0.5).float() for n in ("start", "end")),
        torch.stack((overlap, (overlap > 0.9).float()), 1),
    )
    assert bmn_loss(ideal, truth, config)["total"] < 1e-4
    ideal.confidence[:, 0] += 0.1
    assert bmn_loss(ideal, truth, config)["total"] == pytest.approx(10 * 0.01, rel=1e-3)


def test_a_step_lowers_the_loss():
    torch.manual_seed(0)
    model = zoo.load("csa-action-detection/tiny")
    features, truth = torch.randn(2, 20, 16), [targets(torch.tensor([[3.0, 9.0]]), model.config)] * 2
    optimiser, losses = torch.optim.Adam(model.parameters(), 1e-2), []
    for _ in range(15):
        losses.append(bmn_loss(model(features), truth, model.config)["total"])
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.8 * losses[0]


def test_configs_and_inputs_that_cannot_be_are_refused():
    for wrong in ({"hidden1": 18}, {"in_channels": 21}, {"num_samples": 1, "sub_samples": 1}, {"reduction": 17}):
        with pytest.raises(ConfigError):
            zoo.load("csa-action-detection/tiny", **wrong)
    with pytest.raises(InputError, match="features"):
        zoo.load("csa-action-detection/tiny")(torch.zeros(1, 20, 17))
    with pytest.raises(InputError, match="semantics"):
        zoo.load("csa-action-detection-attention/tiny")(torch.zeros(1, 20, 7), torch.zeros(1, 16, 8))


@pytest.mark.skipif(
    importlib.util.find_spec("seglearn") is None,
    reason="seglearn is not installed: pip install --no-deps seglearn==1.2.5",
)
def test_routines_mark_whole_pieces():
    drawn = routines(8, 64, held_out=True, seed=2)
    assert drawn.features.shape == (8, CHANNELS, 64)
    assert torch.allclose(drawn.features.mean(-1), torch.zeros(8, CHANNELS), atol=1e-4)
    assert any(len(actions) for actions in drawn.actions)
    for actions in drawn.actions:
        lengths = actions[:, 1] - actions[:, 0]
        assert ((lengths > 0) & (lengths <= LONGEST)).all()
        assert (actions[1:, 0] >= actions[:-1, 1]).all()
        assert actions.numel() == 0 or actions.max() <= 64
    again = routines(8, 64, held_out=True, seed=2)
    assert torch.equal(drawn.features, again.features)
