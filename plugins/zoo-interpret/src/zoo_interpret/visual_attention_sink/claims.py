"""What the paper promises and a machine can check."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zoo import Measurement
from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.packaged import packaged_model
from zoo.bridges.transformers.sites import Site
from zoo.bridges.transformers.streams import residual_streams
from zoo_interpret.multimodal import after_image, image_positions, language_sites
from zoo_interpret.tiny_multimodal import llava_7b, tiny_llava_inputs
from zoo_interpret.visual_attention_sink.config import VisualAttentionSinkConfig
from zoo_interpret.visual_attention_sink.method import SinkDiagnostics, VisualAttentionSink, find_sink_dims
from zoo_interpret.visual_attention_sink.planted import SINK_DIM, planted_sinks

PATCHES = (7, 18)
CONFIG: dict[str, Any] = {"sink_dims": [SINK_DIM], "tau": 4.0}


def maps_before_and_after(
    model: nn.Module, inputs: dict[str, Tensor], **config: Any
) -> tuple[list[Tensor], list[Tensor], SinkDiagnostics]:
    """Maps of the same pass before and after redistribution, layer by layer, and what was found."""
    before: list[Tensor] = []
    after: list[Tensor] = []

    def keep_before(site: Site, weights: Tensor) -> None:
        before.append(weights)

    def keep_after(site: Site, weights: Tensor) -> None:
        after.append(weights)

    method = VisualAttentionSink(VisualAttentionSinkConfig(**{**CONFIG, **config}))
    sites = language_sites(model)
    with (
        torch.no_grad(),
        attending(model, sites=sites, weights=keep_before),
        method.attach(model) as attached,
        attending(model, sites=sites, weights=keep_after),
    ):
        model(**inputs)
    return before, after, attached.result()


def check_row_sums() -> Measurement:
    """Sums of all rows of all layers on the planted model, with many rows changed."""
    model = planted_sinks(PATCHES)
    _, after, found = maps_before_and_after(model, tiny_llava_inputs(model, 3))
    worst = max(float((weights.sum(-1) - 1).abs().max()) for weights in after)
    least = min(float(weights.min()) for weights in after)
    rows = int((found.moved > 0).sum())
    return Measurement(
        f"sums off by {worst:.1e}, least weight {least:.1g}, {rows} rows changed",
        worst <= 1e-6 and least >= 0 and rows > 0,
    )


def check_unchanged() -> Measurement:
    """Logits and a generated text under three settings that must do nothing, and one that must do something."""
    model = planted_sinks(PATCHES)
    inputs = tiny_llava_inputs(model, 2)
    settings: dict[str, dict[str, Any]] = {
        "tau = infinity": {"tau": float("inf")},
        "p = 1": {"p": 1.0},
        "no sinks": {"sink_dims": [1]},
        "": {},
    }
    same = {}
    with torch.no_grad():
        base = model(**inputs).logits
        for name, setting in settings.items():
            method = VisualAttentionSink(VisualAttentionSinkConfig(**{**CONFIG, **setting}))
            with method.attach(model):
                same[name] = float((model(**inputs).logits - base).abs().max())
    changed = same.pop("")
    return Measurement(
        ", ".join(f"{value:.0e} with {name}" for name, value in same.items()) + f"; {changed:.1e} as configured",
        max(same.values()) == 0 and changed > 1e-4,
        note="largest change of a logit with eager attention; sdpa rounds otherwise than the rows that are formed here",
    )


def check_budget() -> Measurement:
    """What sinks lost and what the rest of the image won, row by row."""
    model = planted_sinks(PATCHES)
    inputs = tiny_llava_inputs(model, 3)
    before, after, found = maps_before_and_after(model, inputs)
    image = image_positions(model, inputs["input_ids"])
    worst, rows = 0.0, 0
    for layer, (old, new) in enumerate(zip(before, after, strict=True)):
        changed = (found.selected[:, layer] & after_image(image)[:, None]).nonzero(as_tuple=True)
        sinks, takers = found.sink_tokens[:, layer], image & ~found.sink_tokens[:, layer]
        difference = (new - old)[changed]
        budget = 0.4 * (old[changed] * sinks[changed[0]]).sum(-1)
        lost, won = -(difference * sinks[changed[0]]).sum(-1), (difference * takers[changed[0]]).sum(-1)
        rows += len(budget)
        if len(budget):
            worst = max(worst, float((lost - budget).abs().max()), float((won - budget).abs().max()))
    return Measurement(f"off by {worst:.1e} in {rows} selected rows", rows > 0 and worst < 1e-6)


def check_planted_sinks() -> Measurement:
    """Which tokens of the image are found, and the attention of later queries to them, without and with the method."""
    model = planted_sinks(PATCHES)
    inputs = tiny_llava_inputs(model, 3)
    image = image_positions(model, inputs["input_ids"])
    places = image[0].nonzero().flatten()[list(PATCHES)]
    before, after, found = maps_before_and_after(model, inputs)
    expected = torch.zeros_like(image)
    expected[:, places] = True
    right = all(torch.equal(found.sink_tokens[:, layer] & image, expected) for layer in range(2, 4))
    none = not bool(found.sink_tokens[:, :2].any())
    later = after_image(image)[0]
    shares = [
        float(torch.stack([maps[layer][:, :, later][..., places].sum(-1) for layer in (2, 3)]).mean())
        for maps in (before, after)
    ]
    chosen = float(found.selected[:, 2:, :, later].float().mean())
    return Measurement(
        f"patches {PATCHES} found and no other; they get {shares[0]:.1%} of attention, {shares[1]:.1%} with the method "
        f"(selected in {chosen:.0%} of rows)",
        right and none and chosen > 0.9 and abs(shares[1] / shares[0] - 0.6) < 0.05,
    )


TEXT = (
    "The museum opened its doors at nine, and by noon the long hall was full of visitors from the coast. "
    "Nobody had expected that an old map of the harbour would draw such a crowd."
)


def check_massive_dimensions() -> Measurement:
    """The first token's stream in SmolLM2 before layers 15, 20 and 25, on two texts, and the attention that it gets."""
    model, tokenizer = packaged_model("smollm2")
    texts = (TEXT, "A quick sort picks a pivot, then splits the list in two, and sorts each part by the same rule.")
    dims = {
        tuple(sorted(find_sink_dims(model, text, tokenizer, layer=layer))) for text in texts for layer in (15, 20, 25)
    }
    streams = residual_streams(model, TEXT, tokenizer)
    first, others = streams[15][0, 0].abs(), streams[15][0, 1:].abs()
    ratio = float(first.max() / others.median())
    attention = torch.stack(attention_maps(model, TEXT, tokenizer, layers=range(15, 25)))[:, 0, :, 1:, 0].mean()
    return Measurement(
        f"dimensions {', '.join(str(list(each)) for each in sorted(dims))}; {ratio:.0f} times the median activation of "
        f"the other tokens; {float(attention):.0%} of the attention of layers 15 to 24 goes to the first token",
        len(dims) == 1 and ratio > 100,
        note="SmolLM2 has no image: sinks of text alone; they arise about layer 12",
    )


def check_parameters() -> Measurement:
    """Parameters of LLaVA-1.5-7B with the method attached."""
    model = llava_7b()
    with VisualAttentionSink(VisualAttentionSinkConfig()).attach(model):
        count = sum(parameter.numel() for parameter in model.parameters())
    return Measurement(f"{count} parameters", count == 7063427072)
