"""A language model of such layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.encoder_block import EncoderBlock
from zoo.nn.language_model import CausalLanguageModel, places
from zoo_sequence.pavlovian_attention.config import PavlovianLanguageModelConfig
from zoo_sequence.pavlovian_attention.layer import PavlovianAttention


class PavlovianLanguageModel(CausalLanguageModel):
    """Ids (batch, length) int64 to logits (batch, length, vocab_size); learned positions, untied head."""

    def __init__(self, config: PavlovianLanguageModelConfig) -> None:
        super().__init__()
        self.max_length = config.max_length
        self.token_embedding = nn.Embedding(config.vocab_size, config.dim)
        self.position_embedding = nn.Embedding(config.max_length, config.dim)
        self.blocks = nn.ModuleList(
            EncoderBlock(PavlovianAttention(config.layer(index)), config.dim, config.mlp_ratio)
            for index in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.head = nn.Linear(config.dim, config.vocab_size, bias=False)

    def attention_layers(self) -> list[nn.Module]:
        """The attention of every block, in order."""
        return [block.get_submodule("attn") for block in self.blocks]

    def forward(self, input_ids: Tensor, attn_mask: Tensor | None = None, caches: list[Any] | None = None) -> Tensor:
        """Next-token logits.

        Args:
            input_ids: (batch, length) int64.
            attn_mask: padding (batch, cached and new tokens), True for real tokens.
            caches: from ``new_caches``: a state of constant size per layer; extended by this call.

        Raises:
            InputError: the sequence is longer than the learned positions.
        """
        start = caches[0].length if caches else 0
        stop = start + input_ids.shape[1]
        if stop > self.max_length:
            raise InputError(f"{stop} tokens, but positions end at max_length={self.max_length}")
        where = places(attn_mask, input_ids.shape[0], start, stop)
        x = self.token_embedding(input_ids) + self.position_embedding.weight[where]
        for index, block in enumerate(self.blocks):
            options = {"cache": caches[index]} if caches else {}
            x = block(x, attn_mask=attn_mask, **options)
        return self.head(self.norm(x))


def language_model_example(
    config: PavlovianLanguageModelConfig, batch_size: int = 2, seed: int = 0
) -> dict[str, Tensor]:
    """Random ids of length 12."""
    generator = torch.Generator().manual_seed(seed)
    length = min(12, config.max_length)
    return {"input_ids": torch.randint(config.vocab_size, (batch_size, length), generator=generator)}
