"""The names of published probing classifiers, and the replay of recorded analyses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.bridges.transformers.maps import documents
from zoo.bridges.transformers.recorded import recorded_model
from zoo.evidence.replay import Run, replay_of
from zoo_interpret.bert_look.config import AttentionProbeConfig, BertLookConfig, WordsProbeConfig
from zoo_interpret.bert_look.parsing import (
    AGGREGATIONS,
    DIRECTIONS,
    attachment_score,
    predict_heads,
    predict_offset,
    word_attention,
)
from zoo_interpret.bert_look.probes import AttentionProbe, WordsProbe
from zoo_interpret.bert_look.statistics import BertLook


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """The published ``dense.kernel`` (in, out) to ``dense.weight`` (out, in)."""
    return {
        name.replace("dense.kernel", "dense.weight"): tensor.T if name.endswith("dense.kernel") else tensor
        for name, tensor in state.items()
    }


def _analysis(run: Run) -> dict[str, Tensor]:
    """Statistics, word-level attention, heads as parsers, and probing classifiers of a recorded model."""
    model, config, inputs = recorded_model(run.config, run.state), run.config, run.inputs
    own = BertLookConfig(config["cls_id"], config["sep_id"], list(config["punct_ids"]), js=True)
    names = sorted((name for name in inputs if name.startswith("tokens")), key=lambda name: int(name[6:]))
    texts = list(documents(model, [{"input_ids": inputs[name][None]} for name in names]))
    result = BertLook(own).analyse(texts)
    tables = {"entropy": result.entropy, "entropy_cls": result.entropy_cls, "js": result.js}
    outputs = {f"avg_{name}": table for name, table in result.averages.items()}
    outputs |= {name: table for name, table in tables.items() if table is not None}
    outputs["uniform_entropy"] = torch.tensor([result.uniform_entropy])
    for how in AGGREGATIONS:
        outputs[f"word_attention_{how}"] = word_attention(
            texts[0].maps, inputs["word_groups_starts"], inputs["word_groups_lengths"], how
        )
    maps, gold = outputs["word_attention_mean"], inputs["heads_gold"]
    for direction in DIRECTIONS:
        predicted = predict_heads(maps, direction)
        outputs[f"head_prediction_{direction}"] = predicted
        outputs[f"head_uas_{direction}"] = attachment_score(predicted, gold)
    outputs["offset_prediction"] = torch.stack([predict_offset(len(gold), offset) for offset in range(-3, 3)])
    return outputs | _probing_classifiers(maps, inputs)


def _probing_classifiers(maps: Tensor, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    count = maps.shape[0] * maps.shape[1]
    roots = {"ROOT_start": inputs["root_start"], "ROOT_end": inputs["root_end"]}
    attention = AttentionProbe(AttentionProbeConfig(count))
    zoo.fill(attention, {"attn_map_weights": inputs["probe_attn_weights"], **roots})
    vectors = inputs["word_embeddings"]
    words = WordsProbe(WordsProbeConfig(count, vectors.shape[-1]))
    state = {"dense.kernel": inputs["probe_words_kernel"], "dense.bias": inputs["probe_words_bias"], **roots}
    zoo.fill(words, convert(state, None))
    return {
        "probe_attn_logits": attention(maps[None])[0],
        "probe_attn_words_logits": words(maps[None], vectors[None])[0],
    }


replay = replay_of({"bert-stats": _analysis})
