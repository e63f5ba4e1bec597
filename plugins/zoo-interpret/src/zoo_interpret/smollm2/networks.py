"""transformers' Llama in the sizes of the config, with the tokenizer that it was trained with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from zoo.bridges.transformers.generating import GeneratesLikeTheZoo
from zoo.bridges.transformers.packaged import packaged_tokenizer
from zoo.errors import InputError
from zoo.nn.language_model import require_predecessors
from zoo_interpret.smollm2.config import SmolLM2Config

# Tokens of the package's tokenizer.
VOCABULARY, BEGIN, END = 49152, 1, 2


class SmolLM2(GeneratesLikeTheZoo, LlamaForCausalLM):
    """A Llama with a language-modelling head: input_ids (batch, length) to ``.logits`` (batch, length, vocab_size).

    ``loss`` and ``generate`` are those of every language model of the zoo; ``generate`` also takes all that
    transformers' does.
    """

    def __init__(self, config: SmolLM2Config) -> None:
        super().__init__(llama_config(config))
        # A plain call gives tensors alone; generating keeps a cache.
        self.generation_config.use_cache = True

    @property
    def tokenizer(self) -> Any:
        """The tokenizer out of the package; None where the vocabulary is another one's.

        Raises:
            MissingDependency: the package is not installed; the message has the pip command.
        """
        return packaged_tokenizer("smollm2") if self.config.vocab_size == VOCABULARY else None

    def loss(self, input_ids: Tensor) -> Tensor:
        """Mean cross entropy, in nats per token, of ids (batch, length + 1) given their predecessors.

        Raises:
            InputError: there is no token with a predecessor.
        """
        require_predecessors(input_ids)
        loss: Tensor = self(input_ids, labels=input_ids).loss
        return loss


def llama_config(config: SmolLM2Config) -> LlamaConfig:
    """The same shape as transformers writes it."""
    whole = config.vocab_size == VOCABULARY
    return LlamaConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.dim,
        intermediate_size=config.hidden_dim,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_kv_heads,
        max_position_embeddings=config.max_length,
        rms_norm_eps=config.eps,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        tie_word_embeddings=True,
        bos_token_id=BEGIN if whole else None,
        eos_token_id=END if whole else None,
        pad_token_id=END if whole else None,
        attn_implementation=config.attention,
        use_cache=False,
    )


def example(config: SmolLM2Config, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """Random tokens (batch, up to 16)."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch_size, min(16, config.max_length))
    return {"input_ids": torch.randint(config.vocab_size, shape, generator=generator)}


def predict(model: SmolLM2, config: SmolLM2Config, source: str) -> dict[str, Any]:
    """The likeliest continuation of a text, up to 40 tokens, and the five likeliest next tokens with their
    probabilities."""
    tokenizer = model.tokenizer
    if tokenizer is None:
        raise InputError(f"texts need the vocabulary of {VOCABULARY:,} tokens, this model has {config.vocab_size:,}")
    prompt = tokenizer(source, return_tensors="pt")
    with torch.no_grad():
        chances = model(**prompt).logits[0, -1].softmax(-1).topk(5)
        made = model.generate(**prompt, max_new_tokens=40, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    return {
        "continuation": tokenizer.decode(made, skip_special_tokens=True),
        "next": {
            tokenizer.decode([token]): round(chance, 4)
            for token, chance in zip(chances.indices.tolist(), chances.values.tolist(), strict=True)
        },
    }
