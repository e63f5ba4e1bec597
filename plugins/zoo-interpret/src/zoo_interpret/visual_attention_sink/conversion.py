"""The replay of recorded runs; a method has no checkpoints to convert."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.sites import Site
from zoo.evidence.replay import Run, replay_of
from zoo_interpret.multimodal import language_sites, prefill_and_decode
from zoo_interpret.tiny_multimodal import recorded_llava
from zoo_interpret.visual_attention_sink.config import VisualAttentionSinkConfig
from zoo_interpret.visual_attention_sink.method import VisualAttentionSink

FIELDS = ("sink_dims", "tau", "rho", "summ", "p", "sink_layers_from", "skip_last_layer")


def _redistribution(run: Run) -> dict[str, Tensor]:
    """Prefill and decoding, with and without the method."""
    model = recorded_llava(run.config, run.state)
    method = VisualAttentionSink(VisualAttentionSinkConfig(**run.fields({name: name for name in FIELDS})))
    prompt = {name: run.inputs[name] for name in ("input_ids", "pixel_values")}
    maps: list[Tensor] = []

    def keep(site: Site, weights: Tensor) -> None:
        maps.append(weights[0])

    with torch.no_grad():
        base = model(**prompt).logits[0]
    with method.attach(model) as attached, attending(model, sites=language_sites(model), weights=keep):
        logits, steps = prefill_and_decode(model, prompt, run.inputs["next_ids"])
    found = attached.result()
    return {
        "logits_base": base,
        "logits_var": logits[0],
        "sink_tokens": found.sink_tokens[0].float(),
        "selected_head_query": found.selected[0].float(),
        "attention_var": torch.stack(maps[: found.selected.shape[1]]),
        "decode_logits_var": steps[0],
        "decode_selected_heads": found.selected_decoding[:, 0].float(),
    }


replay = replay_of({"var": _redistribution})
