"""The schemas of the attention layer and of the probe, and the normalisers."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.nn.heads import require_equal_slices

NORMALISERS = ("softmax", "sparsemax", "scalable-softmax", "self-adjusted-softmax", "entmax15", "sigmoid")
# What these give a weight of zero hangs on small differences of logits.
DECIDING = ("sparsemax", "entmax15")
TOKENS = ("hidden", "value")


@dataclass
class NormalisedAttentionConfig:
    """Config of attention with a chosen normaliser."""

    dim: int = zoo.field(64, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    causal: bool = zoo.field(False, "whether a token sees only those before it and itself")
    normaliser: str = zoo.field("softmax", "from logits to weights", choices=NORMALISERS)
    temperature: float = zoo.field(1.0, "T, divides the logits", minimum=1e-6)
    length_scale: float = zoo.field(1.0, "s of the scalable softmax, whose logits are times s log n", minimum=0.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)


@dataclass
class SoftmaxLimitsConfig:
    """Config of the probe."""

    top_n: list[int] = zoo.field([1, 5, 20], "sizes N of the selection", unit="tokens", minimum=1)
    tokens: str = zoo.field("hidden", "x_i: hidden states of the layer, or value-projected inputs", choices=TOKENS)
    temperature: float = zoo.field(1.0, "T of the Jacobian", minimum=1e-6)
    last_fraction: float = zoo.field(
        0.25, "share of query positions, from the end, that is averaged", minimum=0.01, maximum=1.0
    )
