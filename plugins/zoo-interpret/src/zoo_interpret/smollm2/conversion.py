"""Weights out of a GGUF file, and the replay of recordings of transformers' Llama."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from zoo.bridges.transformers.gguf_llama import llama_state
from zoo.evidence.replay import Run, replay_of
from zoo.filling import fill
from zoo_interpret.smollm2.config import SmolLM2Config
from zoo_interpret.smollm2.networks import SmolLM2


def convert(state: Mapping[str, Tensor], config: SmolLM2Config) -> dict[str, Tensor]:
    """From GGUF's names and order of rows to transformers', whose own names are left alone."""
    return llama_state(state, config.num_heads, config.num_kv_heads)


def our_config(settings: Mapping[str, Any]) -> SmolLM2Config:
    """The config that transformers writes as ``config.json``, as ours."""
    return SmolLM2Config(
        vocab_size=settings["vocab_size"],
        dim=settings["hidden_size"],
        hidden_dim=settings["intermediate_size"],
        num_layers=settings["num_hidden_layers"],
        num_heads=settings["num_attention_heads"],
        num_kv_heads=settings["num_key_value_heads"],
        max_length=settings["max_position_embeddings"],
        rope_theta=settings["rope_parameters"]["rope_theta"],
        eps=settings["rms_norm_eps"],
    )


def _logits(run: Run) -> dict[str, Tensor]:
    config = our_config(run.config)
    model = fill(SmolLM2(config), convert(run.state, config)).eval()
    return {"logits": model(**run.inputs).logits}


replay = replay_of({"causal-lm": _logits})
