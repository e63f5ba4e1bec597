"""The schemas of the network and of its parts."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError

STAGES = 4
# Widths of x1..x4.
WIDTHS = {"vgg16": [64, 128, 256, 512], "vgg16-bn": [64, 128, 256, 512], "resnet50": [64, 256, 512, 1024]}


@dataclass
class MCCLConfig:
    """Config of the network."""

    backbone: str = zoo.field(
        "pvt-v2", "network that encodes each image", choices=("pvt-v2", "vgg16", "vgg16-bn", "resnet50")
    )
    embed_dims: list[int] = zoo.field([64, 128, 320, 512], "widths of PVT-v2's stages", minimum=1)
    num_heads: list[int] = zoo.field([1, 2, 5, 8], "heads of its stages", minimum=1)
    depths: list[int] = zoo.field([3, 4, 6, 3], "blocks of its stages", minimum=1)
    mlp_ratios: list[int] = zoo.field([8, 8, 4, 4], "hidden widths of its MLPs over the widths", minimum=1)
    sr_ratios: list[int] = zoo.field([8, 4, 2, 1], "sides by which its keys and values are reduced", minimum=1)
    decoder_mid_channels: int = zoo.field(64, "width within a decoder block", minimum=1)
    image_size: int = zoo.field(256, "side that raw images are brought to", unit="pixels", minimum=1)

    def __post_init__(self) -> None:
        for name in ("embed_dims", "num_heads", "depths", "mlp_ratios", "sr_ratios"):
            if len(getattr(self, name)) != STAGES:
                raise ConfigError(f"{len(getattr(self, name))} {name}; expected one for each of 4 stages", field=name)
        for width, heads in zip(self.embed_dims, self.num_heads, strict=True):
            if width % heads:
                raise ConfigError(f"embed_dims={width} is not divisible by num_heads={heads}", field="embed_dims")
        if self.widths[0] < 2:
            raise ConfigError("embed_dims[0]=1 leaves the decoder's last block no channel", field="embed_dims")

    @property
    def widths(self) -> list[int]:
        """Widths of x1..x4."""
        return WIDTHS.get(self.backbone, self.embed_dims)


@dataclass
class ConsensusConfig:
    """Config of group consensus aggregation alone."""

    dim: int = zoo.field(512, "channels of the maps", minimum=1)


@dataclass
class MemoryConfig:
    """Config of the memory of consensus vectors."""

    dim: int = zoo.field(512, "length of a consensus", minimum=1)
    num_classes: int = zoo.field(291, "slots, one for each class of groups trained on", minimum=1)
    momentum: float = zoo.field(0.9, "share of a slot that an update keeps", minimum=0.0, maximum=1.0)
    temperature: float = zoo.field(0.1, "tau", minimum=1e-4)


@dataclass
class DiscriminatorConfig:
    """Config of the discriminator of adversarial integrity learning."""

    in_channels: int = zoo.field(3, "channels of the images", minimum=1)
    image_size: int = zoo.field(256, "side of the images, a multiple of 16", unit="pixels", minimum=16)
    dropout: float = zoo.field(0.25, "probability of dropping a map", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        if self.image_size % 16:
            raise ConfigError(f"image_size={self.image_size} is no multiple of 16", field="image_size")
