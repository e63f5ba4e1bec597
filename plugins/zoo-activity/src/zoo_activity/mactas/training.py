"""Training in a real cooperative environment: a speaker who sees the goal, and a listener who must go there.

``simple_speaker_listener`` of the package mpe2 (the particle environments of PettingZoo; Lowe et al. 2017): the speaker
sees which of three landmarks is meant and cannot move; the listener sees the landmarks, and what the speaker says (one
of three words), and moves. Every step costs both the squared distance to the landmark that is meant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from zoo_activity.mactas.config import MactasConfig
from zoo_activity.mactas.environments import Parallel, petting_zoo
from zoo_activity.mactas.learning import Recipe, explore, learn, play
from zoo_activity.mactas.network import Mactas

MODULE = "mpe2.simple_speaker_listener_v4"
# ``learn`` tells of every hundred updates.
UPDATES, EVERY, STEPS = 2500, 100, 25
# Far from the seeds of training.
_ASKED = range(10**8, 10**8 + 40)


@dataclass(frozen=True)
class Learnt:
    """A team.

    Args:
        team: in eval mode.
        curve: its mean return after every ``EVERY`` updates, before the first one, too.
        arrivals: share of episodes at whose end the listener is nearest to the landmark that is meant, of three.
    """

    team: Mactas
    curve: tuple[float, ...]
    arrivals: float


def speaker_listener() -> Parallel:
    """The environment, with episodes of ``STEPS`` steps.

    Raises:
        MissingDependency: PettingZoo is not installed.
        InputError: mpe2 is not installed.
    """
    return petting_zoo(MODULE, continuous_actions=False, max_cycles=STEPS)


def asked(team: Mactas, environment: Parallel) -> tuple[float, float]:
    """Mean over 40 episodes, played greedily, of the sum of rewards, and of arrivals (see ``Learnt``)."""
    was_training = team.training
    team.eval()
    total = arrived = 0.0
    for seed in _ASKED:
        episode = play(team, environment, seed, lambda values, able: explore(values, able, 0.0, 1.0))
        total += float(episode["reward"].sum())
        world = environment.parallel.unwrapped.world
        place = world.agents[1].state.p_pos
        nearest = min(world.landmarks, key=lambda landmark: float(((landmark.state.p_pos - place) ** 2).sum()))
        arrived += nearest is world.agents[0].goal_b
    team.train(was_training)
    return total / len(_ASKED), arrived / len(_ASKED)


def teach(
    config: MactasConfig, *, updates: int = UPDATES, seed: int = 0, log: Callable[[str], None] | None = None
) -> Learnt:
    """Double Q-learning by replay; four minutes on one core with communication, half of it without."""
    torch.manual_seed(seed)
    environment, team = speaker_listener(), Mactas(config)
    curve = [asked(team, environment)[0]]
    recipe = Recipe(
        updates=updates,
        episodes_per_update=2,
        rate=1e-3,
        gamma=0.9,
        target_every=EVERY,
        exploration="epsilon",
        epsilon_steps=updates * STEPS,
    )

    def noted(line: str) -> None:
        curve.append(asked(team, environment)[0])
        if log is not None:
            log(f"{line}, return {curve[-1]:.1f}")

    learn(team, environment, recipe, seed=seed, log=noted)
    return Learnt(team.eval(), tuple(curve), asked(team, environment)[1])


def train(
    config: MactasConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Speaker and listener, scored by their return."""
    learnt = teach(config, seed=seed, log=log)
    return learnt.team, {"mean_return": round(learnt.curve[-1], 1), "arrivals": learnt.arrivals}
