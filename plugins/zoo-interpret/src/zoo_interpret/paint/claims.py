"""What the paper promises and a machine can check."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo import Measurement
from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.sites import Site
from zoo_interpret.multimodal import image_positions, language_sites
from zoo_interpret.paint.config import PaintConfig
from zoo_interpret.paint.method import Paint
from zoo_interpret.paint.planted import planted_encoder
from zoo_interpret.paint.selection import boosted
from zoo_interpret.tiny_multimodal import llava_7b, tiny_llava, tiny_llava_inputs

LOCAL, SUMMARY = (1, 4, 8, 15, 16, 22, 29, 30, 35), (5, 20)


def _last_rows(model: nn.Module, inputs: dict[str, Tensor], config: PaintConfig) -> Tensor:
    """(layers, batch, heads, keys) of the last query with the boost."""
    rows: list[Tensor] = []

    def keep(site: Site, weights: Tensor) -> None:
        rows.append(weights[:, :, -1])

    with torch.no_grad(), Paint(config).attach(model), attending(model, sites=language_sites(model), weights=keep):
        model(**inputs)
    return torch.stack(rows)


def check_unchanged() -> Measurement:
    """Logits with alpha = beta = 0, and as configured."""
    model = tiny_llava(attn_implementation="eager")
    inputs = tiny_llava_inputs(model, 3)
    changes = []
    with torch.no_grad():
        base = model(**inputs).logits
        for alpha, beta in ((0.0, 0.0), (0.7, 0.3)):
            with Paint(PaintConfig(alpha, beta)).attach(model):
                changes.append(float((model(**inputs).logits - base).abs().max()))
    return Measurement(
        f"{changes[0]:.0e} without a gain, {changes[1]:.1e} with the default ones", changes[0] == 0 < changes[1]
    )


def check_boost_never_lowers() -> Measurement:
    """Scores of both signs before and after the boost."""
    scores = torch.linspace(-30, 30, 100_001, dtype=torch.float64)
    least, worst = float("inf"), 0.0
    for gain in (0.0, 0.3, 0.7, 1.0):
        raised = boosted(scores, gain)
        least = min(least, float((raised - scores).min()))
        expected = torch.where(scores < 0, scores * (1 - gain), scores * (1 + gain))
        worst = max(worst, float((raised - expected).abs().max()))
    return Measurement(f"changes by {least:.0e} at least; off s (1 +- c) by {worst:.0e}", least >= 0 and worst < 1e-12)


def check_mass_rises() -> Measurement:
    """The last query's attention to the image, mean of the boosted layers and heads, as alpha grows."""
    alphas = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    falls, curves = 0, []
    for seed in range(4):
        model = tiny_llava(seed, attn_implementation="eager")
        # Sharper scores than at initialisation, so that a gain on them matters.
        for site in language_sites(model):
            site.module.q_proj.weight.data.mul_(15)
        inputs = tiny_llava_inputs(model, 2, seed)
        image = image_positions(model, inputs["input_ids"])[:, None]
        rows = [_last_rows(model, inputs, PaintConfig(alpha)) for alpha in alphas]
        curve = torch.stack([(row[2:] * image).sum(-1).mean() for row in rows])
        falls += int((curve.diff() <= 0).sum())
        curves.append(curve)
    mean = torch.stack(curves).mean(0)
    shown = ", ".join(f"{float(value):.3f}" for value in mean)
    return Measurement(f"{shown} at alpha {', '.join(map(str, alphas))}; {falls} falls on 4 random models", falls == 0)


def check_planted_patches() -> Measurement:
    """Sets of an encoder whose class token looks at known patches, and the attention that the text then pays them."""
    model = planted_encoder(LOCAL, SUMMARY)
    for site in language_sites(model):
        site.module.q_proj.weight.data.mul_(15)
    inputs = tiny_llava_inputs(model, 3)
    start = int(image_positions(model, inputs["input_ids"])[0].nonzero()[0])
    with torch.no_grad(), Paint(PaintConfig()).attach(model) as attached:
        model(**inputs)
    sets = attached.result()
    found = [
        sorted(each[image].nonzero().flatten().tolist()) for each in (sets.local, sets.summary) for image in range(3)
    ]
    right = found == [sorted(LOCAL)] * 3 + [sorted(SUMMARY)] * 3
    before, after = (
        _last_rows(model, inputs, config)[2, ..., [start + patch for patch in LOCAL]].sum(-1)
        for config in (PaintConfig(0.0, 0.0), PaintConfig())
    )
    return Measurement(
        f"{'exactly the planted patches' if right else found}; the last query gives the local ones "
        f"{float(before.mean()):.1%} of its attention, {float(after.mean()):.1%} with the boost",
        right and bool((after > before).all()),
    )


def check_parameters() -> Measurement:
    """Parameters of LLaVA-1.5-7B with the method attached."""
    model = llava_7b()
    with Paint(PaintConfig()).attach(model):
        count = sum(parameter.numel() for parameter in model.parameters())
    return Measurement(f"{count} parameters", count == 7063427072)
