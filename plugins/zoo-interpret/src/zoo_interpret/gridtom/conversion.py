"""The replay of recorded probes and steering; there are no checkpoints to convert."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from zoo.evidence.replay import Run, replay_of
from zoo_interpret.gridtom.config import TomProbeConfig, TomSteeringConfig
from zoo_interpret.gridtom.features import block_features
from zoo_interpret.gridtom.probe import GridTomProbe, best_blocks
from zoo_interpret.gridtom.steering import GridTomSteering, Steering
from zoo_interpret.multimodal import prefill_and_decode
from zoo_interpret.tiny_multimodal import recorded_llava, recorded_qwen2_vl


def _probes(run: Run) -> dict[str, Tensor]:
    """Probes of a LLaVA, their ranking, and steering of its first sample."""
    model, config, inputs = recorded_llava(run.config, run.state), run.config, run.inputs
    settings = {name: config["probe"][name] for name in ("C", "max_iter") if name in config.get("probe", {})}
    probe = GridTomProbe(TomProbeConfig(**settings, **run.fields({"features": "features"})))
    prompts = {name: inputs[name] for name in ("input_ids", "pixel_values")}
    batches = [
        {name: value[start : start + 16] for name, value in prompts.items()}
        for start in range(0, len(inputs["labels"]), 16)
    ]
    activations = block_features(model, batches, features=probe.config.features)
    train, held = inputs["train_index"], inputs["val_index"]
    found = probe.fit(activations, inputs["labels"], train_index=train, val_index=held)
    # The recording ranks by a score without ties.
    places = torch.arange(found.val_accuracy.numel(), dtype=torch.float64).view_as(found.val_accuracy)
    score = found.val_accuracy.double() + 1e-3 * found.val_auc.double() + 1e-6 * places
    top = best_blocks(score, config["K"])
    steering = found.steering(top)
    first = {name: value[:1] for name, value in prompts.items()}
    clean = _logits(model, first)
    with GridTomSteering(TomSteeringConfig(alpha=config["alpha"])).attach(model, steering):
        steered, following = prefill_and_decode(model, first, inputs["next_id"][:1])
    return {
        "activations": activations,
        "train_acc": found.train_accuracy,
        "val_acc": found.val_accuracy,
        "val_auc": found.val_auc,
        "coef": found.coef,
        "intercept": found.intercept,
        "center_of_mass": found.center_of_mass,
        "ranking_score": score.float(),
        "top_heads": top,
        "projection_std": steering.std,
        "logits_clean": clean,
        "logits_steered": steered[0],
        "logits_next_steered": following[0, 0],
    }


def _qwen(run: Run) -> dict[str, Tensor]:
    """Features of a Qwen2-VL with a video, and steering along recorded directions."""
    model, inputs = recorded_qwen2_vl(run.config, run.state), run.inputs
    steering = Steering(*(inputs[name] for name in ("heads", "directions", "std")))
    prompt = {name: value for name, value in inputs.items() if name not in ("heads", "directions", "std", "next_id")}
    with GridTomSteering(TomSteeringConfig(alpha=run.config["alpha"])).attach(model, steering):
        steered = _logits(model, prompt)
    activations = block_features(model, prompt, features=run.config.get("features", "residual_blocks"))
    return {"activations": activations[0], "logits_clean": _logits(model, prompt), "logits_steered": steered}


def _logits(model: nn.Module, prompt: Mapping[str, Any]) -> Tensor:
    """(length, vocabulary) of the first example."""
    with torch.no_grad():
        logits: Tensor = model(**prompt).logits[0]
    return logits


replay = replay_of({"probe-steer": _probes, "qwen2vl-steer": _qwen})
