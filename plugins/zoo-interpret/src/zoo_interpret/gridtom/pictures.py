"""Pictures of the cards of the probe and of the steering; the benchmark's is beside it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.inputs import as_inputs
from zoo.bridges.transformers.packaged import packaged_model
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.gridtom.config import TomProbeConfig, TomSteeringConfig
from zoo_interpret.gridtom.features import block_features
from zoo_interpret.gridtom.probe import GridTomProbe, TomProbes
from zoo_interpret.gridtom.samples import Statement, make_samples, probe_data
from zoo_interpret.gridtom.steering import GridTomSteering

CLIPS, TRAINED, STEERED = 16, 12, 8


@cache
def _probed() -> tuple[nn.Module, object, list[Statement], TomProbes]:
    """SmolLM2, its tokenizer, statements about clips, and probes of what the protagonist believes."""
    model, tokenizer = packaged_model("smollm2")
    items = probe_data(make_samples(CLIPS))
    features = block_features(model, [item.text for item in items], tokenizer)
    labels = torch.tensor([item.protagonist for item in items])
    index = torch.arange(len(items))
    train, held = index[: 4 * TRAINED], index[4 * TRAINED :]
    found = GridTomProbe(TomProbeConfig()).fit(features, labels, train_index=train, val_index=held)
    return model, tokenizer, items, found


def probes(path: Path) -> None:
    """How well probes in SmolLM2's blocks tell what a clip's protagonist believes; clips are read as captions."""
    found = _probed()[-1]
    figure = found.plot()
    figure.suptitle(f"SmolLM2-135M, captions of {CLIPS} clips")
    saved(figure, path)


def steering(path: Path) -> None:
    """Whether SmolLM2 calls statements about beliefs true, pushed along probes' directions or along random ones."""
    model, tokenizer, items, found = _probed()
    texts = [f"{item.text} This statement is" for item in items[4 * TRAINED :][:STEERED]]
    words = [tokenizer(word)["input_ids"][0] for word in (" true", " false")]  # type: ignore[operator]
    alphas = [-20.0, 0.0, 20.0]
    chosen = found.steering()
    figure = new_figure(figsize=(7.5, 3.8))
    axis = figure.subplots()
    for name, pushed in (("directions of the probes", chosen), ("random directions", chosen.random(1))):
        margins = []
        for alpha in alphas:
            with torch.no_grad(), GridTomSteering(TomSteeringConfig(alpha=alpha)).attach(model, pushed):
                margins.append(sum(_margin(model, tokenizer, text, words) for text in texts) / len(texts))
        axis.plot(alphas, margins, marker="o", label=name)
    axis.set(
        xlabel="strength alpha",
        ylabel='logit of " true" minus that of " false"',
        title=f"SmolLM2-135M, {len(texts)} statements",
    )
    axis.legend()
    saved(figure, path)


def _margin(model: nn.Module, tokenizer: object, text: str, words: list[int]) -> float:
    logits: Tensor = model(**as_inputs(model, text, tokenizer)).logits[0, -1]
    return float(logits[words[0]] - logits[words[1]])
