"""The replay of recorded analyses; a method has no checkpoints to convert."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from zoo_interpret.recorded_models import recorded_model
from zoo_interpret.sixteen_heads.config import SixteenHeadsConfig
from zoo_interpret.sixteen_heads.method import SixteenHeads
from zoo_interpret.sixteen_heads.statistics import head_statistics


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Importance, ablations, pruning and statistics of a recorded classifier."""
    model = recorded_model(config, state)
    names = ("input_ids", "token_type_ids", "attention_mask")
    arguments = {name: inputs[name] for name in names if name in inputs}
    method = SixteenHeads(
        SixteenHeadsConfig(
            percents=list(config["prune_percents"]), at_least_k=config.get("at_least_heads_per_layer", 0)
        )
    )

    def logits(gated: nn.Module) -> Tensor:
        with torch.no_grad():
            found: Tensor = gated(**arguments).logits
        return found

    size = config["importance_batch_size"]
    batches = [
        {
            **{name: value[start : start + size] for name, value in arguments.items()},
            "labels": inputs["labels"][start : start + size],
        }
        for start in range(0, len(inputs["labels"]), size)
    ]
    importance = method.importance(model, batches)
    with torch.no_grad():
        maps = model(**arguments, output_attentions=True).attentions
    statistics = head_statistics(maps, arguments["attention_mask"])
    outputs = {
        "logits": logits(model),
        "importance_raw": importance.raw,
        "importance": importance.scores,
        "importance_normalized": importance.normalised,
        "ablate_one_logits": _stacked(method.ablate_one(model, logits)),
        "keep_only_one_logits": _stacked(method.keep_only_one(model, logits)),
        "entropy": statistics.entropy,
        "pairwise_kl": statistics.pairwise_kl,
    }
    for index, mask in enumerate(method.masks(importance)):
        outputs[f"prune{index}_head_mask"] = mask
        with method.attach(model, mask):
            outputs[f"prune{index}_logits"] = logits(model)
    return outputs


def _stacked(rows: list[list[Tensor]]) -> Tensor:
    return torch.stack([torch.stack(row) for row in rows])
