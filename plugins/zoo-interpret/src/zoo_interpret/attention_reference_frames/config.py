"""The schema of the probe."""

from __future__ import annotations

from dataclasses import dataclass

import zoo


@dataclass
class ReferenceFramesConfig:
    """Config of the probe."""

    betti_thresholds: list[float] = zoo.field(
        [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2], "weights above which tokens are joined", minimum=0, maximum=1
    )
    sink_percentile: float = zoo.field(
        0.9, "quantile of received attention from which a token is a sink", minimum=0, maximum=1
    )
    sink_rate: float = zoo.field(0.3, "attention that the first token receives in a head that counts as sinking")
