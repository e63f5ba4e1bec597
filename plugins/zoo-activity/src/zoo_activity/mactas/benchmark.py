"""The benchmark: cues that one agent sees and all need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_activity.mactas.config import CuesConfig
from zoo_activity.mactas.environments import Cues
from zoo_activity.mactas.network import Mactas


@dataclass(frozen=True)
class Cue:
    """One case.

    Args:
        name: of the episode.
        observations: (length, n, num_cues), one-hot, each agent's own cue.
    """

    name: str
    observations: Tensor


class CueTask:
    """``cases()`` are episodes, a system maps one to actions (length, n); each agent is to play sum(cues) mod K."""

    def __init__(self, config: CuesConfig) -> None:
        self.config = config

    def cases(self) -> Iterator[Cue]:
        """The episodes; whatever was played, the cues are the same."""
        environment = Cues(self.config)
        for index in range(self.config.num_episodes):
            # Far from the seeds of training.
            step, seen = environment.reset(10**9 + self.config.seed * 10**6 + index), []
            for _ in range(self.config.length):
                seen.append(torch.from_numpy(step["observations"]))
                step, _, _ = environment.step(step["observations"].argmax(-1))
            yield Cue(str(index), torch.stack(seen))

    def score(self, answers: Mapping[str, Tensor]) -> dict[str, float]:
        """``reward``: the share of agents and steps with the right action; ``silent``, the best without communication.

        With one agent nothing needs to be said, and ``silent`` is 1.
        """
        right = []
        for case in self.cases():
            if case.name not in answers:
                raise InputError(f"no answer to episode {case.name!r}; give actions for each")
            actions = answers[case.name]
            if actions.shape != case.observations.shape[:2]:
                raise InputError(f"actions {list(actions.shape)}; expected {list(case.observations.shape[:2])}")
            wanted = case.observations.argmax(-1).sum(-1) % self.config.num_cues
            right.append((actions == wanted[:, None]).float().mean())
        silent = 1.0 if self.config.num_agents == 1 else 1 / self.config.num_cues
        return {"reward": float(torch.stack(right).mean()), "silent": silent}

    def run(self, system: Callable[[Cue], Tensor]) -> dict[str, float]:
        """Ask a system for every episode, and score."""
        return self.score({case.name: system(case) for case in self.cases()})


def own_cue(case: Cue) -> Tensor:
    """A baseline without communication: each agent plays its own cue."""
    return case.observations.argmax(-1)


def team_system(team: Mactas) -> Callable[[Cue], Tensor]:
    """A team as a system: greedy."""

    def system(case: Cue) -> Tensor:
        hidden, last, actions = None, None, []
        for seen in case.observations:
            with torch.no_grad():
                found = team(seen[None, None], last, hidden=hidden)
            hidden, last = found.hidden, found.values.argmax(-1)
            actions.append(last[0, 0])
        return torch.stack(actions)

    return system


def example(config: CuesConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """The baseline."""
    return {"system": own_cue}
