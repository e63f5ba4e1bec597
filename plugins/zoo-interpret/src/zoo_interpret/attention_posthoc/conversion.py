"""Published checkpoints, whose names are ours, and the replay of recorded explanations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo_interpret.attention_posthoc.classifier import MultiHeadClassifier
from zoo_interpret.attention_posthoc.closed_forms import autograd_gradient, gradient, lime_positions, lime_tokens
from zoo_interpret.attention_posthoc.config import ClassifierConfig
from zoo_interpret.attention_posthoc.lime import lime

FIELDS = {
    "vocab_size": "vocab_size",
    "d_in": "dim",
    "d_attn": "attention_dim",
    "d_out": "value_dim",
    "num_heads": "num_heads",
    "num_classes": "num_classes",
    "max_len": "max_length",
    "scale": "scale",
    "positional": "positional",
}


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Without the table of positions, which is computed."""
    return {name: tensor for name, tensor in state.items() if name not in ("pe", "embedding.pe")}


def _explanations(run: Run) -> dict[str, Tensor]:
    model = MultiHeadClassifier(ClassifierConfig(**run.fields(FIELDS))).eval()
    zoo.fill(model, convert(run.state, model.config))
    ids, explained, unk = run.inputs["input_ids"], run.config["explained_class"], run.config["unk_id"]
    with torch.no_grad():
        embedded = model.embedding(ids)
        parts = model.parts(embedded)
        scores = model.scores(parts)
    found = autograd_gradient(model, ids, explained)
    positions = lime_positions(model, ids, explained, unk_id=unk)

    def score(documents: Tensor) -> Tensor:
        return model(documents)[:, explained]

    removable = torch.ones_like(ids[0], dtype=torch.bool)
    removable[0] = False
    removable &= ids[0] != run.config["cls_id"]
    default, unweighted = (
        lime(score, ids[0], removable, unk, samples=4000, kernel_width=width) for width in (0.25, 0.0)
    )
    return {
        "scores": scores,
        "attention_cls": parts.attention,
        "attention_mean": parts.attention.mean(1),
        "attention_max": parts.attention.amax(1),
        "grad_e": found,
        "grad_mean": found.mean(-1),
        "grad_l1": found.abs().sum(-1),
        "grad_l2": found.square().sum(-1).sqrt(),
        "grad_x_input": (found * embedded).sum(-1),
        "grad_theory": gradient(model, ids, explained),
        "lime_per_position": positions,
        "lime_per_token": lime_tokens(positions, ids, model.config.vocab_size),
        "lime_mc_doc0_tokens": default.tokens,
        "lime_mc_doc0": default.coefficients,
        "lime_mc_inf_doc0": unweighted.coefficients,
    }


replay = replay_of({"multi-head": _explanations})
