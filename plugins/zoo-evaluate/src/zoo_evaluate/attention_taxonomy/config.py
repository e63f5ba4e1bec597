"""The schemas of the taxonomy and of the generic attention."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo_evaluate.attention_taxonomy.terms import FIELDS


@dataclass
class TaxonomyConfig:
    """Config of the taxonomy: it has none."""


@dataclass
class AttentionCoreConfig:
    """Config of the generic attention."""

    alignment: str = zoo.field("scaled-dot", "a(k, q)", choices=FIELDS["alignment"])
    distribution: str = zoo.field("softmax", "p(e)", choices=FIELDS["distribution"])
    dim_q: int = zoo.field(16, "query features", unit="features", minimum=1)
    dim_k: int = zoo.field(16, "key features", unit="features", minimum=1)
    dim_v: int = zoo.field(16, "value features", unit="features", minimum=1)
    hidden: int | None = zoo.field(
        None, "width of concat, additive, deep, feature- and location-based; none: dim_k", unit="features", minimum=1
    )
    act: str = zoo.field("tanh", "activation act", choices=("tanh", "relu", "identity"))
    layers: int = zoo.field(2, "layers E of the deep alignment", minimum=1)
    window: int | None = zoo.field(None, "width D of the Gaussian window", unit="positions", minimum=1)
    bound: float = zoo.field(0.5, "largest weight of constrained-sparsemax", minimum=0.001, maximum=1.0)
    feature_wise: bool = zoo.field(False, "a weight per value feature (multi-dimensional)")

    def __post_init__(self) -> None:
        same = ("similarity", "dot", "scaled-dot", "generalized-kernel")
        if self.alignment in same and self.dim_q != self.dim_k:
            raise ConfigError(
                f"alignment {self.alignment!r} compares queries and keys: dim_q={self.dim_q} must equal "
                f"dim_k={self.dim_k}",
                field="dim_q",
            )
        if self.distribution == "gaussian-window" and self.window is None:
            raise ConfigError("the Gaussian window needs a width", field="window")
        wide = ("concat", "additive", "deep", "feature-based", "location-based")
        if self.feature_wise and self.alignment not in wide:
            raise ConfigError(
                f"feature_wise needs an alignment with a vector of scores: {', '.join(wide)}", field="feature_wise"
            )
