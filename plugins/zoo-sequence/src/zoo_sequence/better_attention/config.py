"""Schemas of the four layers and of the classifier, and the names of the mechanisms."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

MECHANISMS = ("standard", "optimised", "efficient", "super")


@dataclass
class AttentionConfig:
    """Config of a standard, an optimised or an efficient layer."""

    dim: int = zoo.field(256, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(4, "heads, each on its slice of the features", minimum=1)
    causal: bool = zoo.field(False, "whether a token sees only itself and those before it")
    bias: bool = zoo.field(False, "whether the projections have biases")
    dropout: float = zoo.field(0.0, "of attention weights", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)


@dataclass
class SuperAttentionConfig(AttentionConfig):
    """Config of a super attention layer."""

    max_length: int = zoo.field(
        64, "side of the alignment kernel: the most keys there can be", unit="tokens", minimum=1
    )
    alignment_init: str = zoo.field(
        "xavier", "of the kernel: Xavier uniform, or that and the identity", choices=("xavier", "identity")
    )


@dataclass
class ClassifierConfig:
    """Config of a classifier of images (with ``image_size``) or of texts (with ``vocab_size`` and ``max_length``)."""

    mechanism: str = zoo.field("standard", "attention of every block", choices=MECHANISMS)
    dim: int = zoo.field(128, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    num_layers: int = zoo.field(1, "blocks", minimum=1)
    hidden_dim: int = zoo.field(128, "width of the feed-forward networks", unit="features", minimum=1)
    num_classes: int = zoo.field(10, "classes", minimum=1)
    image_size: int | None = zoo.field(28, "side of the square image; None for texts", unit="pixels", minimum=1)
    patch_size: int = zoo.field(4, "side of an image's patch", unit="pixels", minimum=1)
    in_channels: int = zoo.field(1, "channels of the image", minimum=1)
    vocab_size: int | None = zoo.field(None, "tokens of the vocabulary; None for images", minimum=1)
    max_length: int | None = zoo.field(None, "longest text; None for images", unit="tokens", minimum=1)
    activation: str = zoo.field("relu", "of the feed-forward networks", choices=("relu", "gelu"))
    bias: bool = zoo.field(False, "whether the projections of attention have biases")
    dropout: float = zoo.field(0.1, "of attention weights, branches and the head's input", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        if self.image_size is None:
            for name in ("vocab_size", "max_length"):
                if getattr(self, name) is None:
                    raise ConfigError(f"a classifier of texts needs {name} (of images: image_size)", field=name)
            return
        for name in ("vocab_size", "max_length"):
            if getattr(self, name) is not None:
                raise ConfigError(f"{name} is for texts, image_size for images: leave one of them None", field=name)
        if self.image_size % self.patch_size:
            raise ConfigError(
                f"image_size={self.image_size} is not a multiple of patch_size={self.patch_size}", field="image_size"
            )

    @property
    def num_tokens(self) -> int:
        """Patches of an image, or tokens of the longest text."""
        return (self.image_size // self.patch_size) ** 2 if self.image_size is not None else self.max_length or 0
