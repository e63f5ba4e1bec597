"""Names of MLPerf's PyTorch checkpoints to ours, and recorded runs."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_seq2seq.gnmt.config import GNMTConfig
from zoo_seq2seq.gnmt.network import GNMT
from zoo_seq2seq.search import coverage_penalty, length_penalty

_RULES = (
    (r"^encoder\.rnn_layers\.0\.(\w+)_reverse$", r"encoder.backwards.\1"),
    (r"^encoder\.rnn_layers\.0\.", "encoder.forwards."),
    (r"^encoder\.rnn_layers\.(\d+)\.", lambda found: f"encoder.layers.{int(found[1]) - 1}."),
    (r"^decoder\.att_rnn\.rnn\.", "decoder.bottom."),
    (r"^decoder\.rnn_layers\.", "decoder.layers."),
    (r"^decoder\.att_rnn\.attn\.linear_q\.", "decoder.attention.query."),
    (r"^decoder\.att_rnn\.attn\.linear_k\.", "decoder.attention.key."),
    (r"^decoder\.att_rnn\.attn\.linear_att$", "decoder.attention.v"),
    (r"^decoder\.att_rnn\.attn\.normalize_scalar$", "decoder.attention.scale"),
    (r"^decoder\.att_rnn\.attn\.normalize_bias$", "decoder.attention.bias"),
    (r"^(encoder|decoder)\.embedder\.", r"\1.embedding."),
    (r"^decoder\.classifier\.classifier\.", "decoder.classifier."),
)


def convert(state: Mapping[str, Tensor], config: GNMTConfig) -> dict[str, Tensor]:
    """Rename; where a training wrapped the model, its prefix ``module.`` goes first."""
    plain = {re.sub(r"^module\.", "", name): tensor for name, tensor in state.items()}
    found = renamed(plain, _RULES)
    if config.share_embedding and "decoder.embedding.weight" not in found and "encoder.embedding.weight" in found:
        found["decoder.embedding.weight"] = found["encoder.embedding.weight"]
    return found


def _network(run: Run) -> dict[str, Tensor]:
    fields = run.fields(
        {
            "vocab_size": "vocab_size",
            "hidden_size": "dim",
            "num_layers": "num_layers",
            "share_embedding": "share_embedding",
        }
    )
    normalized = any(name.endswith("normalize_scalar") for name in run.state)
    config = GNMTConfig(**fields, variant="v2", normalized=normalized)
    model = GNMT(config).eval()
    zoo.fill(model, convert(run.state, config))
    source = run.inputs["src"]
    mask = torch.arange(source.shape[1]) < run.inputs["src_len"][:, None]
    found = model(source, run.inputs["tgt"], mask)
    states = model.encode(source, mask)[0].states
    return {"encoder": states, "logits": found.logits, "attention": found.attention}


def _beam_score(run: Run) -> dict[str, Tensor]:
    alpha, beta = float(run.config["alpha"]), float(run.config["beta"])
    penalty = length_penalty(run.inputs["length"], alpha, float(run.config.get("length_constant", 5)))
    coverage = coverage_penalty(run.inputs["attention_sum"], beta)
    return {"score": run.inputs["log_prob"] / penalty + coverage}


replay = replay_of({"gnmt-v2": _network, "beam-score": _beam_score})
