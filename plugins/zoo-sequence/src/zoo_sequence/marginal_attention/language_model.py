"""A language model of structural attention: the zoo's host, with learned positions."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from zoo.nn.language_model import LanguageModel, LanguageModelConfig
from zoo_sequence.marginal_attention.config import StructuralLanguageModelConfig
from zoo_sequence.marginal_attention.layer import StructuralAttention


class StructuralLanguageModel(LanguageModel):
    """Ids (batch, length) int64 to logits (batch, length, vocab_size)."""

    def __init__(self, config: StructuralLanguageModelConfig) -> None:
        host = LanguageModelConfig(
            dim=config.dim,
            num_layers=config.num_layers,
            num_heads=config.num_heads,
            attention="structural",
            vocab_size=config.vocab_size,
            hidden_dim=4 * config.dim,
            max_length=config.max_length,
            positions="learned",
        )
        super().__init__(host, {"structural": partial(StructuralAttention, config.layer())})


def language_model_example(
    config: StructuralLanguageModelConfig, batch_size: int = 2, seed: int = 0
) -> dict[str, Tensor]:
    """Random ids of length 10."""
    generator = torch.Generator().manual_seed(seed)
    return {"input_ids": torch.randint(config.vocab_size, (batch_size, 10), generator=generator)}
