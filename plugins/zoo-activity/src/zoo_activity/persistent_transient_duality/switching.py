"""The task: walkers on smooth curves who, near an object, switch to circling it for a while."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_activity.persistent_transient_duality.config import SPACE, SwitchingConfig
from zoo_activity.persistent_transient_duality.objective import position_error, switch_f1

# Steps of a circling, and steps after it in which none begins.
SHORTEST, LONGEST, REST = 6, 12, 8


@dataclass(frozen=True)
class Episodes:
    """E episodes of T steps.

    Args:
        humans: (E, T, 1, 1, 3), one walker with one joint, metres.
        objects: (E, T, O, 3), at rest.
        circling: (E, T - 1, 1), 1 where the walker circles between a step and the next.
    """

    humans: Tensor
    objects: Tensor
    circling: Tensor


def episodes(config: SwitchingConfig, number: int, length: int, seed: int) -> Episodes:
    """Deterministic per seed. A walk heads for an object it has not visited, with a heading that turns smoothly."""
    random = np.random.default_rng(seed)
    humans = np.zeros((number, length, 1, 1, SPACE))
    objects = np.zeros((number, length, config.num_objects, SPACE))
    circling = np.zeros((number, length - 1, 1))
    for episode in range(number):
        things = random.uniform(-1, 1, (config.num_objects, 2))
        place, heading = random.uniform(-1, 1, 2), random.uniform(-math.pi, math.pi)
        goal, left, rest, sense = int(random.integers(config.num_objects)), 0, 0, 1
        objects[episode, :, :, :2] = things
        humans[episode, 0, 0, 0, :2] = place
        for time in range(length - 1):
            near = int(np.linalg.norm(things - place, axis=1).argmin())
            if not left and not rest and np.linalg.norm(things[near] - place) < config.radius:
                goal, left, sense = near, int(random.integers(SHORTEST, LONGEST + 1)), int(random.choice((-1, 1)))
            if left:
                circling[episode, time] = 1
                x, y = place - things[goal]
                angle = sense * config.turn
                turned = np.array(
                    (x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle))
                )
                heading = math.atan2(turned[1], turned[0])
                place, left = things[goal] + turned, left - 1
                if not left:
                    rest, goal = REST, int(random.integers(config.num_objects))
            else:
                rest = max(rest - 1, 0)
                aim = math.atan2(*(things[goal] - place)[::-1])
                # The angle to the goal within (-pi, pi]; while it rests, the walker goes on outwards.
                off = (aim - heading + math.pi) % (2 * math.pi) - math.pi
                heading += 0.0 if rest else float(np.clip(off, -0.4, 0.4))
                place = place + config.speed * np.array((math.cos(heading), math.sin(heading)))
            humans[episode, time + 1, 0, 0, :2] = place
    return Episodes(*(torch.from_numpy(part).float() for part in (humans, objects, circling)))


@dataclass(frozen=True)
class Case:
    """One episode up to now.

    Args:
        name: of the episode.
        humans: (observed, 1, 1, 3), metres.
        objects: (observed, O, 3).
        horizon: steps to forecast.
    """

    name: str
    humans: Tensor
    objects: Tensor
    horizon: int


@dataclass(frozen=True)
class Answer:
    """A forecast.

    Args:
        humans: (horizon, 1, 1, 3), metres.
        switch: (observed + horizon - 1,) or that with a last axis of 1, whether the walker circles, or None.
    """

    humans: Tensor
    switch: Tensor | None = None


class Switching:
    """The benchmark: ``cases()`` are episodes, a system maps a case to an ``Answer`` (or to positions alone)."""

    def __init__(self, config: SwitchingConfig) -> None:
        self.config = config

    @cached_property
    def episodes(self) -> Episodes:
        """All of them, with the truth."""
        config = self.config
        # Far from the seeds of training.
        return episodes(config, config.num_episodes, config.observed + config.horizon, 1_000_000 + config.seed)

    def cases(self) -> Iterator[Case]:
        """The observed parts."""
        known, observed = self.episodes, self.config.observed
        for index in range(self.config.num_episodes):
            parts = (known.humans[index, :observed], known.objects[index, :observed])
            yield Case(str(index), *parts, self.config.horizon)

    def score(self, answers: Mapping[str, Answer | Tensor]) -> dict[str, float]:
        """Mean position errors in metres over all steps, at the first and at the last; F1 of the switch, a share.

        The errors of standing still and of going on at the last velocity stand beside them.
        """
        true, observed, horizon = self.episodes.humans, self.config.observed, self.config.horizon
        given = [answers.get(str(index)) for index in range(self.config.num_episodes)]
        if missing := [str(index) for index, answer in enumerate(given) if answer is None]:
            raise InputError(f"no answer to {len(missing)} cases, the first is {missing[0]!r}; give one for each")
        found = [answer if isinstance(answer, Answer) else Answer(answer) for answer in given]  # type: ignore[arg-type]
        humans = torch.stack([answer.humans for answer in found])
        future = true[:, observed:]
        if humans.shape != future.shape:
            raise InputError(f"forecasts {list(humans.shape[1:])}; expected {list(future.shape[1:])}")
        errors = position_error(humans, future)
        last, velocity = true[:, observed - 1 : observed], true[:, observed - 1] - true[:, observed - 2]
        steps = torch.arange(1, horizon + 1).view(-1, 1, 1, 1)
        scores = {
            "error": float(errors.mean()),
            "error_first": float(errors[0]),
            "error_last": float(errors[-1]),
            "error_standing_still": float(position_error(last.expand_as(future), future).mean()),
            "error_same_velocity": float(position_error(last + steps * velocity[:, None], future).mean()),
        }
        if all(answer.switch is not None for answer in found):
            switch = torch.stack([answer.switch.reshape(-1) for answer in found if answer.switch is not None])
            scores["switch_f1"] = switch_f1(switch, self.episodes.circling[..., 0])
        return scores

    def run(self, system: Callable[[Case], Answer | Tensor]) -> dict[str, float]:
        """Ask a system for every case, and score."""
        return self.score({case.name: system(case) for case in self.cases()})


def same_velocity(case: Case) -> Tensor:
    """The baseline: the last step, again and again."""
    steps = torch.arange(1, case.horizon + 1).view(-1, 1, 1, 1)
    return case.humans[-1] + steps * (case.humans[-1] - case.humans[-2])


def forecaster(model: torch.nn.Module) -> Callable[[Case], Answer]:
    """A network of this package as a system of the task."""

    def system(case: Case) -> Answer:
        with torch.no_grad():
            found = model(case.humans[None], case.objects[None], horizon=case.horizon)
        return Answer(found.humans[0], found.switch[0])

    return system


def example(config: SwitchingConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """The baseline."""
    return {"system": same_velocity}
