"""A vision transformer that takes any drop-in attention layer by name.

Patch embedding, an optional class token, learned positions, pre-norm blocks of [LayerNorm, attention, residual,
LayerNorm, MLP, residual], final LayerNorm, linear head on the class token or the mean of the tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from zoo.configuration import field
from zoo.errors import ConfigError, InputError
from zoo.nn.attention import MultiHeadAttention
from zoo.nn.drop_in import HostConfig, layers_by_name
from zoo.nn.drop_path import linear_rates
from zoo.nn.encoder_block import EncoderBlock
from zoo.nn.patch_embed import PatchEmbed


@dataclass
class VisionTransformerConfig(HostConfig):
    """Shape of the host."""

    dim: int = field(384, "model width", unit="features", minimum=1)
    num_layers: int = field(12, "blocks", minimum=1)
    num_heads: int = field(6, "heads", minimum=1)
    image_size: int = field(224, "side of the square image, or its height", unit="pixels", minimum=1)
    image_width: int | None = field(None, "its width, where it is not square", unit="pixels", minimum=1)
    patch_size: int = field(16, "side of a patch", unit="pixels", minimum=1)
    in_channels: int = field(3, "channels of the image", minimum=1)
    num_classes: int = field(1000, "classes", minimum=1)
    mlp_ratio: float = field(4.0, "feed-forward width over model width", minimum=0.0)
    dropout: float = field(0.0, "after positions and in the MLPs", minimum=0.0, maximum=1.0)
    drop_path: float = field(0.0, "stochastic depth of the last block", minimum=0.0, maximum=1.0)
    pool: str = field("cls", "what the head reads", choices=("cls", "mean"))

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, side in zip(("image_size", "image_width"), self.sides, strict=True):
            if side % self.patch_size:
                raise ConfigError(f"{name}={side} is not a multiple of patch_size={self.patch_size}", field=name)

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of an image in pixels."""
        return self.image_size, self.image_width or self.image_size

    @property
    def num_tokens(self) -> int:
        """Patches, and the class token where there is one."""
        height, width = (side // self.patch_size for side in self.sides)
        return height * width + (self.pool == "cls")


class VisionTransformer(nn.Module):
    """Images (batch, channels, height, width) to logits (batch, num_classes).

    Args:
        config: the host's shape.
        own: makers of further attention layers that ``config`` may name; "full" is always there.
    """

    def __init__(
        self, config: VisionTransformerConfig, own: Mapping[str, Callable[[], nn.Module]] | None = None
    ) -> None:
        super().__init__()
        self.config = config
        own = {"full": partial(MultiHeadAttention, config.dim, config.num_heads, bias=True), **(own or {})}
        layers = layers_by_name(config, own=own, causal=False, max_length=config.num_tokens)
        self.patch_embed = PatchEmbed(config.patch_size, config.dim, config.in_channels)
        self.cls_token = nn.Parameter(torch.empty(1, 1, config.dim)) if config.pool == "cls" else None
        self.pos_embed = nn.Parameter(torch.empty(1, config.num_tokens, config.dim))
        self.drop = nn.Dropout(config.dropout)
        rates = linear_rates(config.drop_path, len(layers))
        self.blocks = nn.ModuleList(
            EncoderBlock(layer, config.dim, config.mlp_ratio, dropout=config.dropout, drop_path=rate)
            for layer, rate in zip(layers, rates, strict=True)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.head = nn.Linear(config.dim, config.num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Truncated normal of deviation 0.02 for positions, tokens and the head."""
        for tensor in (self.cls_token, self.pos_embed, self.head.weight):
            if tensor is not None:
                nn.init.trunc_normal_(tensor, std=0.02)
        nn.init.zeros_(self.head.bias)

    def features(self, images: Tensor) -> Tensor:
        """Images to normalised tokens (batch, tokens, dim), the class token first where there is one.

        Raises:
            InputError: the image is not of the configured size.
        """
        height, width = self.config.sides
        if images.shape[-2:] != (height, width):
            raise InputError(f"image of {tuple(images.shape[-2:])} pixels; expected {height} x {width}")
        x = self.patch_embed(images)
        if self.cls_token is not None:
            x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), 1)
        x = self.drop(x + self.pos_embed)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (batch, num_classes)."""
        tokens = self.features(images)
        return self.head(tokens[:, 0] if self.config.pool == "cls" else tokens.mean(1))
