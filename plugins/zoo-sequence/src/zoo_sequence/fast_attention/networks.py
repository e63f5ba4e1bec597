"""Networks with fastmax heads: an image classifier, an encoder for long sequences, and a causal language model.

All have pre-norm blocks with a GELU network of ratio 4, a final LayerNorm and learned positions. Their attention can
be softmax attention of the same size ("full"), or any other drop-in layer by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.attention import MultiHeadAttention
from zoo.nn.drop_in import layers_by_name
from zoo.nn.encoder_block import EncoderBlock
from zoo.nn.language_model import CausalLanguageModel, places
from zoo.nn.masks import padding_mask
from zoo.nn.vision_transformer import VisionTransformer
from zoo_sequence.fast_attention.attention import Fastmax
from zoo_sequence.fast_attention.config import (
    FastmaxConfig,
    FastmaxEncoderConfig,
    FastmaxGPTConfig,
    FastmaxKernelConfig,
    FastmaxSequenceConfig,
    FastmaxViTConfig,
)


def _fastmax_layer(config: FastmaxViTConfig | FastmaxSequenceConfig, causal: bool) -> nn.Module:
    kernel = {each.name: getattr(config, each.name) for each in fields(FastmaxKernelConfig)}
    return Fastmax(FastmaxConfig(dim=config.dim, num_heads=config.num_heads, causal=causal, **kernel))


class FastmaxViT(VisionTransformer):
    """Images (batch, channels, height, width) to logits (batch, num_classes)."""

    def __init__(self, config: FastmaxViTConfig) -> None:
        super().__init__(config, {"fastmax": partial(_fastmax_layer, config, causal=False)})


class SequenceTrunk(nn.Module):
    """Token ids (batch, length) int64 to normalised features (batch, length, dim)."""

    def __init__(self, config: FastmaxSequenceConfig, *, causal: bool) -> None:
        super().__init__()
        self.max_length = config.max_length
        own: Mapping[str, Callable[[], nn.Module]] = {
            "fastmax": partial(_fastmax_layer, config, causal),
            "full": partial(MultiHeadAttention, config.dim, config.num_heads, causal=causal, bias=True),
        }
        layers = layers_by_name(config, own=own, causal=causal, max_length=config.max_length)
        self.token_embedding = nn.Embedding(config.vocab_size, config.dim)
        self.position_embedding = nn.Embedding(config.max_length, config.dim)
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            EncoderBlock(layer, config.dim, config.mlp_ratio, dropout=config.dropout) for layer in layers
        )
        self.norm = nn.LayerNorm(config.dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal of deviation 0.02 for both embeddings."""
        for embedding in (self.token_embedding, self.position_embedding):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(self, input_ids: Tensor, attn_mask: Tensor | None = None, caches: list[Any] | None = None) -> Tensor:
        """Features of every token.

        Raises:
            InputError: the sequence is longer than the learned positions.
        """
        start = caches[0].length if caches else 0
        stop = start + input_ids.shape[1]
        if stop > self.max_length:
            raise InputError(f"{stop} tokens, but positions end at max_length={self.max_length}; raise it or shorten")
        where = places(attn_mask, len(input_ids), start, stop)
        x = self.drop(self.token_embedding(input_ids) + self.position_embedding.weight[where])
        for index, block in enumerate(self.blocks):
            options = {"cache": caches[index]} if caches else {}
            x = block(x, attn_mask=attn_mask, **options)
        return self.norm(x)


class FastmaxEncoder(nn.Module):
    """Token ids to logits (batch, num_classes): mean of the real tokens' features, linear classifier.

    Several documents are encoded one by one, and the classifier reads their means side by side.
    """

    def __init__(self, config: FastmaxEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = SequenceTrunk(config, causal=False)
        self.head = nn.Linear(config.num_documents * config.dim, config.num_classes)

    def forward(self, input_ids: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Classify.

        Args:
            input_ids: (batch, length) int64, or (batch, num_documents, length) of several documents.
            attn_mask: padding, boolean of the same shape, True for real tokens.

        Raises:
            InputError: ids of another shape, or too long.
            MaskError: a mask of another shape.
        """
        documents = self.config.num_documents
        expected = (documents,) if documents > 1 else ()
        if input_ids.shape[1:-1] != expected:
            shape = ", ".join(["batch", *map(str, expected), "length"])
            raise InputError(f"input_ids of shape {tuple(input_ids.shape)}; expected ({shape})")
        ids = input_ids.flatten(0, -2)
        flat = attn_mask if attn_mask is None or attn_mask.ndim < 2 else attn_mask.flatten(0, -2)
        mask = padding_mask(flat, batch=ids.shape[0], keys=ids.shape[1], mechanism="an encoder of padded sequences")
        features = self.trunk(ids, mask)
        if mask is None:
            pooled = features.mean(1)
        else:
            hidden, count = ~mask[..., None], mask.sum(1, keepdim=True).clamp(min=1)
            pooled = features.masked_fill(hidden, 0.0).sum(1) / count
        return self.head(pooled.unflatten(0, (-1, documents)).flatten(1))


class FastmaxGPT(CausalLanguageModel):
    """Token ids (batch, length) int64 to logits (batch, length, vocab_size); the head is the token embedding.

    Generation goes on from one state of constant size per layer.
    """

    def __init__(self, config: FastmaxGPTConfig) -> None:
        super().__init__()
        self.trunk = SequenceTrunk(config, causal=True)

    def attention_layers(self) -> list[nn.Module]:
        """The attention of every block, in order."""
        return [block.get_submodule("attn") for block in self.trunk.blocks]

    def forward(self, input_ids: Tensor, attn_mask: Tensor | None = None, caches: list[Any] | None = None) -> Tensor:
        """Logits of the next token at every position.

        Args:
            input_ids: (batch, length) int64.
            attn_mask: padding (batch, cached and new tokens), True for real tokens.
            caches: from ``new_caches``; extended by this call.

        Raises:
            InputError: the sequence is longer than the learned positions.
        """
        return nn.functional.linear(self.trunk(input_ids, attn_mask, caches), self.trunk.token_embedding.weight)


def vit_example(config: FastmaxViTConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images."""
    shape = (batch_size, config.in_channels, *config.sides)
    return {"images": torch.randn(shape, generator=torch.Generator().manual_seed(seed))}


def encoder_example(config: FastmaxEncoderConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random ids."""
    documents = (config.num_documents,) if config.num_documents > 1 else ()
    return {"input_ids": _random_ids(config, (batch_size, *documents), seed)}


def gpt_example(config: FastmaxGPTConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random ids."""
    return {"input_ids": _random_ids(config, (batch_size,), seed)}


def _random_ids(config: FastmaxSequenceConfig, batch: tuple[int, ...], seed: int) -> Tensor:
    shape = (*batch, min(13, config.max_length))
    return torch.randint(config.vocab_size, shape, generator=torch.Generator().manual_seed(seed))
