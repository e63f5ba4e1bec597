"""The schemas of the layer and of the image classifier, and the variants of attention."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

VARIANTS = ("unchanged", "wqk", "wqk-no-vo", "symmetric", "symmetric-no-vo")


@dataclass
class MinimalAttentionConfig:
    """Config of the layer."""

    dim: int = zoo.field(64, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(1, "heads", minimum=1)
    variant: str = zoo.field("unchanged", "what is left of attention", choices=VARIANTS)
    causal: bool = zoo.field(False, "whether a token sees only those before it")
    dropout: float = zoo.field(0.0, "of attention weights", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        _require_possible_heads(self.dim, self.num_heads, self.variant)


@dataclass
class MinimalTransformerConfig:
    """Config of the image classifier."""

    image_size: int = zoo.field(28, "side of the square image", unit="pixels", minimum=1)
    patch_size: int = zoo.field(7, "side of a patch", unit="pixels", minimum=1)
    in_channels: int = zoo.field(1, "channels of the image", minimum=1)
    num_classes: int = zoo.field(10, "classes", minimum=1)
    dim: int = zoo.field(64, "model width", unit="features", minimum=1)
    num_layers: int = zoo.field(6, "layers", minimum=1)
    num_heads: int = zoo.field(1, "heads", minimum=1)
    variant: str = zoo.field("unchanged", "what is left of attention", choices=VARIANTS)
    mlp: bool = zoo.field(False, "whether layers have an MLP")
    mlp_ratio: float = zoo.field(1.0, "MLP width over model width", minimum=0.0)
    norm_first: bool = zoo.field(False, "pre-norm instead of post-norm")
    dropout: float = zoo.field(0.1, "everywhere", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        _require_possible_heads(self.dim, self.num_heads, self.variant)
        if self.image_size % self.patch_size:
            raise ConfigError(
                f"image_size={self.image_size} is not a multiple of patch_size={self.patch_size}", field="image_size"
            )
        if self.mlp and self.hidden_dim < 1:
            raise ConfigError(f"mlp_ratio={self.mlp_ratio} of dim={self.dim} leaves the MLP no unit", field="mlp_ratio")

    @property
    def hidden_dim(self) -> int:
        """Width of the MLPs."""
        return int(self.dim * self.mlp_ratio)


def _require_possible_heads(dim: int, num_heads: int, variant: str) -> None:
    require_equal_slices(dim, num_heads)
    if variant.startswith("wqk") and num_heads > 1:
        raise ConfigError(
            "with several heads each needs a (dim, dim) matrix for queries and keys, which saves nothing: "
            "wqk variants have one head",
            field="num_heads",
        )
