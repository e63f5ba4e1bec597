"""The schemas of the network and of the world."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

ATTENTIONS = ("joint", "cross_view_spatial", "same_view_spatial", "divided")
# Body-worn cameras, in the order of their embeddings.
MOUNTS = ("head", "pelvis", "left wrist", "right wrist", "left knee", "right knee")


@dataclass
class CopilotConfig:
    """Config of COPILOT."""

    dim: int = zoo.field(768, "width", minimum=1)
    num_layers: int = zoo.field(12, "blocks", minimum=4)
    num_heads: int = zoo.field(12, "attention heads", minimum=1)
    attention: str = zoo.field("cross_view_spatial", "how space, time and viewpoint are factorised", choices=ATTENTIONS)
    num_views: int = zoo.field(6, "body mounts that have an embedding", minimum=1)
    num_frames: int = zoo.field(5, "past frames", minimum=1)
    image_size: int = zoo.field(224, "side of a frame", unit="pixels", minimum=1)
    patch_size: int = zoo.field(16, "side of a patch", unit="pixels", minimum=1)
    in_channels: int = zoo.field(3, "3, or 4 with depth", minimum=1)
    num_joints: int = zoo.field(10, "body joints that may collide", minimum=1)
    mlp_ratio: float = zoo.field(4.0, "MLPs' width / dim", minimum=0.0)
    decoder_dim: int = zoo.field(128, "width of the heatmap's decoder", minimum=1)
    eps: float = zoo.field(1e-6, "of the layer norms", minimum=0.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        if self.image_size % self.patch_size:
            raise ConfigError(
                f"image_size={self.image_size} is no multiple of patch_size={self.patch_size}", field="image_size"
            )
        if self.num_layers % 4:
            raise ConfigError(
                f"num_layers={self.num_layers} is no multiple of 4: the heatmap reads four depths", field="num_layers"
            )

    @property
    def grid(self) -> int:
        """Patches per side."""
        return self.image_size // self.patch_size


@dataclass
class WorldConfig:
    """Config of the plane with boxes, through which a body with cameras walks."""

    num_cases: int = zoo.field(64, "walks that are asked", minimum=1)
    num_views: int = zoo.field(3, "cameras, spread evenly around the body", minimum=1)
    num_frames: int = zoo.field(2, "past frames", minimum=1)
    image_size: int = zoo.field(32, "side of a frame", unit="pixels", minimum=8)
    num_joints: int = zoo.field(10, "joints of the body", minimum=1)
    num_boxes: int = zoo.field(6, "obstacles", minimum=0)
    seconds: float = zoo.field(1.0, "how far ahead collisions count", unit="s", minimum=0.0)
    frame_rate: float = zoo.field(5.0, "of the cameras", unit="Hz", minimum=0.1)
    seed: int = zoo.field(0, "of the walks", minimum=0)
