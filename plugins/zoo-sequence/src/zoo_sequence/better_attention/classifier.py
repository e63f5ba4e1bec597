"""Classifiers of images and texts with any of the four mechanisms."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.errors import InputError, MaskError
from zoo.nn.mlp import MLP
from zoo.nn.patch_embed import PatchEmbed
from zoo_sequence.better_attention.config import ClassifierConfig
from zoo_sequence.better_attention.layers import attention_of


class PostNormBlock(nn.Module):
    """x = LN(x + drop(attention(x))), then x = LN(x + drop(MLP(x)))."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        shape = {"dim": config.dim, "num_heads": config.num_heads, "bias": config.bias, "dropout": config.dropout}
        self.attn = attention_of(config.mechanism, max_length=config.num_tokens, **shape)
        self.norm1 = nn.LayerNorm(config.dim)
        self.mlp = MLP(config.dim, config.hidden_dim, activation=config.activation)
        self.norm2 = nn.LayerNorm(config.dim)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """(batch, tokens, dim) to the same shape."""
        x = self.norm1(x + self.drop(self.attn(x, attn_mask)))
        return self.norm2(x + self.drop(self.mlp(x)))


class BetterAttentionClassifier(nn.Module):
    """Patches or token embeddings plus learned positions, post-norm blocks, and a linear head.

    The head reads the tokens of an image side by side, and the mean of the tokens of a text.
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        width = config.dim
        if config.vocab_size is None:
            self.embed: nn.Module = PatchEmbed(config.patch_size, config.dim, config.in_channels)
            width *= config.num_tokens
        else:
            self.embed = nn.Embedding(config.vocab_size, config.dim)
            nn.init.normal_(self.embed.weight, std=0.02)
        self.positions = nn.Parameter(torch.empty(config.num_tokens, config.dim))
        nn.init.normal_(self.positions, std=0.02)
        self.blocks = nn.ModuleList(PostNormBlock(config) for _ in range(config.num_layers))
        self.drop = nn.Dropout(config.dropout)
        self.head = nn.Linear(width, config.num_classes)

    def forward(self, inputs: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Classify.

        Args:
            inputs: images (batch, in_channels, image_size, image_size), or token ids (batch, length) int64 of at most
                ``max_length`` tokens.
            attn_mask: (batch, length) boolean, True for the real tokens of texts; the others have no influence.

        Returns:
            Logits (batch, num_classes).

        Raises:
            InputError: inputs of another shape.
            MaskError: a mask of another shape, or one for images.
        """
        if self.config.vocab_size is None:
            return self._classify_images(inputs, attn_mask)
        return self._classify_texts(inputs, attn_mask)

    def _tokens(self, inputs: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        x = self.embed(inputs)
        x = x + self.positions[: x.shape[1]]
        for block in self.blocks:
            x = block(x, attn_mask)
        return x

    def _classify_images(self, images: Tensor, attn_mask: Tensor | None) -> Tensor:
        side, channels = self.config.image_size, self.config.in_channels
        if images.ndim != 4 or tuple(images.shape[1:]) != (channels, side, side):
            raise InputError(f"images of shape {tuple(images.shape)}; expected (batch, {channels}, {side}, {side})")
        if attn_mask is not None:
            raise MaskError("images have no padding: attn_mask is for the tokens of texts")
        return self.head(self.drop(self._tokens(images).flatten(1)))

    def _classify_texts(self, input_ids: Tensor, attn_mask: Tensor | None) -> Tensor:
        if input_ids.ndim != 2 or not 1 <= input_ids.shape[1] <= self.config.num_tokens:
            raise InputError(
                f"token ids of shape {tuple(input_ids.shape)}; expected (batch, length) of 1 to "
                f"{self.config.num_tokens} tokens: truncate the texts"
            )
        if attn_mask is None:
            return self.head(self.drop(self._tokens(input_ids).mean(1)))
        if attn_mask.dtype != torch.bool or attn_mask.shape != input_ids.shape:
            raise MaskError(
                f"attn_mask of {attn_mask.dtype} and shape {tuple(attn_mask.shape)}; expected torch.bool and "
                f"{tuple(input_ids.shape)}, True for real tokens"
            )
        # A square mask would be read as one for all examples, were it not for the two axes in the middle.
        x = self._tokens(input_ids, attn_mask[:, None, None])
        total = x.masked_fill(~attn_mask[..., None], 0.0).sum(1)
        return self.head(self.drop(total / attn_mask.sum(1, keepdim=True).clamp(min=1)))


def classifier_example(config: ClassifierConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images in [0, 1], or random token ids of the longest length."""
    generator = torch.Generator().manual_seed(seed)
    if config.vocab_size is not None:
        ids = torch.randint(config.vocab_size, (batch_size, config.num_tokens), generator=generator)
        return {"inputs": ids}
    side = config.image_size or 0
    return {"inputs": torch.rand((batch_size, config.in_channels, side, side), generator=generator)}
