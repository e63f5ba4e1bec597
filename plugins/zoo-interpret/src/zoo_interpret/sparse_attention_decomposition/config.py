"""The schema of the probe."""

from __future__ import annotations

from dataclasses import dataclass

import zoo


@dataclass
class SparseAttentionDecompositionConfig:
    """Config of the probe."""

    attention_threshold: float = zoo.field(0.5, "weight from which a head fires", minimum=0.0, maximum=1.0)
    upstream_threshold: float = zoo.field(
        0.7, "share of the contributions that edges make up", minimum=0.0, maximum=1.0
    )
    fraction: float = zoo.field(1.0, "share of the score that kept terms exceed", minimum=0.0)
    first_layer: int = zoo.field(1, "layer from which firings are traced", minimum=0)
    first_source: int = zoo.field(1, "first token that a firing may look at; padding does not count", minimum=0)
    most: int = zoo.field(0, "firings that are decomposed, the first ones; 0: all", minimum=0)
