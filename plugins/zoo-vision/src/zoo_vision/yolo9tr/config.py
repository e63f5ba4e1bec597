"""The schemas of partial self-attention and of the detector."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError

# The blocks' places in the authors' list of layers; the first is an ELAN, the others are GELANs.
BLOCKS = (2, 4, 6, 8, 12, 15, 18, 21, 25, 28)
DOWN = (3, 5, 7, 16, 19)
POOLS = (9, 22)
STRIDES = (8, 16, 32)


@dataclass
class PartialSelfAttentionConfig:
    """Config of a partial self-attention block."""

    dim: int = zoo.field(128, "width of the map", unit="channels", minimum=1)
    expansion: float = zoo.field(0.5, "share of the width that attends", minimum=0.0, maximum=1.0)
    attn_ratio: float = zoo.field(0.5, "width of a head's queries over that of its values", minimum=0.0)
    eps: float = zoo.field(1e-3, "of the batch norms; 1e-5 in a bare block of the authors", minimum=0.0)

    def __post_init__(self) -> None:
        if self.attending < 1:
            raise ConfigError(
                f"expansion={self.expansion} leaves none of {self.dim} channels to attend", field="expansion"
            )
        if self.attending % self.num_heads:
            raise ConfigError(
                f"{self.attending} channels attend, which {self.num_heads} heads (one for every 64) do not divide",
                field="dim",
            )
        if int(self.attending // self.num_heads * self.attn_ratio) < 1:
            raise ConfigError(f"attn_ratio={self.attn_ratio} leaves queries no channel", field="attn_ratio")

    @property
    def attending(self) -> int:
        """Channels that attend."""
        return int(self.dim * self.expansion)

    @property
    def num_heads(self) -> int:
        """One for every 64 channels that attend."""
        return max(1, self.attending // 64)


@dataclass
class YOLO9trConfig:
    """Config of the detector. Lists are in the order of the layers; ``BLOCKS`` and so on say which those are."""

    num_classes: int = zoo.field(80, "classes", minimum=1)
    class_names: list[str] = zoo.field([], "what `zoo predict` calls the classes; numbers unless there are as many")
    attention: bool = zoo.field(True, "partial self-attention before the auxiliary head; without it this is YOLOv9-s")
    head: str = zoo.field("main", "whose boxes `detect` and `zoo predict` give", choices=("main", "aux"))
    stem_channels: list[int] = zoo.field([32, 64], "widths of the first two convolutions", minimum=1)
    block_channels: list[int] = zoo.field(
        [64, 128, 192, 256, 192, 128, 192, 256, 192, 128], "what each of the ten blocks gives", minimum=1
    )
    split_channels: list[int] = zoo.field(
        [64, 128, 192, 256, 192, 128, 192, 256, 192, 128], "what each block splits in two, even", minimum=2
    )
    inner_channels: list[int] = zoo.field(
        [32, 64, 96, 128, 96, 64, 96, 128, 96, 64], "width of each block's own convolutions", minimum=1
    )
    bottlenecks: list[int] = zoo.field([3] * 9, "bottlenecks in each half of the nine GELAN blocks", minimum=0)
    down_channels: list[int] = zoo.field([128, 192, 256, 96, 128], "what the five halvings give", minimum=1)
    pool_channels: list[int] = zoo.field([256, 256], "what the two pyramids of poolings give", minimum=1)
    pool_inner: list[int] = zoo.field([128, 128], "what the two pyramids of poolings pool", minimum=1)
    reg_max: int = zoo.field(16, "bins of a distance", unit="cells", minimum=1)
    box_branch: int | None = zoo.field(None, "width of both heads' box branch, a multiple of 4; from the maps if unset")
    class_branch: int | None = zoo.field(None, "width of both heads' class branch; from the maps if unset")
    eps: float = zoo.field(1e-3, "of the batch norms", minimum=0.0)
    image_size: int = zoo.field(640, "side that raw images are brought to, padded", unit="pixels", minimum=32)

    def __post_init__(self) -> None:
        lengths = {
            "stem_channels": 2,
            **dict.fromkeys(("block_channels", "split_channels", "inner_channels"), len(BLOCKS)),
            "bottlenecks": len(BLOCKS) - 1,
            "down_channels": len(DOWN),
            **dict.fromkeys(("pool_channels", "pool_inner"), len(POOLS)),
        }
        for name, count in lengths.items():
            if len(getattr(self, name)) != count:
                raise ConfigError(f"{len(getattr(self, name))} {name}; expected {count}", field=name)
        if any(width % 2 for width in self.split_channels):
            raise ConfigError(
                f"split_channels={self.split_channels} must be even: they are halved", field="split_channels"
            )
        if min(self.inner_channels[1:]) < 2:
            raise ConfigError(
                f"inner_channels={self.inner_channels}: a GELAN block halves at least 2", field="inner_channels"
            )
        if self.box_branch is not None and (self.box_branch < 1 or self.box_branch % 4):
            raise ConfigError(f"box_branch={self.box_branch} is no multiple of 4, its groups", field="box_branch")
        if self.class_branch is not None and self.class_branch < 1:
            raise ConfigError(f"class_branch={self.class_branch} must be at least 1", field="class_branch")
        if self.image_size % 32:
            raise ConfigError(f"image_size={self.image_size} is not a multiple of 32", field="image_size")
        for block in self.attention_blocks:
            block.__post_init__()

    @property
    def names(self) -> list[str]:
        """Of all classes; none where there are not as many."""
        return self.class_names if len(self.class_names) == self.num_classes else []

    @property
    def aux_channels(self) -> list[int]:
        """Widths of the auxiliary head's maps, of stride 8, 16, 32."""
        return [self.block_channels[9], self.block_channels[8], self.pool_channels[1]]

    @property
    def main_channels(self) -> list[int]:
        """Widths of the main head's maps, of stride 8, 16, 32."""
        return [self.block_channels[5], self.block_channels[6], self.block_channels[7]]

    @property
    def attention_blocks(self) -> list[PartialSelfAttentionConfig]:
        """Of the blocks before the auxiliary head."""
        if not self.attention:
            return []
        return [PartialSelfAttentionConfig(dim=width, eps=self.eps) for width in self.aux_channels]
