"""The schemas of the tower and of the network that answers questions about places."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError

COLOURS = 4
COLOUR_NAMES = ("red", "green", "blue", "yellow")
RELATIONS = ("left of", "right of", "above", "below")


@dataclass
class DDSTConfig:
    """Config of a tower."""

    dim: int = zoo.field(384, "width of a token", unit="features", minimum=1)
    num_layers: int = zoo.field(6, "blocks, each bottom-up and top-down", minimum=1)
    num_groups: int = zoo.field(16, "groups that tokens fall into", minimum=1)
    question_dim: int = zoo.field(384, "width of the question", unit="features", minimum=1)
    gate_groups: int = zoo.field(8, "channel groups with a gate of their own", minimum=1)
    mlp_ratio: float = zoo.field(4.0, "hidden width of the feed-forward network over the width", minimum=0.0)

    def __post_init__(self) -> None:
        if self.dim % self.gate_groups:
            raise ConfigError(f"dim={self.dim} is not divisible by gate_groups={self.gate_groups}", field="gate_groups")
        if int(self.dim * self.mlp_ratio) < 1:
            raise ConfigError(f"mlp_ratio={self.mlp_ratio} leaves no hidden feature", field="mlp_ratio")


@dataclass
class RelationsConfig:
    """Config of the network that answers "is COLOUR left of COLOUR?"."""

    dim: int = zoo.field(32, "width of a token", unit="features", minimum=1)
    num_layers: int = zoo.field(1, "blocks", minimum=1)
    num_groups: int = zoo.field(8, "groups that tokens fall into", minimum=1)
    patch_size: int = zoo.field(2, "side of the square that is a token", unit="pixels", minimum=1)
    block: str = zoo.field(
        "tower",
        "tower: the tower with its read-out of relations; attention: as many parameters of softmax attention",
        choices=("tower", "attention"),
    )
    num_heads: int = zoo.field(4, "heads of the block attention", minimum=1)
    hidden_dim: int | None = zoo.field(
        None, "hidden width of the block attention's feed-forward network; 4 dim if unset"
    )
    image_size: int = zoo.field(16, "side of the square images", unit="pixels", minimum=1)

    def __post_init__(self) -> None:
        if self.image_size % self.patch_size:
            raise ConfigError(
                f"image_size={self.image_size} is not a multiple of patch_size={self.patch_size}", field="patch_size"
            )
        if self.block == "attention" and self.dim % self.num_heads:
            raise ConfigError(f"dim={self.dim} is not divisible by num_heads={self.num_heads}", field="num_heads")
        if self.hidden_dim is not None and self.hidden_dim < 1:
            raise ConfigError(f"hidden_dim={self.hidden_dim} must be at least 1", field="hidden_dim")
        if self.block == "tower":
            self.tower.__post_init__()

    @property
    def tower(self) -> DDSTConfig:
        """The config of the tower inside."""
        groups = next(count for count in (8, 4, 2, 1) if self.dim % count == 0)
        return DDSTConfig(self.dim, self.num_layers, self.num_groups, self.dim, groups)
