"""Recorded runs of the head, whose tensor names are ours."""

from __future__ import annotations

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo_seq2seq.dila.config import DilaConfig
from zoo_seq2seq.dila.head import Dila


def _head(run: Run) -> dict[str, Tensor]:
    config = DilaConfig(**run.fields({"d": "dim", "m": "num_features", "c": "num_classes", "l1": "l1", "l2": "l2"}))
    model = Dila(config).eval()
    zoo.fill(model, dict(run.state))
    x, mask = run.inputs["x"], run.inputs.get("mask")
    found = model(x, mask)
    return {
        "features": found.features,
        "reconstruction": found.reconstruction,
        "attention": found.attention,
        "logits": found.logits,
        "sae_loss": model.sae.loss(x, found.features, found.reconstruction, mask),
    }


replay = replay_of({"head": _head})
