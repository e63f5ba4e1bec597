"""The picture of the card."""

from __future__ import annotations

from pathlib import Path

import torch

from zoo.bridges.transformers.inputs import as_inputs
from zoo.bridges.transformers.packaged import packaged_model
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.alice import SENTENCES
from zoo_interpret.sixteen_heads.config import SixteenHeadsConfig
from zoo_interpret.sixteen_heads.method import SixteenHeads
from zoo_interpret.sixteen_heads.results import Importance

PERCENTS = [5.0, 10.0, 20.0, 35.0, 50.0]


def curves(path: Path) -> None:
    """SmolLM2's loss on Alice in Wonderland while heads are pruned, the least important first or the most important."""
    model, tokenizer = packaged_model("smollm2")
    texts = [as_inputs(model, text, tokenizer) for text in SENTENCES]
    batches = [{**each, "labels": each["input_ids"]} for each in texts]
    method = SixteenHeads(SixteenHeadsConfig(percents=PERCENTS, groups=["D"]))
    found = method.importance(model, batches[:4])

    def loss() -> float:
        with torch.no_grad():
            return sum(float(model(**batch).loss) for batch in batches[4:]) / len(batches[4:])

    whole = loss()
    figure = new_figure(figsize=(9, 4))
    left, right = figure.subplots(1, 2)
    picture = left.imshow(found.normalised.numpy(), aspect="auto", interpolation="nearest", cmap="viridis")
    figure.colorbar(picture, ax=left, label="importance, of its layer")
    left.set(xlabel="head", ylabel="layer", title="importance on four sentences")
    orders = (("least important first", found.order), ("most important first", found.order[::-1]))
    for name, order in orders:
        ordered = Importance(found.raw, found.scores, found.normalised, order, found.labels)
        losses = [whole]
        for mask in method.masks(ordered):
            with method.attach(model, mask):
                losses.append(loss())
        right.plot([0, *PERCENTS[: len(losses) - 1]], losses, marker="o", label=name)
    right.set(xlabel="heads pruned, %", ylabel="nats a token", title="loss on two other sentences")
    right.legend()
    for axis in (left.xaxis, left.yaxis):
        axis.get_major_locator().set_params(integer=True)
    figure.suptitle("SmolLM2-135M")
    saved(figure, path)
