"""The schema of Poseur."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices
from zoo_pose.backbones import CHANNELS, require_doubling
from zoo_pose.plain_vit import PATCH

BACKBONES = (*CHANNELS, "small-resnet", "convolutions", "none")
NECKS = ("mapper", "deconvolution")
ACTIVATIONS = ("relu", "gelu")
_RESNET50 = [256, 512, 1024, 2048]


@dataclass
class PoseurConfig:
    """Config of Poseur."""

    backbone: str = zoo.field(
        "resnet50",
        "trunk: a published one, a small ResNet, strided convolutions (tests), or none (give features)",
        choices=BACKBONES,
    )
    channels: list[int] = zoo.field(_RESNET50, "channels of the trunk's maps, the finest first", minimum=1)
    neck: str = zoo.field(
        "mapper", "a 1x1 convolution for each map, or three deconvolutions of one map, as for ViT", choices=NECKS
    )
    norm_groups: int = zoo.field(32, "groups of the neck's group norm", minimum=1)
    num_joints: int = zoo.field(17, "keypoints: 17 of COCO, 133 of the whole body", minimum=1)
    dim: int = zoo.field(256, "width of queries and memory", minimum=4)
    num_layers: int = zoo.field(6, "decoder layers", minimum=1)
    num_heads: int = zoo.field(8, "heads of both attentions", minimum=1)
    num_points: int = zoo.field(4, "points that a head samples on each level", minimum=1)
    hidden_dim: int = zoo.field(1024, "feed-forward width", minimum=1)
    activation: str = zoo.field("relu", "of the feed-forward network", choices=ACTIVATIONS)
    num_branch_layers: int = zoo.field(
        2, "hidden layers of the networks that refine coordinates and spreads", minimum=0
    )
    temperature: float = zoo.field(10_000.0, "of the sines of a map's places", minimum=1.0)
    offset: float = zoo.field(-0.5, "added to counts of positions before they are normalised")
    normalised: bool = zoo.field(True, "whether counts of positions are brought to 0..2 pi")
    noise_groups: int = zoo.field(3, "further groups of queries in training, with some noisy references", minimum=0)
    noisy_per_group: int = zoo.field(4, "references of each of these groups, on average, that get noise", minimum=0)
    flow_hidden: int = zoo.field(64, "width of the flows' networks, which training alone needs", minimum=1)
    dropout: float = zoo.field(0.1, "in the decoder", minimum=0.0, maximum=1.0)
    height: int = zoo.field(256, "of a crop", unit="pixels", minimum=1)
    width: int = zoo.field(192, "of a crop", unit="pixels", minimum=1)

    @property
    def num_levels(self) -> int:
        """Levels of the memory."""
        return 3 if self.neck == "deconvolution" else len(self.channels)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        if self.dim % 4:
            raise ConfigError(f"dim={self.dim} is no multiple of 4, which sines of two axes need", field="dim")
        expected = list(CHANNELS.get(self.backbone, self.channels))
        if not self.channels or list(self.channels) != expected:
            raise ConfigError(
                f"channels={list(self.channels)}; expected {expected or 'one or more'} of {self.backbone}",
                field="channels",
            )
        if self.backbone == "small-resnet":
            require_doubling(self.channels, self.backbone)
        if self.neck == "mapper" and self.dim % self.norm_groups:
            raise ConfigError(f"dim={self.dim} is no multiple of norm_groups={self.norm_groups}", field="norm_groups")
        if self.neck == "deconvolution" and len(self.channels) != 1:
            raise ConfigError(f"channels={list(self.channels)}; the deconvolutions take one map", field="channels")
        if self.backbone == "vit-base" and (self.height % PATCH or self.width % PATCH):
            raise ConfigError(
                f"crops of {self.height} x {self.width} do not divide into patches of {PATCH}",
                field="height" if self.height % PATCH else "width",
            )
        if self.noisy_per_group > self.num_joints:
            raise ConfigError(
                f"noisy_per_group={self.noisy_per_group} of {self.num_joints} joints", field="noisy_per_group"
            )
