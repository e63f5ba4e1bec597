"""The replay of recorded runs; a method has no checkpoints to convert."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.evidence.replay import Run, replay_of
from zoo_interpret.multimodal import prefill_and_decode
from zoo_interpret.tiny_multimodal import recorded_llava
from zoo_interpret.vhr.config import DivergenceConfig, VhrConfig
from zoo_interpret.vhr.divergence import VisionAwareHeadDivergence, token_divergence
from zoo_interpret.vhr.reinforcement import Vhr

FIELDS = {
    "alpha": "alpha",
    "layers_reinforced": "layers",
    **{name: name for name in ("outliers", "distance", "std", "reinforce_text_stream", "positions")},
}


def _reinforcement(run: Run) -> dict[str, Tensor]:
    """Divergence of the plain model, and prefill and decoding with the method."""
    model = recorded_llava(run.config, run.state)
    prompt = {name: run.inputs[name] for name in ("input_ids", "pixel_values")}
    fields = run.fields(FIELDS)
    distance = {"distance": fields["distance"]} if "distance" in fields else {}
    plain = VisionAwareHeadDivergence(DivergenceConfig(topk=run.config.get("topk"), **distance))(model, prompt)
    with torch.no_grad():
        base = model(**prompt).logits[0]
    with Vhr(VhrConfig(**fields)).attach(model) as attached:
        logits, steps = prefill_and_decode(model, prompt, run.inputs["next_ids"])
        found = attached.result()
    return {
        "head_output_with_image": plain.output_with_image[0],
        "head_output_text_only": plain.output_text_only[0],
        "vhd": plain.vhd[0],
        "t_vhd": token_divergence(plain.vhd[0], run.config.get("topk"))[None],
        "vhd_sequential": found.vhd[0],
        "vhd_after_outliers": found.vhd_after_outliers[0],
        "selected": found.selected[0].float(),
        "logits_base": base,
        "logits_vhr": logits[0],
        "decode_logits_vhr": steps[0],
    }


replay = replay_of({"vhr": _reinforcement})
