"""Recorded runs of the equations on given encoder states and directions."""

from __future__ import annotations

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo_seq2seq.attention_classifier import AttentionClassifier, AttentionClassifierConfig
from zoo_seq2seq.equations import replay_equations


def _equations(run: Run) -> dict[str, Tensor]:
    fields = run.fields({"vocab": "vocab_size", "emb": "embedding_dim", "hidden_per_direction": "hidden_dim"})
    model = AttentionClassifier(AttentionClassifierConfig(**fields)).eval()
    zoo.fill(model, run.state)
    return replay_equations(model, run)


replay = replay_of({"paper-equations": _equations})
