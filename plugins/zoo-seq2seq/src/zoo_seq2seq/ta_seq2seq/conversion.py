"""Recorded runs of the law of the next word."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo_seq2seq.ta_seq2seq.config import ACTIVATIONS, BiasedLawConfig
from zoo_seq2seq.ta_seq2seq.law import BiasedLaw

_NAMES = {"state": "state.weight", "emb": "embedding.weight", "context": "context.weight", "bias": "state.bias"}
_TERMS = {"V": "language", "K": "topic"}


def _law(run: Run) -> dict[str, Tensor]:
    config = BiasedLawConfig(
        **run.fields({"V": "vocab_size", "d": "state_dim", "e": "embedding_dim", "context": "context_dim"})
    )
    state = {}
    for name, tensor in run.state.items():
        term, _, part = name.partition(".")
        state[f"{_TERMS[term]}.{_NAMES[part]}"] = tensor
    inputs = {
        "state": run.inputs["state"],
        "embedding": run.inputs["prev_embedding"],
        "context": run.inputs["context"],
        "is_topic": run.inputs["is_topic"],
    }
    outputs = {}
    for activation in ACTIVATIONS:
        law = BiasedLaw(replace(config, logit_activation=activation)).eval()
        zoo.fill(law, state)
        outputs[f"{activation}.prob"] = law(**inputs).exp()
    return outputs


replay = replay_of({"biased-generation": _law})
