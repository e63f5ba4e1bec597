"""The replay of recorded runs; a method has no checkpoints to convert."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.sites import Site
from zoo.evidence.replay import Run, replay_of
from zoo_interpret.multimodal import language_sites, prefill_and_decode
from zoo_interpret.paint.config import PaintConfig
from zoo_interpret.paint.method import Paint
from zoo_interpret.tiny_multimodal import recorded_llava

FIELDS = ("alpha", "beta", "local_ratio", "spatial_ratio", "start_layer", "end_layer", "head_gain")


def _boost(run: Run) -> dict[str, Tensor]:
    """Sets, and prefill and decoding with and without the boost."""
    model = recorded_llava(run.config, run.state)
    method = Paint(PaintConfig(**run.fields({name: name for name in FIELDS})))
    prompt = {name: run.inputs[name] for name in ("input_ids", "pixel_values")}
    rows: list[Tensor] = []

    def keep(site: Site, weights: Tensor) -> None:
        rows.append(weights[0, :, -1])

    sites = language_sites(model)
    with torch.no_grad():
        base = model(**prompt).logits[0]
    with method.attach(model) as attached, attending(model, sites=sites, weights=keep):
        logits, steps = prefill_and_decode(model, prompt, run.inputs["next_ids"])
    sets = attached.result()
    return {
        "vit_cls_attention_first": sets.cls_attention_first[0],
        "vit_cls_attention_penultimate": sets.cls_attention_penultimate[0],
        "local_tokens": sets.local[0].nonzero().flatten(),
        "summary_tokens": sets.summary[0].nonzero().flatten(),
        "logits_base": base,
        "logits_paint": logits[0],
        "attention_last_query": torch.stack(rows[: len(sites)]),
        "decode_logits": steps[0],
    }


replay = replay_of({"paint": _boost})
