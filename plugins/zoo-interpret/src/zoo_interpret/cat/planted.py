"""A model that a spurious token rules: every head looks at it, and its value decides what is said."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.tiny import tiny_model

SPURIOUS_IDS = (90, 91)
CAUSAL_IDS = (80, 81)


def planted_model(pull: float = 0.9) -> nn.Module:
    """A tiny Llama of one layer whose heads attend to tokens 90 and 91."""
    model: Any = tiny_model("llama", num_hidden_layers=1, num_key_value_heads=4, attn_implementation="eager")
    spurious, constant = 5, 9
    with torch.no_grad():
        words = model.get_input_embeddings().weight
        words[:, constant] = 0.1
        words[list(SPURIOUS_IDS), spurious] = 0.1
        attention = model.model.layers[0].self_attn
        for head in range(4):
            # The slowest pair of rotary features hardly turns.
            attention.q_proj.weight[head * 8 + 3, constant] = pull
            attention.k_proj.weight[head * 8 + 3, spurious] = pull
    return model


def planted_prompts() -> tuple[Tensor, Tensor, Tensor]:
    """Ids (4, 10) of all pairs of a cause and a spurious value, the causal mask, and where (cause, spurious) stand."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 70, (1, 10), generator=generator).expand(4, -1).clone()
    places = torch.tensor([2, 6])
    ids[:, 2] = torch.tensor([CAUSAL_IDS[index // 2] for index in range(4)])
    ids[:, 6] = torch.tensor([SPURIOUS_IDS[index % 2] for index in range(4)])
    mask = torch.zeros(4, 10, 10)
    mask[:, -1, 2] = 1
    return ids, mask, places


def influence(model: nn.Module, ids: Tensor) -> tuple[float, float]:
    """How much another cause, and another spurious value, changes what is said at the end: mean norms of logits."""
    with torch.no_grad():
        logits = model(input_ids=ids).logits[:, -1].view(2, 2, -1)
    return float((logits[0] - logits[1]).norm(dim=-1).mean()), float((logits[:, 0] - logits[:, 1]).norm(dim=-1).mean())
