"""The schemas of the layer, whose plug-ins are choices, of the language model, and of inference with latent nodes."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

PRIORS = ("uniform", "window", "alibi", "t5", "table", "null-parent", "expanding")
POTENTIALS = ("dot", "gaussian", "linear")
VALUES = ("parent", "multihop")
DECISIONS = ("no", "map", "sample")
FORMS = ("hopfield", "slots", "learned-slots", "pcn")


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
    hard: str = zoo.field("no", "the posterior itself, its mode, or a sample", choices=DECISIONS)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        if self.prior == "expanding" and not self.causal:
            raise ConfigError("the distance to an earlier parent needs causal=True", field="prior")


@dataclass
class StructuralLanguageModelConfig:
    """Config of the language model."""

    vocab_size: int = zoo.field(64, "tokens of the vocabulary", minimum=1)
    dim: int = zoo.field(32, "model width", unit="features", minimum=1)
    num_layers: int = zoo.field(2, "blocks", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    max_length: int = zoo.field(128, "context", unit="tokens", minimum=1)
    prior: str = zoo.field("uniform", "prior over the parent of a query", choices=PRIORS)
    value: str = zoo.field("parent", "v(x, phi)", choices=VALUES)

    def __post_init__(self) -> None:
        # Refuses what does not fit together.
        self.layer()

    def layer(self) -> StructuralAttentionConfig:
        """Config of one attention layer."""
        return StructuralAttentionConfig(
            dim=self.dim,
            num_heads=self.num_heads,
            causal=True,
            prior=self.prior,
            value=self.value,
            max_length=self.max_length,
        )


@dataclass
class IterativeAttentionConfig:
    """Config of inference with latent nodes."""

    form: str = zoo.field("hopfield", "what is latent", choices=FORMS)
    dim: int = zoo.field(64, "features of a node", unit="features", minimum=1)
    iterations: int = zoo.field(3, "updates", minimum=1)
    hopfield_beta: float = zoo.field(2.0, "inverse temperature of retrieval", minimum=0.0)
    num_slots: int = zoo.field(7, "latents K, and causes of pcn", minimum=1)
    slot_variance: float = zoo.field(1.0, "s^2, the variance around a slot", minimum=1e-9)
    prior_variance: float = zoo.field(0.0, "s0^2 of the slots' Gaussian prior; 0: none", minimum=0.0)
    step: float = zoo.field(0.1, "gradient step of pcn", minimum=0.0)
