"""The schema of the method."""

from __future__ import annotations

from dataclasses import dataclass

import zoo


@dataclass
class SixteenHeadsConfig:
    """Config of the method."""

    percents: list[float] = zoo.field(
        [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0],
        "share of heads pruned at each step",
        unit="percent",
        minimum=0,
        maximum=100,
    )
    at_least_k: int = zoo.field(0, "heads that every layer keeps", minimum=0)
    per: str = zoo.field(
        "token", "where the absolute value is taken: as the code does, or the paper", choices=("token", "example")
    )
    exact: bool = zoo.field(False, "rank again before every step, on the pruned model")
    groups: list[str] = zoo.field(
        ["E", "D", "A"], "encoder self, decoder self, cross attention", choices=("E", "D", "A")
    )
