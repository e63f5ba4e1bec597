"""The schemas of the networks and of the skip's attention."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

STAGES = 4


@dataclass
class CrossContextualConfig:
    """Config of the cross-contextual attention of one skip."""

    dim: int = zoo.field(96, "width of the tokens of both streams", unit="channels", minimum=1)
    num_heads: int = zoo.field(8, "heads", minimum=1)
    head_dim: int = zoo.field(64, "width of a head", minimum=1)
    depth: int = zoo.field(2, "rounds of attention for each summary", minimum=0)
    dropout: float = zoo.field(0.0, "probability of dropout after the projection", minimum=0.0, maximum=1.0)


@dataclass
class AttSwinUNetConfig:
    """Config of the segmentation network."""

    image_size: int = zoo.field(
        224, "side that raw images are brought to; windows are those of maps of this size", unit="pixels", minimum=1
    )
    num_classes: int = zoo.field(9, "maps of logits; 1 for one mask by a sigmoid", minimum=1)
    patch_size: int = zoo.field(4, "side of a patch", unit="pixels", minimum=1)
    in_channels: int = zoo.field(3, "channels of the image; grey images are repeated", minimum=1)
    embed_dim: int = zoo.field(96, "width of the first stage; it doubles with every stage", minimum=1)
    depths: list[int] = zoo.field([2, 2, 6, 2], "blocks of the encoder's stages; the decoder mirrors them", minimum=1)
    num_heads: list[int] = zoo.field([3, 6, 12, 24], "heads of the stages", minimum=1)
    window_size: int = zoo.field(7, "side of a window, where the stage's map is larger", unit="patches", minimum=1)
    mlp_ratio: float = zoo.field(4.0, "hidden width of an MLP over the width", minimum=0.0)
    qkv_bias: bool = zoo.field(True, "biases of queries, keys and values")
    drop_path: float = zoo.field(0.1, "highest rate of stochastic depth", minimum=0.0, maximum=1.0)
    mode: str = zoo.field(
        "cross_contextual_attention",
        "how skips are joined: by cross-contextual attention, or joined as they are (Swin-Unet)",
        choices=("cross_contextual_attention", "swin"),
    )
    skip_num: int = zoo.field(
        3, "skips, from the deepest, that attention joins; 0 is what the code does with a number", minimum=0, maximum=3
    )
    cross_depth: int = zoo.field(2, "rounds of cross-contextual attention", minimum=0)
    cross_heads: int = zoo.field(8, "its heads", minimum=1)
    cross_head_dim: int = zoo.field(64, "width of such a head", minimum=1)
    spatial_attention: str = zoo.field(
        "code",
        "transfer of the encoder's attention: none, the published code's (without effect), or the paper's",
        choices=("off", "code", "paper"),
    )
    combine: str = zoo.field("add", "how the paper's transfer joins weights", choices=("add", "multiply"))
    renormalise: bool = zoo.field(False, "bring the weights of the paper's transfer to a sum of 1 again")

    def __post_init__(self) -> None:
        for name in ("depths", "num_heads"):
            if len(getattr(self, name)) != STAGES:
                raise ConfigError(f"{len(getattr(self, name))} {name}; expected one for each of 4 stages", field=name)
        for stage, heads in enumerate(self.num_heads):
            require_equal_slices(self.embed_dim * 2**stage, heads)
        if self.image_size % (self.patch_size * 8):
            raise ConfigError(
                f"image_size={self.image_size} is no multiple of 8 patches of {self.patch_size} pixels; "
                f"take {self.image_size + -self.image_size % (self.patch_size * 8)}",
                field="image_size",
            )
        if int(self.embed_dim * self.mlp_ratio) < 1:
            raise ConfigError(f"mlp_ratio={self.mlp_ratio} leaves no hidden channel", field="mlp_ratio")

    def window(self, stage: int) -> tuple[int, int]:
        """Side of the windows and of their shift in every second block of a stage, 0 where one window is the map."""
        resolution = self.image_size // self.patch_size // 2**stage
        return (resolution, 0) if resolution <= self.window_size else (self.window_size, self.window_size // 2)


@dataclass
class SwinUNetConfig(AttSwinUNetConfig):
    """Config of the plain network, whose skips are joined as they are."""

    mode: str = zoo.field(
        "swin",
        "how skips are joined: by cross-contextual attention, or joined as they are (Swin-Unet)",
        choices=("cross_contextual_attention", "swin"),
    )
    spatial_attention: str = zoo.field(
        "off",
        "transfer of the encoder's attention: none, the published code's (it joins every skip twice), or the paper's",
        choices=("off", "code", "paper"),
    )
