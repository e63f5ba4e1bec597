"""The replay of recorded decisions; a method has no checkpoints to convert."""

from __future__ import annotations

from torch import Tensor

from zoo.bridges.transformers.recorded import recorded_model
from zoo.evidence.replay import Run, replay_of
from zoo_interpret.adaptive_long_context_heads.config import AdaptiveLongContextHeadsConfig
from zoo_interpret.adaptive_long_context_heads.method import AdaptiveLongContextHeads

_FIELDS = {name: name for name in ("sink", "local", "tau", "tau_oracle")}


def _qada(run: Run) -> dict[str, Tensor]:
    """Masses and decisions of a recorded model's dense run, and logits with each criterion's windows."""
    model, ids = recorded_model(run.config, run.state), run.inputs["input_ids"]
    outputs = {"logits_full": model(input_ids=ids).logits[0]}
    for criterion in ("qada", "oracle", "all-local"):
        method = AdaptiveLongContextHeads(AdaptiveLongContextHeadsConfig(criterion, **run.fields(_FIELDS)))
        found = method.decide(model, ids)
        with method.attach(model, found):
            outputs[f"logits_{criterion.replace('-', '_')}"] = model(input_ids=ids).logits[0]
        outputs[f"local_{criterion}"] = found.local[0]
    names = ("log_mass_window", "log_mass_bulk", "log_mass_bulk_estimate", "score_mean", "score_variance")
    outputs |= {name: getattr(found, name)[0] for name in (*names, "window_share", "window_share_estimate")}
    return outputs | {"static_mean_share": found.static_share}


replay = replay_of({"qada": _qada})
