"""Episodes, kept and drawn again."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from zoo.errors import InputError


class Replay:
    """The last episodes, padded to one length.

    Args:
        capacity: episodes that are kept; the oldest go first.
    """

    def __init__(self, capacity: int = 5000) -> None:
        self.capacity = capacity
        self.episodes: list[dict[str, Tensor]] = []
        self.next = 0

    def __len__(self) -> int:
        return len(self.episodes)

    def add(self, episode: Mapping[str, Tensor]) -> None:
        """Keep one.

        Args:
            episode: "actions" (T, n), "reward" (T, 1), "done" (T, 1), and of T + 1 steps "observations", "state",
                "available", "alive", "last_actions".
        """
        if len(episode["observations"]) != len(episode["actions"]) + 1:
            raise InputError(
                f"{len(episode['observations'])} observations of {len(episode['actions'])} actions; expected one more"
            )
        kept = dict(episode) | {"filled": torch.ones_like(episode["reward"])}
        if len(self.episodes) < self.capacity:
            self.episodes.append(kept)
        else:
            self.episodes[self.next] = kept
        self.next = (self.next + 1) % self.capacity

    def sample(self, batch: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Some episodes (without replacement), padded with zeros; "filled" (B, T, 1) is 1 where a step is real."""
        if not self.episodes:
            raise InputError("the replay is empty; add episodes first")
        chosen = torch.randperm(len(self.episodes), generator=generator)[:batch].tolist()
        drawn = [self.episodes[index] for index in chosen]
        return {
            name: torch.nn.utils.rnn.pad_sequence([episode[name] for episode in drawn], batch_first=True)
            for name in drawn[0]
        }
