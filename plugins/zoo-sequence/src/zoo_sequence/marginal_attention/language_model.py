"""A language model of structural attention: the zoo's host, with learned positions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

import zoo
from zoo.nn.language_model import LanguageModel, LanguageModelConfig
from zoo_sequence.marginal_attention.config import PRIORS, VALUES, StructuralAttentionConfig
from zoo_sequence.marginal_attention.layer import StructuralAttention


@dataclass
class StructuralLanguageModelConfig:
    """Config of the language model."""

    vocab_size: int = zoo.field(64, "tokens of the vocabulary", minimum=1)
    dim: int = zoo.field(32, "model width", unit="features", minimum=1)
    num_layers: int = zoo.field(2, "blocks", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    max_length: int = zoo.field(128, "context", unit="tokens", minimum=1)
    prior: str = zoo.field("uniform", "prior over the parent of a query", choices=PRIORS)
    value: str = zoo.field("parent", "v(x, phi)", choices=VALUES)

    def __post_init__(self) -> None:
        # Refuses what does not fit together.
        self.layer()

    def layer(self) -> StructuralAttentionConfig:
        """Config of one attention layer."""
        return StructuralAttentionConfig(
            dim=self.dim,
            num_heads=self.num_heads,
            causal=True,
            prior=self.prior,
            value=self.value,
            max_length=self.max_length,
        )


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
