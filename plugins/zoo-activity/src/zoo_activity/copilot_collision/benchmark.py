"""The benchmark: walks through planes with boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_activity.copilot_collision.config import WorldConfig
from zoo_activity.copilot_collision.control import walk
from zoo_activity.copilot_collision.network import CollisionForecast
from zoo_activity.copilot_collision.objective import metrics
from zoo_activity.copilot_collision.world import label, observe, random_scene


@dataclass(frozen=True)
class Walk:
    """One case: its name, and the video (V, T, 3, S, S) in -1..1."""

    name: str
    video: Tensor


class Collisions:
    """``cases()`` are walks, a system maps a walk to a ``CollisionForecast`` of one (a batch of 1)."""

    def __init__(self, config: WorldConfig) -> None:
        self.config = config

    @cached_property
    def data(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Videos (E, V, T, 3, S, S), collisions (E,), joints (E, J) and regions (E, V, S, S); as for training."""
        random = np.random.default_rng(self.config.seed)
        scenes = [random_scene(self.config, random) for _ in range(self.config.num_cases)]
        videos = torch.stack([observe(self.config, scene) for scene in scenes])
        collision, joints, region = zip(*(label(self.config, scene) for scene in scenes), strict=True)
        return videos, torch.stack(collision), torch.stack(joints), torch.stack(region)

    def cases(self) -> Iterator[Walk]:
        """The walks."""
        for index, video in enumerate(self.data[0]):
            yield Walk(str(index), video)

    def score(self, answers: Mapping[str, CollisionForecast]) -> dict[str, float]:
        """``objective.metrics``, beside the share of walks that collide."""
        names = [str(index) for index in range(self.config.num_cases)]
        if missing := [name for name in names if name not in answers]:
            raise InputError(f"no answer to {len(missing)} walks, the first is {missing[0]!r}; give one for each")
        parts = [answers[name] for name in names]
        found = CollisionForecast(
            *(torch.cat([getattr(part, name) for part in parts]) for name in ("collision", "joints", "heatmap"))
        )
        size = self.config.image_size
        expected = (self.config.num_cases, self.config.num_views, 1, size, size)
        if found.heatmap.shape != expected or found.joints.shape[1:] != (self.config.num_joints,):
            raise InputError(
                f"heatmaps {list(found.heatmap.shape)} and joints {list(found.joints.shape)} in all; expected "
                f"{list(expected)} and {[self.config.num_cases, self.config.num_joints]}: a batch of 1 for each walk"
            )
        return metrics(found, *self.data[1:]) | {"colliding": float(self.data[1].mean())}

    def run(self, system: Callable[[Walk], CollisionForecast]) -> dict[str, float]:
        """Ask a system about every walk, and score."""
        with torch.no_grad():
            return self.score({case.name: system(case) for case in self.cases()})

    def closed_loop(self, system: Callable[[Walk], CollisionForecast], *, steps: int = 10) -> dict[str, float]:
        """Shares of walks that collide within so many frames, straight on and steered by a system (``control``).

        ``fewer`` is 1 - steered / straight, 0 where nothing collides.
        """
        walks, seed = self.config.num_cases, self.config.seed
        straight = walk(self.config, None, walks=walks, steps=steps, seed=seed)
        steered = walk(self.config, lambda video: system(Walk("", video[0])), walks=walks, steps=steps, seed=seed)
        return {"straight": straight, "steered": steered, "fewer": 1 - steered / straight if straight else 0.0}


def always(config: WorldConfig) -> Callable[[Walk], CollisionForecast]:
    """The baseline: everything collides, everywhere."""

    def system(walk: Walk) -> CollisionForecast:
        views, size = config.num_views, config.image_size
        return CollisionForecast(torch.ones(1), torch.ones(1, config.num_joints), torch.zeros(1, views, 1, size, size))

    return system


def forecaster(model: torch.nn.Module) -> Callable[[Walk], CollisionForecast]:
    """A network of this package as a system."""
    return lambda walk: model(walk.video[None])


def example(config: WorldConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """The baseline."""
    return {"system": always(config)}
