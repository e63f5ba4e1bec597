"""The schema of the method."""

from __future__ import annotations

import re
from dataclasses import dataclass

import zoo


@dataclass
class CircuitReuseConfig:
    """Config of the method."""

    threshold: float = zoo.field(0.02, "effect above which a head is in a circuit", minimum=0.0, maximum=1.0)
    freeze_feed_forward: bool = zoo.field(False, "only paths without feed-forward networks in between")
    receivers: int = zoo.field(3, "strongest heads of a role that the next role is searched for from", minimum=1)
    steered: list[str] = zoo.field([], 'heads "LAYER.HEAD" that the intervention steers, counted from 0')

    def __post_init__(self) -> None:
        wrong = [name for name in self.steered if not re.fullmatch(r"\d+\.\d+", name)]
        if wrong:
            raise zoo.ConfigError(f"steered={wrong}: heads are written like '12.3', layer and head", field="steered")

    def places(self) -> list[tuple[int, int]]:
        """(layer, head) of the steered heads."""
        return [(int(layer), int(head)) for layer, head in (name.split(".") for name in self.steered)]
