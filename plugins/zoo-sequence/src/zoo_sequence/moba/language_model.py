"""A Llama decoder whose layers read chosen blocks or everything, layer by layer, and can be switched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import zoo
from zoo.errors import ConfigError
from zoo.nn.language_model import LanguageModel, LanguageModelConfig
from zoo_sequence.moba.layer import MODES, MoBA, MoBAConfig, moba_varlen
from zoo_sequence.moba.routing import GATES, Routing


@dataclass
class MoBALanguageModelConfig(LanguageModelConfig):
    """Config of the language model; "moba" and "full" are its own kinds of attention."""

    vocab_size: int = zoo.field(97, "tokens of the vocabulary", minimum=1)
    dim: int = zoo.field(32, "model width", unit="features", minimum=1)
    num_layers: int = zoo.field(2, "blocks", minimum=1)
    num_heads: int = zoo.field(4, "query heads", minimum=1)
    num_kv_heads: int | None = zoo.field(2, "key/value heads; none: as many as query heads", minimum=1)
    hidden_dim: int = zoo.field(48, "width of the feed-forward network", unit="features", minimum=1)
    max_length: int = zoo.field(64, "context it is meant for", unit="tokens", minimum=1)
    attention: str = zoo.field("moba", "attention of every block: moba, full, or a drop-in layer by name")
    block_size: int = zoo.field(4, "tokens per block", unit="tokens", minimum=1)
    topk: int = zoo.field(2, "blocks that a query reads, its own included", unit="blocks", minimum=1)
    full_attention_last_layers: int = zoo.field(0, "how many of the last blocks read everything", minimum=0)
    gate: str = zoo.field("mean", "score of a block: its mean key, or a fixed pattern", choices=GATES)
    decode: str = zoo.field("full", "what generated tokens read through the cache", choices=MODES)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.full_attention_last_layers > self.num_layers:
            raise ConfigError(
                f"full_attention_last_layers={self.full_attention_last_layers} of num_layers={self.num_layers}",
                field="full_attention_last_layers",
            )
        if self.full_attention_last_layers and self.attention_pattern:
            raise ConfigError(
                "attention_pattern already says which layers are full: leave full_attention_last_layers at 0",
                field="attention_pattern",
            )

    def attention_names(self) -> list[str]:
        """One name per block."""
        names = super().attention_names()
        full = self.full_attention_last_layers
        return names[: len(names) - full] + ["full"] * full


class MoBALanguageModel(LanguageModel):
    """Token ids (batch, length) int64 to logits (batch, length, vocab_size); Llama's parameter names."""

    def __init__(self, config: MoBALanguageModelConfig) -> None:
        super().__init__(config, {mode: partial(_layer, config, mode) for mode in MODES})

    @property
    def attention_pattern(self) -> list[str]:
        """What each block reads, "moba" or "full"; the class name of a drop-in layer."""
        layers = (layer.self_attn for layer in self.model.layers)
        return [layer.mode if isinstance(layer, MoBA) else type(layer).__name__ for layer in layers]

    def switch(self, pattern: str | Sequence[str]) -> None:
        """Let blocks read chosen blocks or everything from now on; no parameter changes.

        Args:
            pattern: "moba" or "full", for all blocks or one per block.

        Raises:
            ConfigError: a wrong number of names, another name, or a layer that is neither.
        """
        count = len(self.model.layers)
        modes = [pattern] * count if isinstance(pattern, str) else list(pattern)
        if len(modes) != count or not set(modes) <= set(MODES):
            raise ConfigError(
                f"pattern={pattern!r}; expected 'moba' or 'full', or one of them for each of {count} layers"
            )
        layers = [layer.self_attn for layer in self.model.layers if isinstance(layer.self_attn, MoBA)]
        if len(layers) != count:
            raise ConfigError(f"only MoBA layers can be switched; this model has {', '.join(self.attention_pattern)}")
        for layer, mode in zip(layers, modes, strict=True):
            layer.mode = mode


def _layer(config: MoBALanguageModelConfig, mode: str) -> nn.Module:
    return MoBA(
        MoBAConfig(
            dim=config.dim,
            num_heads=config.num_heads,
            num_kv_heads=config.num_kv_heads,
            block_size=config.block_size,
            topk=config.topk,
            rope_theta=config.rope_theta,
            gate=config.gate,
            mode=mode,
            decode=config.decode,
        )
    )


def language_model_example(config: MoBALanguageModelConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random token ids, some blocks long."""
    length = min(3 * config.block_size + 1, config.max_length, 256)
    generator = torch.Generator().manual_seed(seed)
    return {"input_ids": torch.randint(0, config.vocab_size, (batch_size, length), generator=generator)}


def config_of_llama(config: Mapping[str, Any]) -> MoBALanguageModelConfig:
    """Our config from the names of transformers' ``LlamaConfig`` plus ``moba_chunk_size`` and ``moba_topk``."""
    return MoBALanguageModelConfig(
        vocab_size=config["vocab_size"],
        dim=config["hidden_size"],
        hidden_dim=config["intermediate_size"],
        num_layers=config["num_hidden_layers"],
        num_heads=config["num_attention_heads"],
        num_kv_heads=config.get("num_key_value_heads"),
        max_length=config.get("max_position_embeddings", 2048),
        eps=config.get("rms_norm_eps", 1e-6),
        rope_theta=config.get("rope_theta", 10_000.0),
        tie_embeddings=config.get("tie_word_embeddings", False),
        block_size=config["moba_chunk_size"],
        topk=config["moba_topk"],
        full_attention_last_layers=config.get("full_attention_last_layers", 0),
    )


def convert(state: Mapping[str, Tensor], config: MoBALanguageModelConfig) -> dict[str, Tensor]:
    """Llama's names are ours; the rotary tables that old checkpoints carry go."""
    return {name: tensor for name, tensor in state.items() if not name.endswith("rotary_emb.inv_freq")}


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Run a recording: the packed mechanism, or a whole decoder."""
    if component == "moba-mechanism":
        routing = Routing(config["moba_chunk_size"], config["moba_topk"])
        return {"o": moba_varlen(inputs["q"], inputs["k"], inputs["v"], inputs["cu_seqlens"], routing)}
    own = config_of_llama(config)
    model = MoBALanguageModel(own)
    zoo.fill(model, convert(state, own))
    return {"logits": model.eval()(inputs["input_ids"])}
