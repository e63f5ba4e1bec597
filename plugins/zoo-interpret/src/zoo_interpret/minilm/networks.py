"""transformers' BERT in the sizes of the config, with its tokenizer, and sentences as vectors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import BertConfig, BertModel

from zoo.bridges.transformers.inputs import as_inputs
from zoo.bridges.transformers.packaged import packaged_tokenizer
from zoo_interpret.minilm.config import MiniLMConfig

# Of the package's tokenizer.
VOCABULARY = 30522


class MiniLM(BertModel):
    """A BERT without a head: input_ids (batch, length) to ``.last_hidden_state`` (batch, length, dim) and
    ``.pooler_output`` (batch, dim)."""

    def __init__(self, config: MiniLMConfig) -> None:
        super().__init__(bert_config(config))

    @property
    def tokenizer(self) -> Any:
        """The tokenizer out of the package; None where the vocabulary is another one's.

        Raises:
            MissingDependency: the package is not installed; the message has the pip command.
        """
        return packaged_tokenizer("minilm") if self.config.vocab_size == VOCABULARY else None

    @torch.no_grad()
    def embed(self, texts: str | list[str]) -> Tensor:
        """Vectors of length 1 (texts, dim) of one or more texts; their products are similarities.

        Raises:
            InputError: the model has no tokenizer.
        """
        inputs = as_inputs(self, texts)
        states = self(**inputs).last_hidden_state
        weights = inputs["attention_mask"][..., None].to(states)
        return F.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)


def bert_config(config: MiniLMConfig) -> BertConfig:
    """The same shape as transformers writes it."""
    return BertConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.dim,
        intermediate_size=config.hidden_dim,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        max_position_embeddings=config.max_length,
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=config.dropout,
        layer_norm_eps=config.eps,
        attn_implementation=config.attention,
    )


def example(config: MiniLMConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """Random tokens (batch, up to 16)."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch_size, min(16, config.max_length))
    return {"input_ids": torch.randint(1, config.vocab_size, shape, generator=generator)}


def predict(model: MiniLM, config: MiniLMConfig, source: str) -> dict[str, Any]:
    """How alike the lines of a text are, which may also be parted by "|": the cosine of each two."""
    lines = [line.strip() for line in source.replace("|", "\n").splitlines() if line.strip()]
    vectors = model.embed(lines)
    return {
        f"{first} | {second}": round(float(vectors[i] @ vectors[i + 1 + j]), 4)
        for i, first in enumerate(lines)
        for j, second in enumerate(lines[i + 1 :])
    }
