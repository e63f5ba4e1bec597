"""The replay of recorded measures; a probe has no checkpoints to convert."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.recorded import recorded_model
from zoo.evidence.replay import Run, replay_of
from zoo_interpret.attention_reference_frames import geometry, measures
from zoo_interpret.attention_reference_frames.config import ReferenceFramesConfig
from zoo_interpret.attention_reference_frames.probe import AttentionReferenceFrames
from zoo_interpret.attention_reference_frames.topology import betti_curves
from zoo_interpret.states import hidden_states

OF_MODELS = (
    *("fiedler", "fiedler_normalized", "in_centralization", "gini", "degree_variance", "star_likeness", "received"),
    *("betti0", "betti1", "sink_mask", "sink_rate_first", "received_layer", "kl_to_uniform"),
)


def _model(run: Run) -> dict[str, Tensor]:
    """Measures of the maps and the states of a recorded model."""
    model, inputs = recorded_model(run.config, run.state), dict(run.inputs)
    fields = run.fields({name: name for name in ("betti_thresholds", "sink_percentile")})
    probe = AttentionReferenceFrames(ReferenceFramesConfig(**fields))
    maps = torch.stack(attention_maps(model, inputs), 1).double()[0]
    found = probe.measure(maps, causal=run.config["causal"])
    states = torch.stack(hidden_states(model, inputs)).double()[:, 0]
    outputs = {name: found[name].float() for name in OF_MODELS}
    return outputs | {
        "frame_features": found["features"].float(),
        "cosine_to_first": geometry.cosine_to_first(states).float(),
        "norm_ratio_first": geometry.norm_ratio_first(states).float(),
    }


def _synthetic(run: Run) -> dict[str, Tensor]:
    """Measures of single maps."""
    outputs: dict[str, Tensor] = {}
    for name, weights in run.inputs.items():
        betti0, betti1 = betti_curves(weights, run.config["betti_thresholds"])
        found = {
            "fiedler": measures.fiedler(weights),
            "fiedler_normalized": measures.fiedler(weights, normalised=True),
            "in_centralization": measures.centralisation(weights),
            "gini": measures.gini(weights),
            "degree_variance": measures.degree_variance(weights),
            "star_likeness": measures.star_likeness(weights),
            "received": measures.received(weights),
            "betti0": betti0,
            "betti1": betti1,
        }
        outputs |= {f"{name}.{measure}": value.float().reshape(-1) for measure, value in found.items()}
    return outputs


replay = replay_of({"gpt2": _model, "bert": _model, "synthetic": _synthetic})
