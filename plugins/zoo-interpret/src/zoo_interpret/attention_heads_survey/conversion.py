"""The replay of recorded scores, replacements and modifications; there are no checkpoints to convert."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from zoo.bridges.transformers.recorded import recorded_model
from zoo.bridges.transformers.sites import find_sites
from zoo.evidence.replay import Run, replay_of
from zoo_interpret.attention_heads_survey.config import HeadReplacementConfig
from zoo_interpret.attention_heads_survey.replacement import HeadReplacement, adding_direction
from zoo_interpret.attention_heads_survey.scores import ov_scores, pattern_scores


def _head_scores(run: Run) -> dict[str, Tensor]:
    """Scores of a recorded model's heads, and logits with each of them replaced or changed."""
    model, inputs, config = recorded_model(run.config, run.state), run.inputs, run.config
    ids = inputs["input_ids"]
    needles, queries = (torch.tensor(config[name]) for name in ("needle_positions", "needle_query_positions"))
    outputs = pattern_scores(model, ids, needles=needles, queries=queries)
    outputs["self"] = outputs.pop("self_attention")
    tokens = torch.arange(run.config["model_kwargs"]["vocab_size"])
    outputs["ov_copy_top5"] = ov_scores(model, tokens, tokens)

    def logits() -> Tensor:
        found: Tensor = model(input_ids=ids).logits[0, -1]
        return found

    def each(change: Callable[[int, int], Tensor]) -> Tensor:
        sites = find_sites(model)
        return torch.stack(
            [torch.stack([change(layer, head) for head in range(site.num_heads)]) for layer, site in enumerate(sites)]
        )

    def replaced(how: str) -> Callable[[int, int], Tensor]:
        def change(layer: int, head: int) -> Tensor:
            method = HeadReplacement(HeadReplacementConfig(how, [f"{layer}.{head}"]))
            with method.attach(model, inputs["reference_ids"]):
                return logits()

        return change

    def added(layer: int, head: int) -> Tensor:
        with adding_direction(model, {(layer, head): inputs["direction"]}):
            return logits()

    return outputs | {
        "logits": logits(),
        "zero_ablation": each(replaced("zero")),
        "mean_ablation": each(replaced("mean")),
        "direction_addition": each(added),
    }


replay = replay_of({"head-scores": _head_scores})
