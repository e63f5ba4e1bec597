"""The schemas of the bare operator and of the network."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError


@dataclass
class ShiftConfig:
    """Config of the bare operator."""

    n_div: int = zoo.field(12, "channels // n_div move in each of the four directions", minimum=1)


@dataclass
class ShiftViTConfig:
    """Config of the network."""

    embed_dim: int = zoo.field(96, "width E of the first stage", unit="channels", minimum=1)
    depths: list[int] = zoo.field([6, 8, 18, 6], "blocks of the four stages", minimum=1)
    mlp_ratio: float = zoo.field(2.0, "MLP width over stage width", minimum=0.0)
    n_div: int = zoo.field(12, "channels // n_div move in each of the four directions", minimum=1)
    drop_path: float = zoo.field(0.2, "stochastic depth of the last block", minimum=0.0, maximum=1.0)
    dropout: float = zoo.field(0.0, "after both layers of an MLP", minimum=0.0, maximum=1.0)
    norm: str = zoo.field("group", "group: GroupNorm of one group; batch: BatchNorm2d", choices=("group", "batch"))
    patch_norm: bool = zoo.field(True, "whether a norm follows the patch embedding")
    num_classes: int = zoo.field(1000, "classes; 0 leaves the head out", minimum=0)
    image_size: int = zoo.field(224, "side that raw images are brought to", unit="pixels", minimum=32)
    dataset: str = zoo.field("ImageNet", "whose preprocessing raw images get", choices=("ImageNet", "digits"))

    def __post_init__(self) -> None:
        if len(self.depths) != 4:
            raise ConfigError(f"{len(self.depths)} depths; expected one for each of 4 stages", field="depths")
        if int(self.embed_dim * self.mlp_ratio) < 1:
            raise ConfigError(
                f"mlp_ratio={self.mlp_ratio} leaves no hidden channel at embed_dim={self.embed_dim}", field="mlp_ratio"
            )
        if self.image_size % 32:
            raise ConfigError(f"image_size={self.image_size} is not a multiple of 32", field="image_size")
