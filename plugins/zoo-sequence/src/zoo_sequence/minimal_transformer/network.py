"""The image classifier, and how far a set of samples determines a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_sequence.minimal_transformer.config import MinimalAttentionConfig, MinimalTransformerConfig
from zoo_sequence.minimal_transformer.layer import MinimalAttention


class MinimalLayer(nn.Module):
    """Attention and, where configured, an MLP, each with residual and norm; the second norm is always there."""

    def __init__(self, config: MinimalTransformerConfig) -> None:
        super().__init__()
        dim = config.dim
        self.norm_first = config.norm_first
        self.attn = MinimalAttention(
            MinimalAttentionConfig(dim, config.num_heads, config.variant, dropout=config.dropout)
        )
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        width = config.hidden_dim
        self.mlp = nn.Sequential(nn.Linear(dim, width), nn.GELU(), nn.Linear(width, dim)) if config.mlp else None
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, dim) to the same shape."""
        if self.norm_first:
            x = x + self.drop(self.attn(self.norm1(x)))
            return x if self.mlp is None else x + self.drop(self.mlp(self.norm2(x)))
        x = self.norm1(x + self.drop(self.attn(x)))
        return x if self.mlp is None else self.norm2(x + self.drop(self.mlp(x)))


class MinimalTransformer(nn.Module):
    """Images (batch, channels, side, side) in [0, 1] to logits (batch, num_classes), read off a class token."""

    def __init__(self, config: MinimalTransformerConfig) -> None:
        super().__init__()
        self.config = config
        tokens = (config.image_size // config.patch_size) ** 2 + 1
        self.patch = nn.Conv2d(config.in_channels, config.dim, config.patch_size, stride=config.patch_size)
        self.cls_token = nn.Parameter(torch.empty(1, 1, config.dim))
        self.position_embeddings = nn.Parameter(torch.empty(tokens, config.dim))
        self.drop = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(MinimalLayer(config) for _ in range(config.num_layers))
        self.head = nn.Linear(config.dim, config.num_classes)
        nn.init.normal_(self.cls_token)
        nn.init.normal_(self.position_embeddings)

    def forward(self, images: Tensor) -> Tensor:
        """Logits.

        Raises:
            InputError: the images are not of the configured size and channels.
        """
        expected = (self.config.in_channels, self.config.image_size, self.config.image_size)
        if images.ndim != 4 or tuple(images.shape[1:]) != expected:
            raise InputError(
                f"images of shape {tuple(images.shape)}; expected (batch, {', '.join(map(str, expected))})"
            )
        x = self.patch(images).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), 1) + self.position_embeddings
        x = self.drop(x)
        for layer in self.layers:
            x = layer(x)
        return self.head(x[:, 0])


def overdetermination(samples: int, outputs: int, parameters: int) -> float:
    """Q = samples * outputs / parameters; above 1 the training loss is comparable to the test loss."""
    return samples * outputs / parameters


def image_example(config: MinimalTransformerConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images in [0, 1]."""
    shape = (batch_size, config.in_channels, config.image_size, config.image_size)
    return {"images": torch.rand(shape, generator=torch.Generator().manual_seed(seed))}
