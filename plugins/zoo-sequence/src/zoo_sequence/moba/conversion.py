"""Llama's tensor names, which are ours, and recorded reference runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo_sequence.moba.config import MoBALanguageModelConfig, Routing
from zoo_sequence.moba.language_model import MoBALanguageModel
from zoo_sequence.moba.layer import moba_varlen


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
