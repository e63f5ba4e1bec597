"""The schemas of a stack of blocks and of the classifier."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError


@dataclass
class NiNformerBlockConfig:
    """Config of a stack of blocks."""

    dim: int = zoo.field(256, "width of a token", unit="features", minimum=1)
    hidden_dim: int = zoo.field(512, "inner width of every feed-forward network", unit="features", minimum=1)
    num_tokens: int = zoo.field(64, "tokens; the weights fix them", minimum=1)
    num_layers: int = zoo.field(4, "blocks", minimum=1)
    dropout: float = zoo.field(0.5, "in every feed-forward network, twice", minimum=0.0, maximum=1.0)


@dataclass
class NiNformerConfig:
    """Config of the image classifier."""

    image_size: int = zoo.field(32, "side of the square images", unit="pixels", minimum=1)
    patch_size: int = zoo.field(4, "side of a patch", unit="pixels", minimum=1)
    in_channels: int = zoo.field(3, "channels of an image", minimum=1)
    num_classes: int = zoo.field(10, "classes", minimum=1)
    dim: int = zoo.field(256, "width of a token", unit="features", minimum=1)
    hidden_dim: int = zoo.field(512, "inner width of every feed-forward network", unit="features", minimum=1)
    num_layers: int = zoo.field(4, "blocks", minimum=1)
    dropout: float = zoo.field(0.5, "in every feed-forward network, twice", minimum=0.0, maximum=1.0)
    block: str = zoo.field(
        "gated", "gated: the paper's; mixer: the Mixer block M alone, the paper's baseline", choices=("gated", "mixer")
    )
    dataset: str = zoo.field("CIFAR", "whose preprocessing raw images get", choices=("CIFAR", "MNIST", "digits"))

    def __post_init__(self) -> None:
        if self.image_size % self.patch_size:
            raise ConfigError(
                f"image_size={self.image_size} is not a multiple of patch_size={self.patch_size}", field="image_size"
            )

    @property
    def blocks(self) -> NiNformerBlockConfig:
        """The config of the stack inside."""
        tokens = (self.image_size // self.patch_size) ** 2
        return NiNformerBlockConfig(self.dim, self.hidden_dim, tokens, self.num_layers, self.dropout)
