"""The replay of recorded losses, masks and samples; there are no checkpoints to convert."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from zoo.bridges.transformers.recorded import recorded_model
from zoo.evidence.replay import Run, replay_of
from zoo_interpret.cat import stg, stg_h
from zoo_interpret.cat.config import FORMS, CatConfig
from zoo_interpret.cat.loss import re_attention_loss
from zoo_interpret.cat.masks import build_causal_mask
from zoo_interpret.cat.tuning import CausalAttentionTuning


def _words(text: str) -> list[str]:
    """The recording's toy tokenizer: a word with the space before it."""
    return re.findall(r" ?\S+", text)


def _losses(run: Run) -> dict[str, Tensor]:
    """All forms and reductions of the loss on a recorded model, a gradient, and a mask from text."""
    model, ids, mask = recorded_model(run.config, run.state), run.inputs["input_ids"], run.inputs["causal_mask"]
    alpha = run.config["alpha"]
    with torch.enable_grad():
        with CausalAttentionTuning(CatConfig(alpha=alpha)).attach(model) as mean:
            lm_loss = model(input_ids=ids, labels=ids).loss
        attention = mean.maps()
        found = {
            f"{name}_{form}": re_attention_loss(attention, mask, alpha=alpha, form=form, reduction=reduction)
            for name, reduction in (("row", "rows"), ("sample", "smoothed"))
            for form in FORMS
        }
        weight = model.get_parameter("model.layers.0.self_attn.q_proj.weight")
        (gradient,) = torch.autograd.grad(found["row_div"], weight)
    outputs = {name: value.detach()[None] for name, value in found.items()}
    outputs |= {"mean_attention": attention.detach(), "grad_layer0_q_proj": gradient, "lm_loss": lm_loss.detach()[None]}
    if "text" in run.config:
        outputs["text_mask"] = build_causal_mask(run.config["text"], run.config["adjacency"], _words)
    return outputs


def _games(run: Run) -> dict[str, Tensor]:
    """Samples of both games for a seed."""
    count, seed = run.config["n"], int(run.inputs["seed"][0])
    words, labels = list(run.config["words"]), list(run.config["labels"])
    outputs: dict[str, Tensor] = {}
    for name, samples in zip(("iid", "ood"), stg.draw(count, count, seed), strict=True):
        values = [[sample.values[stg.WORDS.index(word)] for word in words] for sample in samples]
        order = [[words.index(stg.WORDS[index]) for index in sample.order] for sample in samples]
        outputs[f"{name}_values"], outputs[f"{name}_order"] = torch.tensor(values), torch.tensor(order)
        outputs[f"{name}_label"] = torch.tensor([labels.index(sample.label) for sample in samples])
    harder = [sample for part in stg_h.draw(3, 3, seed) for sample in part]
    rows = [[*sample.values, float(sample.index)] for sample in harder]
    return outputs | {"stg_h_factors": torch.tensor(rows, dtype=torch.float64)}


replay = replay_of({"re-attention": _losses, "stg": _games})
