"""Schemas of the function, the layer and the networks, and their choices."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.drop_in import HostConfig
from zoo.nn.heads import require_equal_slices
from zoo.nn.vision_transformer import VisionTransformerConfig
from zoo_sequence.fast_attention.polynomial import Polynomial

NORMALIZATIONS = {"standardize": "temperature", "scale": "normalize_term", "maxnorm": "lim"}
"""How queries and keys are normalised, and the constant that belongs to each."""

DROPOUTS = ("standard", "1d", "quadratic")


@dataclass
class FastmaxKernelConfig:
    """Config of the function."""

    p: int = zoo.field(2, "degree of the polynomial", choices=(1, 2))
    a0: float = zoo.field(1.0, "constant coefficient of the polynomial")
    a1: float = zoo.field(1.0, "linear coefficient")
    a2: float = zoo.field(0.5, "quadratic coefficient; degree 1 has none")
    normalize: str = zoo.field(
        "scale",
        "of queries and keys: standardize each (the paper), scale the scores (the code), or divide by the largest norm",
        choices=tuple(NORMALIZATIONS),
    )
    temperature: float = zoo.field(1.0, "divisor of standardised scores", minimum=0.0)
    normalize_term: float = zoo.field(8.0, "divisor of plain scores, times sqrt(head_dim)", minimum=0.0)
    lim: float = zoo.field(1.0, "largest norm of queries and of keys under maxnorm", minimum=0.0)
    feature_dropout: float = zoo.field(0.0, "probability of a dropped factor in training", minimum=0.0, maximum=1.0)
    dropout_variant: str = zoo.field(
        "quadratic",
        "factors that are dropped: products of two features (features, for degree 1), a feature of all tokens, or "
        "features token by token",
        choices=DROPOUTS,
    )

    def __post_init__(self) -> None:
        defaults = FastmaxKernelConfig.__dataclass_fields__
        for mode, name in NORMALIZATIONS.items():
            value = getattr(self, name)
            if mode != self.normalize and value != defaults[name].default:
                raise ConfigError(
                    f"{name}={value} belongs to normalize={mode!r}; with {self.normalize!r} scores depend on "
                    f"{NORMALIZATIONS[self.normalize]}",
                    field=name,
                )
            if not value:
                raise ConfigError(f"{name}=0 leaves no scores; give a positive number", field=name)

    @property
    def polynomial(self) -> Polynomial:
        """f."""
        return Polynomial(self.a0, self.a1, self.a2 if self.p == 2 else 0.0)


@dataclass
class FastmaxConfig(FastmaxKernelConfig):
    """Config of the layer."""

    dim: int = zoo.field(512, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(8, "heads", minimum=1)
    causal: bool = zoo.field(False, "whether a token sees only those before it and itself")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_equal_slices(self.dim, self.num_heads)


@dataclass
class FastmaxViTConfig(VisionTransformerConfig, FastmaxKernelConfig):
    """Config of the image classifier; "fastmax" and "full" are its own kinds of attention."""

    dim: int = zoo.field(32, "model width", unit="features", minimum=1)
    num_layers: int = zoo.field(3, "blocks", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    image_size: int = zoo.field(28, "side of the square image, or its height", unit="pixels", minimum=1)
    patch_size: int = zoo.field(4, "side of a patch; 1: every pixel is a token", unit="pixels", minimum=1)
    in_channels: int = zoo.field(1, "channels of the image", minimum=1)
    num_classes: int = zoo.field(10, "classes", minimum=1)
    pool: str = zoo.field("mean", "what the head reads", choices=("cls", "mean"))
    attention: str = zoo.field("fastmax", "attention of every block: fastmax, full, or a drop-in layer by name")

    def __post_init__(self) -> None:
        VisionTransformerConfig.__post_init__(self)
        FastmaxKernelConfig.__post_init__(self)


@dataclass
class FastmaxSequenceConfig(HostConfig, FastmaxKernelConfig):
    """What the two networks on token ids share."""

    vocab_size: int = zoo.field(257, "tokens of the vocabulary", minimum=1)
    max_length: int = zoo.field(4000, "learned positions: the longest sequence", unit="tokens", minimum=1)
    mlp_ratio: float = zoo.field(4.0, "feed-forward width over model width", minimum=0.0)
    dropout: float = zoo.field(0.0, "after positions and in the MLPs", minimum=0.0, maximum=1.0)
    attention: str = zoo.field("fastmax", "attention of every block: fastmax, full, or a drop-in layer by name")

    def __post_init__(self) -> None:
        HostConfig.__post_init__(self)
        FastmaxKernelConfig.__post_init__(self)


@dataclass
class FastmaxEncoderConfig(FastmaxSequenceConfig):
    """Config of the encoder."""

    dim: int = zoo.field(256, "model width", unit="features", minimum=1)
    num_layers: int = zoo.field(4, "blocks", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    num_classes: int = zoo.field(2, "classes", minimum=1)
    num_documents: int = zoo.field(1, "sequences that are classified together, encoded one by one", minimum=1)


@dataclass
class FastmaxGPTConfig(FastmaxSequenceConfig):
    """Config of the language model."""

    vocab_size: int = zoo.field(65, "tokens of the vocabulary", minimum=1)
    dim: int = zoo.field(384, "model width", unit="features", minimum=1)
    num_layers: int = zoo.field(6, "blocks", minimum=1)
    num_heads: int = zoo.field(6, "heads", minimum=1)
    max_length: int = zoo.field(256, "learned positions: the longest sequence", unit="tokens", minimum=1)
