"""The persistent-transient duality: what is particular to it."""

from __future__ import annotations

import math

import pytest
import torch

import zoo
from zoo.errors import InputError
from zoo_activity.persistent_transient_duality.config import DualityConfig, SwitchingConfig
from zoo_activity.persistent_transient_duality.network import example
from zoo_activity.persistent_transient_duality.objective import loss, position_error, switch_f1
from zoo_activity.persistent_transient_duality.switching import Answer, Switching, episodes, forecaster, same_velocity
from zoo_activity.persistent_transient_duality.training import fit


@pytest.fixture
def model():
    torch.manual_seed(0)
    return zoo.load("persistent-transient-duality/tiny").eval()


def test_chunks_are_one_long_call(model):
    inputs = example(model.config)
    whole = model(**inputs)
    state, nexts, switch = None, [], []
    for chunk in ((0, 1), (1, 3), (3, 4)):
        part = {name: value[:, slice(*chunk)] for name, value in inputs.items() if name != "classes"}
        found = model(**part, classes=inputs["classes"], state=state)
        state = found.state
        nexts.append(found.next_humans)
        switch.append(found.switch[:, : chunk[1] - chunk[0]])
    torch.testing.assert_close(torch.cat(nexts, 1), whole.next_humans)
    torch.testing.assert_close(torch.cat(switch, 1), whole.switch[:, :4])
    torch.testing.assert_close(found.humans, whole.humans)
    # Without the state a call begins anew.
    torch.testing.assert_close(model(**inputs).humans, whole.humans, rtol=0, atol=0)


def test_the_first_forecast_is_the_last_next_step(model):
    found = model(**example(model.config), horizon=5)
    assert found.humans.shape == (2, 5, 2, 5, 3)
    assert found.objects.shape == (2, 5, 3, 6)
    assert found.switch.shape == (2, 4 + 4, 2)
    assert torch.equal(found.humans[:, 0], found.next_humans[:, -1])


def test_who_is_not_there_does_not_count(model):
    inputs = example(model.config)
    masks = {
        "human_mask": torch.tensor([[True, False]] * 2),
        "object_mask": torch.tensor([[True, True, False]] * 2),
    }
    other = {name: value.clone() for name, value in inputs.items()}
    other["humans"][:, :, 1] += 3
    other["objects"][:, :, 2] += 3
    found, same = model(**inputs, **masks), model(**other, **masks)
    torch.testing.assert_close(found.humans[:, :, 0], same.humans[:, :, 0], rtol=0, atol=0)
    torch.testing.assert_close(found.objects[:, :, :2], same.objects[:, :, :2], rtol=0, atol=0)
    assert not torch.equal(model(**inputs).humans[:, :, 0], model(**other).humans[:, :, 0])


def test_a_human_alone_with_nothing(model):
    inputs = {"humans": torch.randn(1, 4, 1, 5, 3), "objects": torch.zeros(1, 4, 0, 6)}
    found = model(**inputs)
    assert found.humans.isfinite().all()
    assert found.objects.shape == (1, 3, 0, 6)


def test_messages_by_hand(model):
    """One human's message: softmax over the other human and all objects together, by type."""
    persistent = model.persistent
    states = {"human": torch.randn(1, 2, 16), "object": torch.randn(1, 3, 16)}
    masks = {"human": torch.ones(1, 2, dtype=torch.bool), "object": torch.tensor([[True, False, True]])}
    found = persistent.messages(states, masks, "human")[0, 0]
    logits, values = [], []
    for kind, index in (("human", 1), ("object", 0), ("object", 2)):
        pair = persistent.msg[f"human_{kind}"]
        sender = states[kind][0, index]
        logits.append(pair.query(states["human"][0, 0]) @ pair.key(sender) / 4)
        values.append(pair.value(sender))
    expected = torch.stack(logits).softmax(0) @ torch.stack(values)
    torch.testing.assert_close(found, expected)


def test_near_objects_count_more(model):
    attention = model.transient.attn
    with torch.no_grad():
        attention.key.weight.zero_()
        attention.value.weight.copy_(torch.eye(16))
    objects = torch.zeros(1, 1, 2, 16)
    objects[..., 0, 0] = objects[..., 1, 1] = 1
    distance = torch.tensor([[[1.0, 3.0]]])
    found = attention(torch.randn(1, 1, 16), objects, distance, torch.ones(1, 2, dtype=torch.bool))[0, 0]
    near = 1 / (1 + math.exp(-2 * math.log(2)))
    assert found[:2].tolist() == pytest.approx([near, 1 - near])


def test_metrics_by_hand():
    true = torch.zeros(1, 2, 1, 2, 3)
    found = true.clone()
    found[0, 0, 0, 0] = torch.tensor([3.0, 4.0, 0.0])
    found[0, 1] = 1
    assert position_error(found, true).tolist() == pytest.approx([2.5, math.sqrt(3)], abs=1e-5)
    two = torch.cat((true, true + 9), 2)
    assert position_error(torch.cat((found, found), 2), two, torch.tensor([[True, False]])).tolist() == pytest.approx(
        [2.5, math.sqrt(3)], abs=1e-5
    )
    # Two hits, one false alarm, one miss: 4 / (4 + 2).
    assert switch_f1(torch.tensor([1, 1, 1, 0, 0]), torch.tensor([1, 1, 0, 1, 0])) == pytest.approx(2 / 3)
    assert switch_f1(torch.zeros(3), torch.ones(3)) == 0


def test_the_loss_uses_labels_only_where_given(model):
    inputs = example(model.config)
    humans, objects = torch.randn(2, 7, 2, 5, 3), torch.randn(2, 7, 3, 6)
    found = model(**inputs)
    plain = loss(found, humans, objects)
    labels = torch.ones_like(found.switch)
    expected = plain - found.probability.clamp(1e-6, 1 - 1e-6).log().mean()
    torch.testing.assert_close(loss(found, humans, objects, labels), expected)


def test_walkers_circle_where_they_are_said_to():
    task = SwitchingConfig()
    known = episodes(task, 20, 30, 3)
    steps = known.humans[:, :, 0, 0].diff(dim=1).norm(dim=-1)
    walking = known.circling[..., 0] == 0
    torch.testing.assert_close(steps[walking], torch.full_like(steps[walking], task.speed), rtol=1e-4, atol=1e-5)
    # Circling keeps the distance to one object.
    distance = (known.humans[:, :, 0] - known.objects).norm(dim=-1)
    kept = (distance.diff(dim=1).abs() < 1e-5).any(-1)
    assert kept[~walking].all()
    assert 0.2 < (~walking).float().mean() < 0.8
    again = episodes(task, 20, 30, 3)
    assert torch.equal(known.humans, again.humans)


def test_the_task_scores_any_system():
    task = Switching(SwitchingConfig(num_episodes=12))
    scores = task.run(same_velocity)
    assert scores["error"] == pytest.approx(scores["error_same_velocity"])
    assert "switch_f1" not in scores
    truth = iter(range(12))

    def oracle(case):
        index = next(truth)
        return Answer(task.episodes.humans[index, 10:], task.episodes.circling[index])

    best = task.run(oracle)
    assert best["error"] < 1e-5
    assert best["switch_f1"] == 1
    with pytest.raises(InputError, match="no answer"):
        task.score({})
    with pytest.raises(InputError, match="expected"):
        task.run(lambda case: torch.zeros(3, 1, 1, 3))


def test_a_few_steps_of_training():
    task = SwitchingConfig(num_episodes=4)
    model = fit(DualityConfig(dim=8, transient_dim=8, num_joints=1, object_dim=3, num_objects=2), task, steps=2)
    assert 0 <= Switching(task).run(forecaster(model))["switch_f1"] <= 1


def test_bad_input_is_refused(model):
    with pytest.raises(InputError, match="humans"):
        model(torch.zeros(2, 4, 2, 4, 3), torch.zeros(2, 4, 3, 6))
    with pytest.raises(InputError, match="humans"):
        model(torch.zeros(2, 0, 2, 5, 3), torch.zeros(2, 0, 3, 6))
    with pytest.raises(InputError, match="objects"):
        model(torch.zeros(2, 4, 2, 5, 3), torch.zeros(2, 3, 3, 6))
