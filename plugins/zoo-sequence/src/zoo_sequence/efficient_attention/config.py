"""Schemas of the module, of the networks around it, and their choices."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.vision_transformer import VisionTransformerConfig

NORMALIZATIONS = ("softmax", "scaling")


@dataclass
class EfficientAttentionConfig:
    """Config of one module."""

    dim: int = zoo.field(64, "channels of input and output", unit="features", minimum=1)
    key_channels: int | None = zoo.field(
        None, "d_k, over all heads; by default 64, or the next multiple of num_heads", unit="features", minimum=1
    )
    value_channels: int | None = zoo.field(None, "d_v, over all heads; dim by default", unit="features", minimum=1)
    num_heads: int = zoo.field(1, "groups of channels with queries, keys and values of their own", minimum=1)
    normalization: str = zoo.field("softmax", "rho_q and rho_k", choices=NORMALIZATIONS)
    causal: bool = zoo.field(False, "never: the key softmax runs over all positions")
    residual: bool | None = zoo.field(
        None, "whether the input is added; by default to feature maps and not to sequences, whose host adds it"
    )
    zero_init: bool = zoo.field(False, "start at zero, so that with the residual the module starts as the identity")

    def __post_init__(self) -> None:
        if self.causal:
            raise ConfigError(
                "efficient attention normalises every key channel over all positions, later ones too, so it has no "
                "causal form: causal must be False",
                field="causal",
            )
        for name, channels in (("key_channels", self.keys), ("value_channels", self.values)):
            if channels % self.num_heads:
                raise ConfigError(f"{name}={channels} is not divisible by num_heads={self.num_heads}", field=name)

    @property
    def keys(self) -> int:
        """d_k."""
        return self.key_channels or -(-64 // self.num_heads) * self.num_heads

    @property
    def values(self) -> int:
        """d_v."""
        return self.value_channels or self.dim


@dataclass
class BackboneConfig:
    """A residual network with modules after its second and its third stage."""

    depths: list[int] = zoo.field([1, 1, 1], "blocks per stage", minimum=1)
    width: int = zoo.field(16, "channels of the stem and width of the first stage", unit="features", minimum=1)
    bottleneck: bool = zoo.field(False, "bottleneck blocks, four times as wide, instead of basic ones")
    small_stem: bool = zoo.field(True, "3x3 stem for small images, instead of 7x7 with stride 2 and pooling")
    in_channels: int = zoo.field(3, "channels of the image", minimum=1)
    key_channels: int | None = zoo.field(None, "d_k; by default half of a map's channels", unit="features", minimum=1)
    num_heads: int = zoo.field(1, "heads of the modules", minimum=1)
    normalization: str = zoo.field("softmax", "of the modules", choices=NORMALIZATIONS)
    zero_init: bool = zoo.field(False, "whether the modules start as the identity")

    def __post_init__(self) -> None:
        if len(self.depths) < 3:
            raise ConfigError(
                f"depths={self.depths}: modules follow stages 2 and 3, so give at least 3", field="depths"
            )

    def module(self, dim: int) -> EfficientAttentionConfig:
        """Config of a module on maps of ``dim`` channels."""
        return EfficientAttentionConfig(
            dim=dim,
            key_channels=self.key_channels or dim // 2,
            num_heads=self.num_heads,
            normalization=self.normalization,
            residual=True,
            zero_init=self.zero_init,
        )


@dataclass
class EfficientAttentionResNetConfig(BackboneConfig):
    """Config of the classifier."""

    num_classes: int = zoo.field(10, "classes", minimum=1)


@dataclass
class EfficientAttentionFPNConfig(BackboneConfig):
    """Config of the feature pyramid."""

    depths: list[int] = zoo.field([1, 1, 1, 1], "blocks per stage", minimum=1)
    pyramid_channels: int = zoo.field(32, "channels of every level", unit="features", minimum=1)


@dataclass
class EfficientAttentionViTConfig(VisionTransformerConfig):
    """Config of a vision transformer whose attention is efficient attention, or any other drop-in layer."""

    dim: int = zoo.field(32, "model width", unit="features", minimum=1)
    num_layers: int = zoo.field(2, "blocks", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    image_size: int = zoo.field(32, "side of the square image", unit="pixels", minimum=1)
    patch_size: int = zoo.field(4, "side of a patch", unit="pixels", minimum=1)
    num_classes: int = zoo.field(10, "classes", minimum=1)
    attention: str = zoo.field("efficient-attention", "attention of every block: full, or a drop-in layer by name")
