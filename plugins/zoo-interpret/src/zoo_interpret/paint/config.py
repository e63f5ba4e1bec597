"""The schema of the method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import zoo


@dataclass
class PaintConfig:
    """Config of the method; the defaults are the authors' for LLaVA-1.5-7B."""

    alpha: float = zoo.field(0.7, "gain of local tokens", minimum=0)
    beta: float = zoo.field(0.3, "gain of summary tokens", minimum=0)
    local_ratio: float = zoo.field(0.25, "share of patches that are local", minimum=0, maximum=1)
    spatial_ratio: float = zoo.field(
        0.0, "share of patches that other patches look at and that join them", minimum=0, maximum=1
    )
    start_layer: int = zoo.field(2, "first boosted layer of the decoder, from 0", minimum=0)
    end_layer: Optional[int] = zoo.field(  # noqa: UP045 (OmegaConf reads Optional)
        None, "layer before which boosting ends; by default all from the first", minimum=0
    )
    head_gain: str = zoo.field(
        "uniform",
        "alpha of every head: the same, or in proportion to its visual sensitivity",
        choices=("uniform", "vhd"),
    )
