"""Environments: an interface of dicts of arrays, the task of cues, and PettingZoo's parallel environments."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from zoo.errors import InputError
from zoo.targets import require
from zoo_activity.mactas.config import CuesConfig

Array = np.ndarray[Any, np.dtype[Any]]
Step = dict[str, Array]
"""observations (n, obs) float, state (S,) float, available (n, A) boolean, alive (n,) boolean."""


class Environment(Protocol):
    """A cooperative environment: one reward for the team.

    ``broken_off`` says of an episode that is over that it only ran out of time: its last state keeps its value.
    """

    broken_off: bool

    def reset(self, seed: int) -> Step:
        """Begin an episode."""
        ...

    def step(self, actions: Array) -> tuple[Step, float, bool]:
        """Act (n,): what is seen next, the reward, whether the episode is over."""
        ...


class Cues:
    """Each agent sees its own cue c_i alone and must play the sum of all cues modulo their number.

    The reward is the share of agents that do. Without communication nothing beats 1 / num_cues.
    """

    def __init__(self, config: CuesConfig) -> None:
        self.config = config
        self.broken_off = False
        self.random = np.random.default_rng(0)
        self.cues = np.zeros(config.num_agents, dtype=np.int64)
        self.time = 0

    def reset(self, seed: int) -> Step:
        """New cues."""
        self.random, self.time = np.random.default_rng(seed), 0
        return self._draw()

    def step(self, actions: Array) -> tuple[Step, float, bool]:
        """Reward of these actions (n,), then new cues."""
        reward = float((np.asarray(actions) == self.target).mean())
        self.time += 1
        return self._draw(), reward, self.time >= self.config.length

    @property
    def target(self) -> int:
        """The right action."""
        return int(self.cues.sum() % self.config.num_cues)

    def _draw(self) -> Step:
        agents, cues = self.config.num_agents, self.config.num_cues
        self.cues = self.random.integers(cues, size=agents)
        seen = np.eye(cues, dtype=np.float32)[self.cues]
        return {
            "observations": seen,
            "state": seen.reshape(-1),
            "available": np.ones((agents, cues), dtype=bool),
            "alive": np.ones(agents, dtype=bool),
        }


class Parallel:
    """A parallel environment of PettingZoo with discrete actions; the team's reward is the agents' mean.

    Args:
        parallel: the environment. Its observations are flattened and padded with zeros to the longest, actions that an
            agent lacks, or that its ``action_mask`` (in its infos) forbids, are not available, and where it has no
            ``state()``, the state is all observations.
    """

    def __init__(self, parallel: Any) -> None:
        self.parallel = parallel
        self.broken_off = False
        self.names = list(parallel.possible_agents)
        self.sizes = {name: int(np.prod(parallel.observation_space(name).shape)) for name in self.names}
        self.actions = {}
        for name in self.names:
            space = parallel.action_space(name)
            if not hasattr(space, "n"):
                raise InputError(f"agent {name!r} has the actions {space}; expected a discrete space")
            self.actions[name] = int(space.n)

    def reset(self, seed: int) -> Step:
        """Begin an episode."""
        observations, infos = self.parallel.reset(seed=seed)
        return self._seen(observations, infos)

    def step(self, actions: Array) -> tuple[Step, float, bool]:
        """Act (n,); what dead agents choose is left out."""
        living = set(self.parallel.agents)
        given = {name: int(action) for name, action in zip(self.names, actions, strict=True) if name in living}
        observations, rewards, ended, cut, infos = self.parallel.step(given)
        over = not self.parallel.agents
        self.broken_off = over and any(cut.values()) and not any(ended.values())
        reward = float(np.mean(list(rewards.values()))) if rewards else 0.0
        return self._seen(observations, infos), reward, over

    def _seen(self, observations: Mapping[str, Any], infos: Mapping[str, Any]) -> Step:
        rows = np.zeros((len(self.names), max(self.sizes.values())), dtype=np.float32)
        available = np.zeros((len(self.names), max(self.actions.values())), dtype=bool)
        for index, name in enumerate(self.names):
            mask = infos.get(name, {}).get("action_mask") if name in self.parallel.agents else None
            available[index, : self.actions[name]] = True if mask is None else np.asarray(mask, dtype=bool)
            if name in observations:
                rows[index, : self.sizes[name]] = np.asarray(observations[name], dtype=np.float32).reshape(-1)
        try:
            state = np.asarray(self.parallel.state(), dtype=np.float32).reshape(-1)
        except (AttributeError, NotImplementedError):
            state = rows.reshape(-1)
        alive = np.array([name in self.parallel.agents for name in self.names])
        return {"observations": rows, "state": state, "available": available, "alive": alive}


def petting_zoo(module: str, **options: Any) -> Parallel:
    """A parallel environment by its module.

    Args:
        module: such as "pettingzoo.butterfly.knights_archers_zombies_v10".
        options: of its ``parallel_env``.

    Raises:
        MissingDependency: PettingZoo is not installed.
        InputError: it has no such module.
    """
    require("pettingzoo", needed_by="MACTAS in PettingZoo's environments")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"{module} cannot be imported ({error}); expected a module with parallel_env") from error
    return Parallel(found.parallel_env(**options))
