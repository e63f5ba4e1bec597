"""Llama's tensor names, which are ours, and recorded reference runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
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


def _packed(run: Run) -> dict[str, Tensor]:
    """The mechanism on packed sequences."""
    routing = Routing(run.config["moba_chunk_size"], run.config["moba_topk"])
    inputs = run.inputs
    return {"o": moba_varlen(inputs["q"], inputs["k"], inputs["v"], inputs["cu_seqlens"], routing)}


def _decoder(run: Run) -> dict[str, Tensor]:
    """A whole decoder."""
    own = config_of_llama(run.config)
    model = zoo.fill(MoBALanguageModel(own), convert(run.state, own)).eval()
    return {"logits": model(run.inputs["input_ids"])}


replay = replay_of({"moba-mechanism": _packed, "moba-llama": _decoder})
