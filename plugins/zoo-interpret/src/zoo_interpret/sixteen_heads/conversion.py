"""The replay of recorded analyses; a method has no checkpoints to convert."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.recorded import recorded_model
from zoo.evidence.replay import Run, replay_of
from zoo_interpret.sixteen_heads.config import SixteenHeadsConfig
from zoo_interpret.sixteen_heads.method import SixteenHeads
from zoo_interpret.sixteen_heads.statistics import head_statistics


def _analysis(run: Run) -> dict[str, Tensor]:
    """Importance, ablations, pruning and statistics of a recorded classifier."""
    model, config, inputs = recorded_model(run.config, run.state), run.config, run.inputs
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
    statistics = head_statistics(attention_maps(model, arguments), arguments["attention_mask"])
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


replay = replay_of({"bert-cls": _analysis})
