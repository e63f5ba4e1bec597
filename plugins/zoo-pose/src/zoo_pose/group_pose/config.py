"""The schema of Group Pose."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices
from zoo_pose.backbones import require_doubling

CHANNELS = {"resnet50": [512, 1024, 2048], "swin-t": [192, 384, 768], "swin-l": [384, 768, 1536]}
BACKBONES = (*CHANNELS, "small-resnet", "convolutions", "none")
SKELETONS = {"coco": 17, "crowdpose": 14}


@dataclass
class GroupPoseConfig:
    """Config of Group Pose."""

    backbone: str = zoo.field(
        "resnet50",
        "trunk: ResNet-50 with frozen norms, transformers' Swin, a small ResNet, strided convolutions (tests), or none "
        "(give features)",
        choices=BACKBONES,
    )
    channels: list[int] = zoo.field([512, 1024, 2048], "channels of the trunk's maps, the finest first", minimum=1)
    norm_groups: int = zoo.field(32, "groups of the projections' group norm", minimum=1)
    skeleton: str = zoo.field("coco", "whose keypoints", choices=tuple(SKELETONS))
    num_queries: int = zoo.field(100, "instances", minimum=1)
    num_classes: int = zoo.field(2, "classes; number 1 is a person", minimum=2)
    dim: int = zoo.field(256, "width of queries and memory", minimum=4)
    num_heads: int = zoo.field(8, "heads of every attention", minimum=1)
    num_levels: int = zoo.field(4, "maps of the memory; those beyond the trunk's halve the resolution", minimum=1)
    encoder_layers: int = zoo.field(6, "layers of the encoder", minimum=0)
    decoder_layers: int = zoo.field(6, "layers of the decoder", minimum=1)
    encoder_points: int = zoo.field(4, "points that a head of the encoder samples on each level", minimum=1)
    decoder_points: int = zoo.field(4, "points that a head of the decoder samples on each level", minimum=1)
    hidden_dim: int = zoo.field(2048, "feed-forward width", minimum=1)
    temperature: float = zoo.field(20.0, "of the sines of the memory's places", minimum=1.0)
    dropout: float = zoo.field(0.0, "in encoder and decoder", minimum=0.0, maximum=1.0)
    inplace_positions: bool = zoo.field(
        True, "positions also in values and residuals, as in the code; else in queries and keys alone, as in the paper"
    )
    side: int = zoo.field(800, "shorter side that pictures are brought to", unit="pixels", minimum=1)
    longest: int = zoo.field(1333, "longer side at most", unit="pixels", minimum=1)

    @property
    def num_keypoints(self) -> int:
        """K."""
        return SKELETONS[self.skeleton]

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        if self.dim % 4:
            raise ConfigError(f"dim={self.dim} is no multiple of 4, which sines of two axes need", field="dim")
        if self.dim % self.norm_groups:
            raise ConfigError(f"dim={self.dim} is no multiple of norm_groups={self.norm_groups}", field="norm_groups")
        expected = CHANNELS.get(self.backbone)
        if not self.channels or (expected and list(self.channels) != expected):
            raise ConfigError(
                f"channels={list(self.channels)}; expected {expected or 'one or more'} of {self.backbone}",
                field="channels",
            )
        if self.backbone == "small-resnet":
            require_doubling(self.channels, self.backbone)
        if self.num_levels < len(self.channels):
            raise ConfigError(
                f"num_levels={self.num_levels} for {len(self.channels)} maps of the trunk", field="num_levels"
            )
