"""The schemas of the guidance block and of the network."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices


@dataclass
class GuidanceConfig:
    """Config of the guidance block."""

    dim: int = zoo.field(1024, "width of the map", unit="channels", minimum=1)
    num_heads: int = zoo.field(8, "heads", minimum=1)
    hidden_dim: int = zoo.field(256, "width inside the block's MLP", minimum=1)
    dropout: float = zoo.field(0.1, "on attention and inside and after the MLP", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)


@dataclass
class FIRMConfig:
    """Config of the network."""

    width: int = zoo.field(64, "channels at full resolution; they double with every level", minimum=1)
    encoder_blocks: list[int] = zoo.field([2, 2, 2, 18], "NAF blocks of each level, the finest first", minimum=0)
    middle_blocks: int = zoo.field(1, "NAF blocks at the deepest map", minimum=0)
    decoder_blocks: list[int] = zoo.field([2, 2, 2, 4], "NAF blocks of each level, the deepest first", minimum=0)
    num_heads: int = zoo.field(8, "heads of the guidance blocks", minimum=1)
    hidden_dim: int = zoo.field(256, "width inside the guidance blocks' MLP", minimum=1)
    dropout: float = zoo.field(0.1, "in the guidance blocks", minimum=0.0, maximum=1.0)
    local_train_size: list[int] | None = zoo.field(
        None,
        "height and width of training images: gates pool over 1.5 times that; None: over the whole image",
        unit="pixels",
        minimum=1,
    )
    mask_rule: str = zoo.field(
        "code",
        "how the mask is reduced: code: bilinear, as the authors do (rims of a reflection count as scene); nearest",
        choices=("code", "nearest"),
    )

    def __post_init__(self) -> None:
        if not self.encoder_blocks or len(self.encoder_blocks) != len(self.decoder_blocks):
            raise ConfigError(
                f"{len(self.encoder_blocks)} encoder_blocks and {len(self.decoder_blocks)} decoder_blocks; expected as "
                "many levels in both, at least one",
                field="decoder_blocks",
            )
        if self.local_train_size is not None and len(self.local_train_size) != 2:
            raise ConfigError(
                f"local_train_size={self.local_train_size}; expected height and width", field="local_train_size"
            )
        require_equal_slices(self.width * 2 ** len(self.encoder_blocks), self.num_heads)
