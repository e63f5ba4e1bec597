"""What the paper promises and a machine can check."""

from __future__ import annotations

from typing import Any

import torch

import zoo
from zoo import Measurement
from zoo.evidence.measuring import count_parameters
from zoo_activity.mactas.benchmark import CueTask, team_system
from zoo_activity.mactas.config import CuesConfig, MactasConfig
from zoo_activity.mactas.environments import Cues
from zoo_activity.mactas.facts import SPEAKER_LISTENER
from zoo_activity.mactas.learning import Recipe, learn
from zoo_activity.mactas.network import Mactas, example
from zoo_activity.mactas.training import UPDATES as UPDATES_TAUGHT
from zoo_activity.mactas.training import teach

UPDATES = 500


def _tiny(**overrides: Any) -> Mactas:
    """Its branches end at full scale: at the small one of the beginning, messages would hide in rounding."""
    torch.manual_seed(0)
    team: Mactas = zoo.load("mactas/tiny", **{"init_scale": 1.0, **overrides}).eval()
    return team


def check_any_number() -> Measurement:
    """Build for 3, 8 and 27 agents, and run the state of the first on all."""
    teams = [_tiny(num_agents=agents) for agents in (3, 8, 27)]
    counts = [count_parameters(team) for team in teams]
    shapes = []
    for team, agents in zip(teams, (3, 8, 27), strict=True):
        team.load_state_dict(teams[0].state_dict())
        shapes.append(team(torch.randn(1, 2, agents, team.config.obs_dim)).values.shape[2])
    return Measurement(f"{', '.join(map(str, counts))} parameters", len(set(counts)) == 1 and shapes == [3, 8, 27])


def check_exchangeable() -> Measurement:
    """Permute five agents; and, against a module without messages, change one agent."""
    torch.manual_seed(0)
    module = zoo.load("mactas-communication", init_scale=1.0).eval()
    h, order = torch.randn(4, 5, 64), torch.tensor([3, 0, 4, 1, 2])
    with torch.no_grad():
        found = module(h)
        apart = float((module(h[:, order]) - found[:, order]).abs().max())
        other = h.clone()
        # Not a shift: the norm would take it out.
        other[:, 0].neg_()
        heard = float((module(other) - found)[:, 1:].abs().max())
    return Measurement(f"{apart:.1e} apart; another agent's change is heard: {heard:.2g}", apart < 1e-6 < heard)


def check_differentiable() -> Measurement:
    """The smallest gradient of an agent's values with respect to another's observation."""
    least = []
    for communicate in (True, False):
        team = _tiny(communicate=communicate)
        observations = torch.randn(1, 1, 3, team.config.obs_dim, requires_grad=True)
        values = team(observations).values[0, 0]
        sizes = [torch.autograd.grad(values[j].sum(), observations, retain_graph=True)[0] for j in range(3)]
        least.append(min(float(sizes[j][0, 0, i].norm()) for j in range(3) for i in range(3) if i != j))
    return Measurement(f"at least {least[0]:.2g}; without communication {least[1]:g}", least[0] > 0 == least[1])


def check_recovers_base() -> Measurement:
    """Teams with silent messages against teams without the module, with both mixers; and with messages."""
    apart, moved = [], []
    for mixer in ("vdn", "qmix"):
        team, base = _tiny(mixer=mixer), _tiny(mixer=mixer, communicate=False)
        base.load_state_dict({name: value for name, value in team.state_dict().items() if name in base.state_dict()})
        inputs = example(team.config)
        with torch.no_grad():
            plain, loud = base(**inputs), team(**inputs)
            assert team.comm is not None
            team.comm.silence()
            silent = team(**inputs)
        apart += [float((silent.values - plain.values).abs().max()), float((silent.total - plain.total).abs().max())]
        moved.append(float((loud.total - plain.total).abs().max()))
    return Measurement(f"silent: {max(apart):g} apart; with messages {min(moved):.2g}", max(apart) == 0 < min(moved))


def check_cues() -> Measurement:
    """Learn two agents' cues by replay and VDN, with and without communication."""
    task, rewards = CuesConfig(num_agents=2, num_cues=3), []
    recipe = Recipe(
        updates=UPDATES, episodes_per_update=2, batch=128, rate=5e-3, gamma=0.0, epsilon_steps=600, tau_end=0.1
    )
    for communicate in (True, False):
        torch.manual_seed(0)
        config = MactasConfig(
            num_agents=2, obs_dim=3, num_actions=3, state_dim=6, dim=32, hidden_dim=64, communicate=communicate
        )
        team = learn(Mactas(config), Cues(task), recipe)
        rewards.append(CueTask(task).run(team_system(team.eval()))["reward"])
    return Measurement(
        f"{rewards[0]:.1%} with communication, {rewards[1]:.1%} without; chance 33.3%",
        rewards[0] > 0.95 and rewards[1] < 0.45,
        f"{UPDATES} updates, width 32; steps are independent, so gamma = 0",
    )


def check_speaker_listener() -> Measurement:
    """Teach speaker and listener with MACTAS, by VDN alone, and each for itself; ask where listeners end."""
    kinds: dict[str, dict[str, Any]] = {
        "MACTAS": {},
        "VDN without communication": {"communicate": False},
        "independent learners": {"communicate": False, "mixer": "none"},
    }
    found = {name: teach(MactasConfig(**{**SPEAKER_LISTENER, **options})) for name, options in kinds.items()}
    figures = "; ".join(f"{name} {learnt.curve[-1]:.1f}, {learnt.arrivals:.0%}" for name, learnt in found.items())
    best = found["MACTAS"]
    others = [learnt for name, learnt in found.items() if name != "MACTAS"]
    return Measurement(
        f"mean return, and episodes that end nearest to the landmark that is meant (chance 33%): {figures}",
        all(best.curve[-1] > learnt.curve[-1] and best.arrivals > learnt.arrivals for learnt in others),
        f"simple_speaker_listener of mpe2, {UPDATES_TAUGHT:,} updates, one seed, 40 episodes",
    )
