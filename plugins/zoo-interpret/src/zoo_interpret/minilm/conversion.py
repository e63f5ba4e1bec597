"""Names of the published file, and the replay of recordings of transformers' BERT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from zoo.evidence.replay import Run, replay_of
from zoo.filling import fill
from zoo_interpret.minilm.config import MiniLMConfig
from zoo_interpret.minilm.networks import MiniLM

# The numbers 0, 1, 2, ..., which older versions of transformers saved.
POSITIONS = "embeddings.position_ids"


def convert(state: Mapping[str, Tensor], config: MiniLMConfig) -> dict[str, Tensor]:
    """The published names are transformers' own; only what it no longer saves is left out."""
    return {name: value for name, value in state.items() if name != POSITIONS}


def our_config(settings: Mapping[str, Any]) -> MiniLMConfig:
    """The config that transformers writes as ``config.json``, as ours."""
    return MiniLMConfig(
        vocab_size=settings["vocab_size"],
        dim=settings["hidden_size"],
        hidden_dim=settings["intermediate_size"],
        num_layers=settings["num_hidden_layers"],
        num_heads=settings["num_attention_heads"],
        max_length=settings["max_position_embeddings"],
        dropout=settings["hidden_dropout_prob"],
        eps=settings["layer_norm_eps"],
    )


def _states(run: Run) -> dict[str, Tensor]:
    config = our_config(run.config)
    model = fill(MiniLM(config), convert(run.state, config)).eval()
    found = model(**run.inputs)
    return {"last_hidden_state": found.last_hidden_state, "pooler_output": found.pooler_output}


replay = replay_of({"encoder": _states})
