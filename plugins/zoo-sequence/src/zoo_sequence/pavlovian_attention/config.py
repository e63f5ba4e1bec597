"""The schemas of the layer, the language model, the memory and the benchmarks, and the plasticity rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

RULES = ("hebb", "decay", "oja", "delta", "bcm")
FEATURES = ("identity", "elu+1", "relu", "softmax")

# Options that act on a state, and their values for a rule that keeps none.
STATEFUL: Mapping[str, Any] = {"features": "identity", "normalizer": False, "homeostatic": 0.0, "read_first": False}


@dataclass
class PavlovianConfig:
    """Config of one layer."""

    dim: int = zoo.field(32, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(2, "heads", minimum=1)
    head_dim: int = zoo.field(0, "key size d_k of a head; 0 means dim / num_heads", unit="features", minimum=0)
    causal: bool = zoo.field(True, "always: a memory is written in order")
    rule: str = zoo.field("hebb", "plasticity rule, or softmax attention", choices=(*RULES, "softmax"))
    features: str = zoo.field("identity", "feature map of keys and queries", choices=FEATURES)
    normalize: bool = zoo.field(True, "whether keys and queries have unit length")
    normalizer: bool = zoo.field(False, "whether reads are divided by f(q_t) . sum_s f(k_s)")
    homeostatic: float = zoo.field(
        0.0, "norm that every row of S is rescaled to after a write; 0 means 1 for bcm and never otherwise", minimum=0.0
    )
    read_first: bool = zoo.field(False, "whether o_t reads S_{t-1} instead of S_t")
    eta: float = zoo.field(0.0, "learning rate at initialisation; 0 means 0.5 for delta and 1 otherwise", minimum=0.0)
    decay: float = zoo.field(0.9, "lambda of the decay rule at initialisation", minimum=0.0, maximum=1.0)
    oja_alpha: float = zoo.field(0.5, "alpha of Oja's rule", minimum=0.0)
    bcm_rho: float = zoo.field(0.2, "rho of the sliding threshold", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        if not self.causal:
            raise ConfigError("a conditioned response depends on what came before: causal must be True", field="causal")
        if not self.head_dim:
            require_equal_slices(self.dim, self.num_heads)
        for name, plain in STATEFUL.items():
            if self.rule == "softmax" and getattr(self, name) != plain:
                raise ConfigError(
                    f"rule 'softmax' keeps no state, so {name}={getattr(self, name)!r} means nothing; leave it out",
                    field=name,
                )
        if self.rule == "decay" and not 0 < self.decay < 1:
            raise ConfigError(f"decay={self.decay} must lie strictly between 0 and 1 for rule 'decay'", field="decay")

    @property
    def key_dim(self) -> int:
        """Key size of a head."""
        return self.head_dim or self.dim // self.num_heads

    @property
    def rate(self) -> float:
        """Learning rate at initialisation."""
        return self.eta or (0.5 if self.rule == "delta" else 1.0)

    @property
    def row_norm(self) -> float:
        """Norm that rows of S are rescaled to after a write; 0: never.

        Writes of BCM are cubic in what the state holds already: left free, it leaves all bounds within a few tokens.
        """
        return self.homeostatic or (1.0 if self.rule == "bcm" else 0.0)


@dataclass
class PavlovianLanguageModelConfig(PavlovianConfig):
    """Config of the language model: that of its layers, and their number, host and rules."""

    vocab_size: int = zoo.field(64, "tokens of the vocabulary", minimum=1)
    num_layers: int = zoo.field(2, "blocks", minimum=1)
    max_length: int = zoo.field(128, "context", unit="tokens", minimum=1)
    mlp_ratio: float = zoo.field(4.0, "feed-forward width over model width", minimum=0.0)
    rules: list[str] = zoo.field([], "one rule per layer instead of the same for all", choices=(*RULES, "softmax"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.rules) not in (0, 1, self.num_layers):
            raise ConfigError(
                f"{len(self.rules)} rules for {self.num_layers} layers; give one, or one each", field="rules"
            )
        # Each different one once: there may be a billion blocks, all alike.
        for index in range(len(self.rules) or 1):
            self.layer(index)

    def layer(self, index: int) -> PavlovianConfig:
        """Config of the attention of one block; what needs a state is left to the layers that have one."""
        rule = self.rules[index % len(self.rules)] if self.rules else self.rule
        stateless = STATEFUL if rule == "softmax" else {}
        shared = {item.name: getattr(self, item.name) for item in fields(PavlovianConfig)}
        return PavlovianConfig(**{**shared, **stateless, "rule": rule})


@dataclass
class MemoryConfig:
    """Config of the associative memory."""

    key_dim: int = zoo.field(64, "size d_k of a key", unit="features", minimum=1)
    value_dim: int = zoo.field(64, "size d_v of a value", unit="features", minimum=1)
    rule: str = zoo.field("hebb", "plasticity rule", choices=RULES)
    eta: float = zoo.field(0.0, "learning rate; 0 means 0.5 for delta and 1 otherwise", minimum=0.0)
    decay: float = zoo.field(0.9, "lambda of the decay rule", minimum=0.0, maximum=1.0)
    oja_alpha: float = zoo.field(0.5, "alpha of Oja's rule", minimum=0.0)
    bcm_rho: float = zoo.field(0.2, "rho of the sliding threshold", minimum=0.0, maximum=1.0)
    homeostatic: float = zoo.field(0.0, "norm of every row of S after a write; 0: free", minimum=0.0)


@dataclass
class CapacityConfig:
    """Config of the capacity experiment."""

    key_dim: int = zoo.field(64, "size d_k of a key", unit="features", minimum=1)
    value_dim: int = zoo.field(64, "size d_v of a value", unit="features", minimum=1)
    pairs: list[int] = zoo.field([2, 4, 8, 16, 32, 64], "numbers n of stored pairs", minimum=1)
    query_noise: float = zoo.field(0.0, "length s of the random vector added to a query", minimum=0.0)
    trials: int = zoo.field(50, "memories of a case", minimum=1)
    seed: int = zoo.field(0, "of keys, values and noise", minimum=0)


@dataclass
class ConditioningConfig:
    """Config of the conditioning protocols."""

    eta: float = zoo.field(0.2, "learning rate", minimum=0.0)
    decay: float = zoo.field(0.9, "lambda of the decay rule", minimum=0.0, maximum=1.0)
    pairings: int = zoo.field(20, "presentations in each phase", minimum=1)
    key_dim: int = zoo.field(8, "size of a cue", unit="features", minimum=3)
