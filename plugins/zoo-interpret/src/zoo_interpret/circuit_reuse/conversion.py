"""The replay of recorded path patching; a method has no checkpoints to convert."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.paths import Component, Receiver, Stream
from zoo.bridges.transformers.recorded import recorded_model
from zoo.errors import InputError
from zoo.evidence.replay import Run, replay_of
from zoo_interpret.circuit_reuse.config import CircuitReuseConfig
from zoo_interpret.circuit_reuse.method import CircuitReuse

_COMPONENTS: dict[str, Component] = {"q": "query", "k": "key", "v": "value", "z": "output"}


def _receivers(path: dict[str, Any]) -> list[Receiver | Stream]:
    """Receivers in the reference's words."""
    found: list[Receiver | Stream] = []
    for where, head in path["receivers"]:
        if head is not None:
            found.append(Receiver(int(where), int(head), _COMPONENTS[path["component"]]))
            continue
        place = re.fullmatch(r"blocks\.(\d+)\.hook_resid_(pre|post)", where)
        if place is None:
            raise InputError(f"no receiver {where!r}; streams are blocks.N.hook_resid_post")
        found.append(Stream(int(place[1]) + (place[2] == "post")))
    return found


def _path_patching(run: Run) -> dict[str, Tensor]:
    """Path patching of every recorded path, activation patching, and the intervention."""
    model, inputs = recorded_model(run.config, run.state), run.inputs
    clean, corrupt, answers = inputs["clean_ids"], inputs["corrupt_ids"], inputs["answers"]
    logits = [model(input_ids=ids).logits[:, -1] for ids in (clean, corrupt)]
    outputs = {"clean_logits": logits[0], "corrupt_logits": logits[1]}
    chosen = logits[0].gather(1, answers)
    outputs["clean_logit_diff"] = chosen[:, 0] - chosen[:, 1]
    outputs["attention_last"] = torch.stack([maps[:, :, -1] for maps in attention_maps(model, clean)])
    for index, path in enumerate(run.config["paths"]):
        method = CircuitReuse(CircuitReuseConfig(freeze_feed_forward=path["freeze_mlps"]))
        outputs[f"path{index}"] = method.path_effects(
            model, clean, corrupt, answers, receivers=_receivers(path), position=path["position"]
        ).effects
    steered = [f"{layer}.{head}" for layer, head in run.config["repair_heads"]]
    method = CircuitReuse(CircuitReuseConfig(steered=steered))
    outputs["activation_patch"] = method.activation_effects(model, clean, corrupt, answers).effects
    with method.attach(model, inputs["repair_keys"]):
        outputs["repaired_logits"] = model(input_ids=clean).logits[:, -1]
    return outputs


replay = replay_of({"path-patching": _path_patching})
