"""MACTAS: what is particular to it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import zoo
from zoo.errors import ConfigError, InputError, MissingDependency
from zoo_activity.mactas.benchmark import CueTask, own_cue, team_system
from zoo_activity.mactas.config import CuesConfig, MactasConfig
from zoo_activity.mactas.environments import Cues, Parallel, petting_zoo
from zoo_activity.mactas.learning import Recipe, explore, learn, play, temporal_difference
from zoo_activity.mactas.mixers import QMIX
from zoo_activity.mactas.network import Mactas, example
from zoo_activity.mactas.replay import Replay


@pytest.fixture
def team():
    torch.manual_seed(0)
    return zoo.load("mactas/tiny", init_scale=1.0).eval()


def test_parameters_of_the_module_by_hand():
    # Two norms, in and out projections, two layers of the feed-forward network.
    expected = 2 * 128 + (64 * 192 + 192) + (64 * 64 + 64) + (64 * 128 + 128) + (128 * 64 + 64)
    assert zoo.info("mactas-communication").parameters == expected == 33_472


@pytest.mark.parametrize("state", ["pre", "post"])
def test_chunks_are_one_long_call(state):
    torch.manual_seed(0)
    team = zoo.load("mactas/tiny", init_scale=1.0, state=state).eval()
    inputs = example(team.config)
    del inputs["actions"], inputs["state"]
    whole, hidden, parts = team(**inputs), None, []
    for chunk in (slice(0, 1), slice(1, 4)):
        found = team(**{name: value[:, chunk] for name, value in inputs.items()}, hidden=hidden)
        hidden = found.hidden
        parts.append(found.values)
    torch.testing.assert_close(torch.cat(parts, 1), whole.values)
    torch.testing.assert_close(hidden, whole.hidden)
    torch.testing.assert_close(team(**inputs).values, whole.values, rtol=0, atol=0)


def test_what_is_remembered():
    """Before communication, another agent's past leaves no trace; after it, it does."""
    for state, traces in (("pre", False), ("post", True)):
        torch.manual_seed(0)
        team = zoo.load("mactas/tiny", init_scale=1.0, state=state).eval()
        inputs = example(team.config)
        other = inputs["observations"].clone()
        other[:, 0, 1] += 1
        first, second = team(inputs["observations"]), team(other)
        assert (not torch.equal(first.hidden[:, 0], second.hidden[:, 0])) == traces
        assert not torch.equal(first.values[:, 0, 0], second.values[:, 0, 0])


def test_dead_agents_neither_say_nor_hear(team):
    module = team.comm
    h = torch.randn(2, 4, 16)
    alive = torch.tensor([[True, True, False, True], [False, False, False, False]])
    found = module(h, alive)
    assert torch.equal(found[0, 2], h[0, 2])
    assert torch.equal(found[1], h[1])
    other = h.clone()
    other[0, 2] = torch.randn(16)
    assert torch.equal(module(other, alive)[0, [0, 1, 3]], found[0, [0, 1, 3]])
    torch.testing.assert_close(found[0, [0, 1, 3]], module(h[:1, [0, 1, 3]])[0])


def test_unavailable_actions_and_first_steps(team):
    inputs = example(team.config)
    available = torch.ones(2, 4, 3, 4, dtype=torch.bool)
    available[..., 2] = False
    found = team(inputs["observations"], available=available)
    assert (found.values.argmax(-1) != 2).all()
    none = torch.full((2, 4, 3), -1)
    torch.testing.assert_close(team(inputs["observations"], none).values, team(inputs["observations"]).values)


def test_mixers_by_hand():
    config = MactasConfig(num_agents=2, mixer="qmix", state_dim=1, mixer_dim=1, hyper_dim=1)
    qmix = QMIX(config)
    with torch.no_grad():
        for weight in qmix.parameters():
            weight.fill_(0)
        qmix.hyper1[2].bias.copy_(torch.tensor([-2.0, 3.0]))
        qmix.bias1.bias.fill_(-10.0)
        qmix.hyper2[2].bias.fill_(-0.5)
        qmix.bias2[2].bias.fill_(7.0)
    # elu(2 * 1 + 3 * 1 - 10) * 0.5 + 7
    value = qmix(torch.ones(1, 1, 2), torch.zeros(1, 1, 1)).item()
    assert value == pytest.approx((math.exp(-5) - 1) * 0.5 + 7)
    vdn = zoo.load("mactas/tiny").mixer
    assert vdn(torch.tensor([[[1.0, 2.0, 4.0]]])).tolist() == [[[7.0]]]
    chosen = torch.randn(1, 2, 3)
    assert zoo.load("mactas/tiny", mixer="none").mixer(chosen) is chosen


def test_qmix_never_punishes_an_agent():
    torch.manual_seed(0)
    mixer = zoo.load("mactas/tiny", mixer="qmix").mixer
    chosen = torch.randn(20, 5, 3, requires_grad=True)
    mixer(chosen, torch.randn(20, 5, 8)).sum().backward()
    assert (chosen.grad >= 0).all()
    with pytest.raises(InputError, match="state"):
        mixer(chosen)
    with pytest.raises(InputError, match="agents"):
        mixer(chosen[..., :2], torch.randn(20, 5, 8))


def test_exploration():
    random = torch.Generator().manual_seed(0)
    values = torch.tensor([1.0, 3.0, 2.0, 9.0]).expand(4000, 2, 4)
    available = torch.tensor([True, True, True, False]).expand_as(values)
    assert (explore(values, available, 0.0, 1.0, generator=random) == 1).all()
    uniform = explore(values, available, 1.0, 1.0, "epsilon", random)
    assert torch.bincount(uniform.flatten(), minlength=4)[3] == 0
    assert float((uniform == 0).float().mean()) == pytest.approx(1 / 3, abs=0.03)
    warm = explore(values, available, 1.0, 2.0, "epsilon_boltzmann", random)
    expected = torch.tensor([0.5, 1.5, 1.0]).softmax(0)
    found = torch.bincount(warm.flatten(), minlength=3)[:3] / warm.numel()
    torch.testing.assert_close(found, expected, atol=0.03, rtol=0)
    # One coin: both explore or neither does. An explorer who draws the best hides, hence the pairs.
    joint = explore(values, available, 0.5, 1.0, "joint_epsilon", random) == 1
    both = float(joint.all(-1).float().mean())
    assert both == pytest.approx(0.5 + 0.5 / 9, abs=0.03)
    alone = explore(values, available, 0.5, 1.0, "epsilon", random) == 1
    assert float(alone.all(-1).float().mean()) == pytest.approx((0.5 + 0.5 / 3) ** 2, abs=0.03)
    with pytest.raises(InputError, match="exploration"):
        explore(values, available, 0.5, 1.0, "greedy")


class _Fixed(torch.nn.Module):
    """A team with stated values."""

    def __init__(self, values, mixer):
        super().__init__()
        self.values, self.mixer = values, mixer

    def forward(self, observations, last, available, alive, actions=None, state=None):
        total = None if actions is None else self.mixer(self.values.gather(-1, actions[..., None])[..., 0], state)
        return type("Found", (), {"values": self.values, "total": total})


def test_the_double_q_target_by_hand():
    """The online team picks the action, the target team says what it is worth; padding and ends count for nothing."""
    mixer = zoo.load("mactas/tiny").mixer
    online = _Fixed(torch.tensor([[[[1.0, 2.0]], [[5.0, 4.0]], [[0.0, 1.0]], [[9.0, 9.0]]]]), mixer)
    target = _Fixed(torch.tensor([[[[0.0, 0.0]], [[10.0, 20.0]], [[30.0, 40.0]], [[7.0, 7.0]]]]), mixer)
    batch = {
        **{name: torch.zeros(1, 4, 1) for name in ("observations", "last_actions", "available", "alive", "state")},
        "actions": torch.tensor([[[1], [0], [0]]]),
        "reward": torch.tensor([[[1.0], [2.0], [3.0]]]),
        "done": torch.tensor([[[0.0], [1.0], [0.0]]]),
        "filled": torch.tensor([[[1.0], [1.0], [0.0]]]),
    }
    # Step 0: 2 - (1 + 0.5 * 10); step 1 is the last: 5 - 2.
    value = temporal_difference(online, target, batch, 0.5)
    assert value.item() == pytest.approx((16 + 9) / 2)


def test_replay_forgets_and_pads():
    replay = Replay(capacity=2)
    for length in (1, 2, 3):
        replay.add(
            {
                "actions": torch.full((length, 2), length),
                "reward": torch.ones(length, 1),
                "observations": torch.ones(length + 1, 2, 3),
            }
        )
    batch = replay.sample(5)
    assert len(replay) == 2
    assert sorted(batch["filled"].sum((1, 2)).tolist()) == [2, 3]
    assert batch["observations"].shape == (2, 4, 2, 3)
    with pytest.raises(InputError, match="one more"):
        replay.add({"actions": torch.zeros(2, 1), "observations": torch.zeros(2, 1), "reward": torch.zeros(2, 1)})
    with pytest.raises(InputError, match="empty"):
        Replay().sample(1)


def test_cues_pay_for_their_sum():
    environment = Cues(CuesConfig(num_agents=3, num_cues=4, length=2))
    step = environment.reset(3)
    wanted = int(step["observations"].argmax(-1).sum()) % 4
    step, reward, done = environment.step(np.array([wanted, wanted, (wanted + 1) % 4]))
    assert reward == pytest.approx(2 / 3)
    assert not done
    assert environment.step(np.zeros(3))[2]


def test_the_task_of_cues():
    task = CueTask(CuesConfig(num_agents=2, num_cues=3, length=2, num_episodes=300))
    scores = task.run(own_cue)
    assert scores["reward"] == pytest.approx(1 / 3, abs=0.06)
    assert scores["silent"] == pytest.approx(1 / 3)
    right = task.run(lambda case: (case.observations.argmax(-1).sum(-1) % 3)[:, None].expand(-1, 2))
    assert right["reward"] == 1
    with pytest.raises(InputError, match="no answer"):
        task.score({})
    with pytest.raises(InputError, match="expected"):
        task.run(lambda case: torch.zeros(1))


@pytest.mark.parametrize("mixer", ["vdn", "qmix", "none"])
def test_a_few_updates_with_every_mixer(mixer):
    torch.manual_seed(0)
    task = CuesConfig(num_agents=2, num_cues=3, length=3)
    config = MactasConfig(
        num_agents=2, obs_dim=3, num_actions=3, state_dim=6, dim=8, num_heads=2, mixer=mixer, agent_id=True
    )
    team = Mactas(config)
    before = {name: value.clone() for name, value in team.state_dict().items()}
    learn(team, Cues(task), Recipe(updates=3, batch=4, target_every=2))
    changed = [name for name, value in team.state_dict().items() if not torch.equal(value, before[name])]
    assert any(name.startswith("comm") for name in changed)
    assert any(name.startswith("mixer") for name in changed) == (mixer == "qmix")
    actions = team_system(team)(next(CueTask(task).cases()))
    assert actions.shape == (3, 2)


def test_the_optimiser_is_the_named_one():
    task, found = CuesConfig(num_agents=2, num_cues=3), {}
    for optimiser in ("adam", "rmsprop"):
        torch.manual_seed(0)
        team = Mactas(MactasConfig(num_agents=2, obs_dim=3, num_actions=3, state_dim=6, dim=8, num_heads=2))
        found[optimiser] = learn(team, Cues(task), Recipe(updates=1, optimiser=optimiser)).agent.q.weight
    assert not torch.equal(found["adam"], found["rmsprop"])
    with pytest.raises(InputError, match="optimiser"):
        learn(team, Cues(task), Recipe(updates=1, optimiser="sgd"))


class _Space:
    def __init__(self, **facts):
        self.__dict__.update(facts)


class _Parallel:
    """Two agents with unlike observations and actions, of whom one leaves after a step."""

    possible_agents = ("a", "b")
    out_of_time = False

    def observation_space(self, name):
        return _Space(shape=(2, 2) if name == "a" else (3,))

    def action_space(self, name):
        return _Space(n=2 if name == "a" else 3)

    def reset(self, seed=None):
        self.agents, self.given = ["a", "b"], []
        return {"a": np.ones((2, 2)), "b": np.full(3, 2.0)}, {"b": {"action_mask": [0, 1, 0]}}

    def step(self, actions):
        self.given.append(actions)
        self.agents = ["b"] if len(self.given) == 1 else []
        over = {"b": not self.agents}
        ended, cut = ({}, over) if self.out_of_time else (over, {})
        return {"b": np.full(3, 3.0)}, {"a": 1.0, "b": 2.0}, ended, cut, {}


def test_a_parallel_environment_is_played():
    environment = Parallel(_Parallel())
    team = Mactas(MactasConfig(num_agents=2, obs_dim=4, num_actions=3, state_dim=8, dim=8, num_heads=2))
    episode = play(team, environment, 0, lambda values, available: values.argmax(-1))
    assert episode["reward"].flatten().tolist() == [1.5, 1.5]
    assert episode["alive"].tolist() == [[True, True], [False, True], [False, False]]
    assert episode["available"][0].tolist() == [[True, True, False], [False, True, False]]
    assert episode["available"][1].tolist() == [[True, True, False], [True, True, True]]
    assert environment.parallel.given[0]["b"] == 1
    assert episode["observations"][0].tolist() == [[1, 1, 1, 1], [2, 2, 2, 0]]
    assert set(environment.parallel.given[1]) == {"b"}


@pytest.mark.parametrize("out_of_time", [False, True])
def test_running_out_of_time_is_no_end(out_of_time):
    environment = Parallel(_Parallel())
    environment.parallel.out_of_time = out_of_time
    team = Mactas(MactasConfig(num_agents=2, obs_dim=4, num_actions=3, state_dim=8, dim=8, num_heads=2))
    episode = play(team, environment, 0, lambda values, available: values.argmax(-1))
    assert episode["done"].flatten().tolist() == [0, not out_of_time]


def test_pettingzoo_is_optional(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pettingzoo", None)
    with pytest.raises(MissingDependency, match="pettingzoo"):
        petting_zoo("pettingzoo.butterfly.knights_archers_zombies_v10")


def test_bad_input_is_refused(team):
    with pytest.raises(InputError, match="observations"):
        team(torch.zeros(2, 4, 3, 5))
    with pytest.raises(InputError, match="observations"):
        team(torch.zeros(2, 0, 3, 6))
    named = zoo.load("mactas/tiny", agent_id=True)
    with pytest.raises(InputError, match="names for 3"):
        named(torch.zeros(2, 4, 5, 6))
    with pytest.raises(ConfigError):
        zoo.load("mactas", num_heads=5)
