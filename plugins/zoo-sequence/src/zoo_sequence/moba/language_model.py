"""A Llama decoder whose layers read chosen blocks or everything, layer by layer, and can be switched."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from zoo.errors import ConfigError
from zoo.nn.language_model import LanguageModel
from zoo_sequence.moba.config import MODES, MoBAConfig, MoBALanguageModelConfig
from zoo_sequence.moba.layer import MoBA


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
