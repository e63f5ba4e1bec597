"""The schema of DSTA."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

PUBLISHED = {"resnet50": 2048, "hrnet-w48": 384}
"""Trunks, and the channels of their maps of stride 32."""
BACKBONES = (*PUBLISHED, "small-resnet", "convolution")


@dataclass
class DSTAConfig:
    """Config of DSTA."""

    backbone: str = zoo.field(
        "resnet50", "trunk: ResNet-50, HRNet-W48, a small ResNet, or one strided convolution (tests)", choices=BACKBONES
    )
    backbone_channels: int = zoo.field(2048, "width of the pooled feature", minimum=1)
    num_frames: int = zoo.field(3, "frames of a clip; the middle one's joints are found", minimum=1)
    dim: int = zoo.field(32, "width of a token", minimum=1)
    depth: int = zoo.field(4, "blocks of each branch", minimum=0)
    num_heads: int = zoo.field(8, "heads of every attention", minimum=1)
    mlp_ratio: float = zoo.field(2.0, "feed-forward width over the token's", minimum=0.01)
    flow_hidden: int = zoo.field(64, "width of the flow's networks, which training alone needs", minimum=1)
    drop_path: float = zoo.field(0.1, "stochastic depth of each branch's last block", minimum=0.0, maximum=1.0)
    height: int = zoo.field(256, "of a crop", unit="pixels", minimum=1)
    width: int = zoo.field(192, "of a crop", unit="pixels", minimum=1)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        expected = PUBLISHED.get(self.backbone, self.backbone_channels)
        if self.backbone_channels != expected:
            raise ConfigError(
                f"backbone_channels={self.backbone_channels}; {self.backbone} has {expected}", field="backbone_channels"
            )
        if self.backbone == "small-resnet" and self.backbone_channels % 8:
            raise ConfigError(
                f"backbone_channels={self.backbone_channels} is no multiple of 8, which four stages need",
                field="backbone_channels",
            )
