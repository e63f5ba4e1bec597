"""Checkpoints, whose encoders have BERT's names, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo_interpret.attention_pattern_injection.config import EncoderConfig
from zoo_interpret.attention_pattern_injection.encoder import PatternEncoder
from zoo_interpret.attention_pattern_injection.networks import SummaryNetwork
from zoo_interpret.attention_pattern_injection.pals import ProjectedAttentionLayer

_TASK_HEADS = ("ext_layer.", "classifier.")
# Buffers and parts of BERT that the networks have not.
_LEFT_OUT = ("pooler.", "embeddings.position_ids", "embeddings.token_type_ids", "cls.")


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Published names, or a BERT's alone: ``bert.`` goes before the encoder's, the pooler and tables of ids go."""
    found = {}
    for name, tensor in state.items():
        bare = name.removeprefix("bert.").removeprefix("model.")
        if bare.startswith(_LEFT_OUT):
            continue
        found[bare if bare.startswith(_TASK_HEADS) else f"bert.{bare}"] = tensor
    return found


BERT = {
    "vocab_size": "vocab_size",
    "hidden_size": "dim",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "hidden_dim",
    "max_position_embeddings": "max_length",
    "type_vocab_size": "types",
    "layer_norm_eps": "eps",
    "pad_token_id": "pad_id",
}


def _config(run: Run) -> EncoderConfig:
    fields = {BERT[name]: value for name, value in run.config["model_kwargs"].items() if name in BERT}
    patterns = dict(run.config.get("patterns", {}))
    injected = {ours: patterns[name] for name, ours in _PATTERNS.items() if name in patterns}
    own = run.fields({name: name for name in ("cls_id", "sep_id", "heads_per_pattern", "reach")})
    branch = run.fields({"pal_hidden": "pal_dim", "pal_heads": "pal_heads"})
    return EncoderConfig(**fields, **injected, **own, **branch, dropout=0.0, reference_padding=True)


_PATTERNS = {"matching": "matching", "intra_sentence": "intra", "intra_context": "intra", "positional": "positional"}


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _patterns(run: Run) -> dict[str, Tensor]:
    """Both tasks' encoders, one branch, and scores of sentences."""
    config, inputs = _config(run), run.inputs
    bert = {name: tensor for name, tensor in run.state.items() if not name.startswith(("pal.", "scorer.", *_LEFT_OUT))}
    network = SummaryNetwork(config).eval()
    scorer = {f"ext_layer.linear1.{name}": tensor for name, tensor in _part(run.state, "scorer.").items()}
    zoo.fill(network, {**{f"bert.{name}": tensor for name, tensor in bert.items()}, **scorer})
    contexts = PatternEncoder(config, "segmentation").eval()
    zoo.fill(contexts, bert)
    pal = ProjectedAttentionLayer(config).eval()
    zoo.fill(pal, _part(run.state, "pal."))
    ids, mask = inputs["input_ids"], inputs.get("attention_mask")
    with torch.no_grad():
        summary = network.bert(ids, mask, need_weights=True)
        segmentation = contexts(inputs["segmentation_ids"], need_weights=True)
        embedded = network.bert.embeddings(ids, None)
        rows = torch.arange(len(ids))[:, None]
        scores = network.score(summary.hidden[rows, inputs["cls_positions"]])
        branch = pal(embedded, network.bert.pal_patterns(ids), mask)
    assert summary.attention is not None
    assert segmentation.attention is not None
    return {
        "summarization_masks": network.bert.patterns(ids).to(torch.uint8),
        "segmentation_masks": contexts.patterns(inputs["segmentation_ids"]).to(torch.uint8),
        "attention": summary.attention,
        "hidden": summary.hidden,
        "segmentation_attention": segmentation.attention,
        "segmentation_hidden": segmentation.hidden,
        "pal_input": embedded,
        "pal_output": branch,
        "sentence_scores": scores,
    }


replay = replay_of({"bert-patterns": _patterns})
