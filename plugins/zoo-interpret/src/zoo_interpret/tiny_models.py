"""Random transformers models, small enough for examples and tests."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from zoo.targets import require


def tiny_bert(kind: str = "BertModel", seed: int = 0, **config: Any) -> nn.Module:
    """A random BERT of 4 heads and width 32 that returns attention maps, in eval mode.

    Args:
        kind: a BERT class of transformers.
        seed: of its weights; the global generator is left alone.
        config: fields of its config.
    """
    transformers = require("transformers", needed_by="an example model")
    shape = {
        "vocab_size": 67,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 40,
        **config,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: nn.Module = getattr(transformers, kind)._from_config(
            transformers.BertConfig(**shape), attn_implementation="eager"
        )
    return model.eval()
