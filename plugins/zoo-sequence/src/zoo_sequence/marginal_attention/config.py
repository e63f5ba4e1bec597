"""Config of the layer: the plug-ins are choices."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

PRIORS = ("uniform", "window", "alibi", "t5", "table", "null-parent", "expanding")
POTENTIALS = ("dot", "gaussian", "linear")
VALUES = ("parent", "multihop")


@dataclass
class StructuralAttentionConfig:
    """Config of the layer."""

    dim: int = zoo.field(32, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    causal: bool = zoo.field(False, "a prior of zero on later positions")
    prior: str = zoo.field("uniform", "prior over the parent of a query", choices=PRIORS)
    window: int = zoo.field(8, "distance the window prior reaches", unit="tokens", minimum=1)
    max_length: int = zoo.field(128, "positions of the learned priors", unit="tokens", minimum=1)
    potential: str = zoo.field("dot", "edge potential psi", choices=POTENTIALS)
    value: str = zoo.field("parent", "v(x, phi): the value of the parent, or of two hops", choices=VALUES)
    multihop_lambda: float = zoo.field(1.0, "weight of the grandparent")
    alpha: float = zoo.field(1.0, "expanding: of the Beta prior on the geometric rate", minimum=1e-6)
    beta: float = zoo.field(9.0, "expanding: of the Beta prior on the geometric rate", minimum=1e-6)
    iterations: int = zoo.field(4, "expanding: rounds of inference of the rate", minimum=1)
    epsilon: float = zoo.field(
        1e-3, "expanding: evidence left unread, relative to what was read; 0 reads everything", minimum=0.0, maximum=1.0
    )
    bias: bool = zoo.field(False, "biases of the projections")
    hard: str = zoo.field("no", "the posterior itself, its mode, or a sample", choices=("no", "map", "sample"))

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        if self.prior == "expanding" and not self.causal:
            raise ConfigError("the distance to an earlier parent needs causal=True", field="prior")
