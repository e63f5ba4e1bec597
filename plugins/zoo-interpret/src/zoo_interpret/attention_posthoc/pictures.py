"""Pictures of the cards."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from zoo.bridges.transformers.packaged import packaged_model
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.attention_posthoc.claims import ABOUT, SENTENCES
from zoo_interpret.attention_posthoc.classifier import random_documents
from zoo_interpret.attention_posthoc.closed_forms import lime_positions
from zoo_interpret.attention_posthoc.config import PosthocConfig
from zoo_interpret.attention_posthoc.planted import planted_classifier
from zoo_interpret.attention_posthoc.probe import AttentionPosthoc


def explanations(path: Path) -> None:
    """Why MiniLM finds a sentence about rain on a market similar to one about weather: seven explanations disagree."""
    model, tokenizer = packaged_model("minilm")
    with torch.no_grad():
        about = model(**tokenizer(ABOUT, return_tensors="pt")).last_hidden_state.mean(1)

    def similarity(output: object) -> Tensor:
        return torch.cosine_similarity(output.last_hidden_state.mean(1), about)  # type: ignore[attr-defined]

    found = AttentionPosthoc(PosthocConfig(samples=300))(model, [SENTENCES[2]], tokenizer, target=similarity)
    figure = found.plot()
    figure.suptitle(f'similarity to "{ABOUT}"')
    saved(figure, path)


def classifier(path: Path) -> None:
    """Words planted for and against a class: attention cannot tell them apart, the closed form of LIME can."""
    model, signs = planted_classifier()
    ids = random_documents(model.config, 1, 20)
    with torch.no_grad():
        attention = model.parts(model.embedding(ids)).attention[0].mean(0)
    lime = lime_positions(model, ids, 1)[0]
    colours = ["grey" if sign == 0 else "tab:blue" if sign > 0 else "tab:red" for sign in signs[ids[0]].tolist()]
    figure = new_figure(figsize=(9, 4))
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axis, values, name in ((upper, attention, "attention, mean of heads"), (lower, lime, "LIME, closed form")):
        axis.bar(range(ids.shape[1]), values.detach().tolist(), color=colours)
        axis.axhline(0, color="black", linewidth=0.5)
        axis.set_ylabel(name)
    lower.set_xticks(range(ids.shape[1]), ["[CLS]", *(f"w{index}" for index in ids[0, 1:].tolist())], rotation=90)
    figure.suptitle("blue: words planted for the class, red: against it, grey: neither")
    saved(figure, path)
