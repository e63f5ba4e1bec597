"""The schema of ConvFormer."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

QKV = ("convolution", "linear")


@dataclass
class ConvFormerConfig:
    """Config of ConvFormer."""

    num_frames: int = zoo.field(9, "frames of a window, odd; the middle one is lifted", minimum=1)
    dim: int = zoo.field(32, "features of a joint", minimum=1)
    spatial_depth: int = zoo.field(2, "blocks over joints", minimum=0)
    temporal_depth: int = zoo.field(2, "blocks over frames", minimum=0)
    num_heads: int = zoo.field(8, "heads of every attention", minimum=1)
    kernels: list[int] = zoo.field(
        [7, 7, 7], "odd sizes of the convolutions that are mixed; they may repeat", minimum=1
    )
    qkv: str = zoo.field("convolution", "query, key, value and output: mixed convolutions, or linear maps", choices=QKV)
    mlp_ratio: float = zoo.field(2.0, "feed-forward width over the last axis", minimum=0.01)
    mixing_dropout: float = zoo.field(0.2, "of what the convolutions mix to", minimum=0.0, maximum=1.0)
    drop_path: float = zoo.field(0.2, "stochastic depth of each stack's last block", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        if self.num_frames % 2 == 0:
            raise ConfigError(f"num_frames={self.num_frames} is even: no frame is the middle", field="num_frames")
        even = [kernel for kernel in self.kernels if kernel % 2 == 0]
        if even or not self.kernels:
            raise ConfigError(f"kernels={list(self.kernels)}; expected one or more odd sizes", field="kernels")
