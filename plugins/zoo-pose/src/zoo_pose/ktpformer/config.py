"""The schema of KTPFormer."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.nn.heads import require_equal_slices


@dataclass
class KTPFormerConfig:
    """Config of KTPFormer."""

    num_frames: int = zoo.field(
        243, "frames of a window; positions and the temporal topology are learnt for it", minimum=2, maximum=1 << 14
    )
    in_channels: int = zoo.field(2, "numbers per keypoint", minimum=1)
    dim: int = zoo.field(512, "width of a token", minimum=1)
    depth: int = zoo.field(7, "pairs of plain blocks after the two with priors", minimum=0)
    num_heads: int = zoo.field(8, "heads of every attention", minimum=1)
    mlp_ratio: float = zoo.field(2.0, "feed-forward width over the token's", minimum=0.01)
    qkv_bias: bool = zoo.field(True, "whether query, key and value have biases")
    drop_path: float = zoo.field(0.1, "stochastic depth of the last block; grows from 0", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
