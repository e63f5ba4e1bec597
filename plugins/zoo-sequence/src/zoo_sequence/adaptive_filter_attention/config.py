"""Schemas of the layers, the network and the benchmark, and their choices."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError

INPUT_NORMS = ("none", "all", "query-key")
BIASES = ("none", "covariance", "lag")
SCALES = ("constant", "covariance", "linear")
RESIDUALS = ("none", "add", "precision-gate", "learned-gate")
NORMS = ("rms", "layer")


@dataclass
class FilterConfig:
    """What the isotropic and the full layer have in common."""

    dim: int = zoo.field(128, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(2, "heads", minimum=1)
    key_dim: int | None = zoo.field(
        None, "complex features of queries and keys, all heads together; None: dim", unit="features", minimum=2
    )
    value_dim: int | None = zoo.field(
        None, "complex features of values, all heads together; None: dim", unit="features", minimum=2
    )
    max_length: int = zoo.field(
        101, "length that decay rates and frequencies are scaled to; longer inputs work", unit="tokens", minimum=1
    )
    causal: bool = zoo.field(True, "always: a filter estimates from what came before")
    input_norm: str = zoo.field("none", "which projections get a complex RMS norm", choices=INPUT_NORMS)
    learn_rotations: bool = zoo.field(True, "learned frequencies; False: 10000^(-2i/d_h) before scaling")
    decay: bool = zoo.field(True, "whether values fade; False: mu = 0")
    process_noise: bool = zoo.field(True, "False: sigma = 0")
    robust: bool = zoo.field(True, "Student-t weights of residuals; False: Gaussian")
    residual: str = zoo.field("none", "how an estimate meets the value at its own position", choices=RESIDUALS)
    predict_next: bool = zoo.field(True, "whether the output is the estimate one step ahead")
    min_exponent: float = zoo.field(-20.0, "lower bound of mu dt")
    max_exponent: float = zoo.field(20.0, "upper bound of mu dt")
    eps: float = zoo.field(1e-5, "least noise, least decay rate, and decay rate that counts as zero", minimum=0.0)

    def __post_init__(self) -> None:
        if not self.causal:
            raise ConfigError("a filter carries estimates forward in time: causal must be True", field="causal")
        for name, width in (("key_dim", self.key_dim), ("value_dim", self.value_dim)):
            if (width or self.dim) % (2 * self.num_heads):
                raise ConfigError(
                    f"{width or self.dim} features are not pairs of conjugate eigenvalues in each of "
                    f"num_heads={self.num_heads} heads: give a multiple of {2 * self.num_heads}",
                    field=name if width else "dim",
                )
        if not self.separate_keys and self.key_features != self.value_features:
            raise ConfigError(
                f"key_dim={self.key_dim or self.dim} and value_dim={self.value_dim or self.dim} must be equal "
                "where keys and values share their dynamics",
                field="key_dim",
            )
        if self.min_exponent > self.max_exponent:
            raise ConfigError(
                f"min_exponent={self.min_exponent} is above max_exponent={self.max_exponent}", field="min_exponent"
            )

    @property
    def separate_keys(self) -> bool:
        """Whether keys have dynamics of their own."""
        return False

    @property
    def key_features(self) -> int:
        """Complex features of a key in one head."""
        return (self.key_dim or self.dim) // self.num_heads

    @property
    def value_features(self) -> int:
        """Complex features of a value in one head."""
        return (self.value_dim or self.dim) // self.num_heads


@dataclass
class AdaptiveFilterConfig(FilterConfig):
    """Config of the isotropic layer."""

    separate_dynamics: bool = zoo.field(False, "whether keys have decay, frequencies and noise of their own")
    rotate_values: bool = zoo.field(True, "False: estimates stay rotated back to the first time")
    additive_bias: str = zoo.field("covariance", "bias of a lag: 0, -log V or -nu dt", choices=BIASES)
    residual_scale: str = zoo.field(
        "covariance", "factor of the residual: 1/d_h, 1/(nu d_h V) or 1/(d_h (sigma^2 dt + eta^2))", choices=SCALES
    )
    full_residual: bool = zoo.field(True, "|q - k|^2 as residual; False: its cross term only")

    @property
    def separate_keys(self) -> bool:
        """Whether keys have dynamics of their own."""
        return self.separate_dynamics


@dataclass
class FullFilterConfig(FilterConfig):
    """Config of the full layer."""


@dataclass
class FilterNetworkConfig(AdaptiveFilterConfig):
    """Config of the network: that of its layers, and what is around them."""

    num_layers: int = zoo.field(2, "blocks; 0: one bare layer, without projections, norms and MLP", minimum=0)
    hidden_dim: int = zoo.field(512, "width of the MLPs", unit="features", minimum=1)
    norm: str = zoo.field("rms", "kind of norm", choices=NORMS)


@dataclass
class NoisyRotationConfig:
    """Config of the trajectories and the benchmark."""

    dim: int = zoo.field(128, "channels", unit="features", minimum=2)
    mu: float = zoo.field(-0.1, "real part of the eigenvalues", unit="1/s", maximum=0.0)
    omega: float = zoo.field(1.0, "imaginary part of the eigenvalues", unit="rad/s")
    sigma2: float = zoo.field(0.0, "process noise, variance per second", minimum=0.0)
    eta2: float = zoo.field(1.0, "measurement noise, variance", minimum=0.0)
    initial_scale: float = zoo.field(5.0, "standard deviation of the initial state", minimum=0.0)
    length: int = zoo.field(101, "measurements of a trajectory", minimum=2)
    interval: float = zoo.field(0.1, "time between measurements", unit="s", minimum=1e-6)
    substeps: int = zoo.field(10, "Euler steps per measurement", minimum=1)
    count: int = zoo.field(64, "trajectories of the benchmark", minimum=1)
    seed: int = zoo.field(999, "of the benchmark's trajectories")
    map_seed: int = zoo.field(0, "of the map from the plane to the channels")
