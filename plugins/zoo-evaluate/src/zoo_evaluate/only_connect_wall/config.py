"""The schema of the benchmark, and its choices."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError

# Solved walls in a prompt, as the paper asks.
SHOTS = (0, 1, 3, 5, 10)
TASKS = ("grouping", "connections")


@dataclass
class OnlyConnectWallConfig:
    """Config of the benchmark."""

    source: str = zoo.field("synthetic", "synthetic, wordnet, a JSON file or folder of the published data, or hf://")
    task: str = zoo.field("grouping", "find the groups, or name what connects given ones", choices=TASKS)
    split: str = zoo.field("test", "part of the published data", choices=("train", "validation", "test"))
    num_walls: int = zoo.field(20, "walls that are generated (synthetic and wordnet)", minimum=1)
    herrings: int = zoo.field(3, "words of a synthetic wall that fit a second group", minimum=0, maximum=7)
    randomized: bool = zoo.field(False, "mix groups of different walls, which removes red herrings")
    shots: int = zoo.field(0, "solved walls shown in a prompt", minimum=0, maximum=10)
    seed: int = zoo.field(0, "of synthetic walls, shuffles and mixing", minimum=0)

    def __post_init__(self) -> None:
        if self.shots not in SHOTS:
            raise ConfigError(f"shots={self.shots} is not one of {', '.join(map(str, SHOTS))}", field="shots")
