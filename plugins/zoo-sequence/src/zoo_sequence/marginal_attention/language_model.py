"""A language model of structural attention."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

import zoo
from zoo.errors import ConfigError, InputError
from zoo.nn.mlp import MLP
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

    @property
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

    def __post_init__(self) -> None:
        if self.dim % self.num_heads:
            raise ConfigError(f"dim={self.dim} is not divisible by num_heads={self.num_heads}", field="dim")


class _Block(nn.Module):
    def __init__(self, config: StructuralLanguageModelConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.dim)
        self.attn = StructuralAttention(config.layer)
        self.norm2 = nn.LayerNorm(config.dim)
        self.mlp = MLP(config.dim, 4 * config.dim)

    def forward(self, x: Tensor, attn_mask: Tensor | None) -> Tensor:
        x = x + self.attn(self.norm1(x), attn_mask)
        return x + self.mlp(self.norm2(x))


class StructuralLanguageModel(nn.Module):
    """Ids (batch, length) int64 to logits (batch, length, vocab_size); pre-norm, learned positions."""

    def __init__(self, config: StructuralLanguageModelConfig) -> None:
        super().__init__()
        self.max_length = config.max_length
        self.token_embedding = nn.Embedding(config.vocab_size, config.dim)
        self.position_embedding = nn.Embedding(config.max_length, config.dim)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(config.dim)
        self.head = nn.Linear(config.dim, config.vocab_size, bias=False)

    def forward(self, input_ids: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Next-token logits.

        Raises:
            InputError: the sequence is longer than the learned positions.
        """
        length = input_ids.shape[1]
        if length > self.max_length:
            raise InputError(f"{length} tokens, but positions end at max_length={self.max_length}")
        x = self.token_embedding(input_ids) + self.position_embedding.weight[:length]
        for block in self.blocks:
            x = block(x, attn_mask)
        return self.head(self.norm(x))


def language_model_example(
    config: StructuralLanguageModelConfig, batch_size: int = 2, seed: int = 0
) -> dict[str, Tensor]:
    """Random ids of length 10."""
    generator = torch.Generator().manual_seed(seed)
    return {"input_ids": torch.randint(config.vocab_size, (batch_size, 10), generator=generator)}
