"""Pictures of the cards."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

import torch

from zoo.bridges.transformers.packaged import packaged_model
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.attention_heads_survey.classes import CLASSES, STAGES
from zoo_interpret.attention_heads_survey.config import HeadReplacementConfig, HeadScoresConfig
from zoo_interpret.attention_heads_survey.replacement import HeadReplacement
from zoo_interpret.attention_heads_survey.scores import HeadScorer
from zoo_interpret.indirect_objects import indirect_object_batch

SHOWN = ("previous_token", "duplicate_token", "induction", "retrieval", "first_token")
# Heads of SmolLM2 that write the answer to indirect-object sentences; circuit-reuse finds them by path patching.
MOVERS = ("23.0", "23.1", "23.2", "23.7")


def stages(path: Path) -> None:
    """The survey's 41 classes of attention heads, by group, in its four stages."""
    figure = new_figure(figsize=(9.5, 5.6))
    panels = figure.subplots(1, len(STAGES))
    for axis, (stage, groups), colour in zip(
        panels, STAGES.items(), ("#d7e8f7", "#dff0d8", "#fdebd0", "#f4dcec"), strict=True
    ):
        axis.set(xlim=(0, 1), ylim=(1, 0))
        axis.set_axis_off()
        axis.set_title(fill(stage, 16), fontsize=11, fontweight="bold")
        lines = []
        for group in groups:
            inside = [each.name.removesuffix(" Head") for each in CLASSES if each.group == group]
            lines.append((group, [fill(name, 24, subsequent_indent="  ") for name in inside]))
        step, y = 0.034, 0.02
        for group, inside in lines:
            axis.text(0.02, y, group, va="top", fontsize=9.5, fontstyle="italic", backgroundcolor=colour)
            y += 1.5 * step
            for name in inside:
                axis.text(0.06, y, name, va="top", fontsize=8.5)
                y += step * (1 + name.count("\n"))
            y += 0.6 * step
    saved(figure, path)


def scores(path: Path) -> None:
    """Scores of SmolLM2's 270 heads on random tokens that repeat: each class of heads lies in few places."""
    model, _ = packaged_model("smollm2")
    found = HeadScorer(HeadScoresConfig(repeat_length=32, prompts=3, copy_tokens=32))(model).arrays()
    figure = new_figure(figsize=(9.5, 4.6))
    panels = figure.subplots(1, len(SHOWN), sharey=True)
    for axis, name in zip(panels, SHOWN, strict=True):
        picture = axis.imshow(found[name].numpy(), aspect="auto", interpolation="nearest", vmin=0, vmax=1)
        axis.set(title=name.replace("_", " "), xlabel="head", xticks=range(0, found[name].shape[1], 2))
    panels[0].set(ylabel="layer", yticks=range(0, len(found[SHOWN[0]]), 5))
    figure.colorbar(picture, ax=panels, label="score")
    figure.suptitle("SmolLM2-135M")
    saved(figure, path)


def replacement(path: Path) -> None:
    """SmolLM2's margin for the indirect object over the subject, when four of its heads are replaced, one and all."""
    model, tokenizer = packaged_model("smollm2")
    batch = indirect_object_batch(tokenizer, 12)

    def margin() -> float:
        logits = model(batch.clean).logits[:, -1].gather(1, batch.answers)
        return float((logits[:, 0] - logits[:, 1]).mean())

    bars: dict[str, list[float]] = {"zero": [], "mean": [], "patch": []}
    choices = [[name] for name in MOVERS] + [list(MOVERS)]
    with torch.no_grad():
        whole = margin()
        for how, found in bars.items():
            for places in choices:
                reference = {"zero": None, "mean": batch.clean, "patch": batch.corrupt}[how]
                with HeadReplacement(HeadReplacementConfig(how, places)).attach(model, reference):
                    found.append(margin())
    figure = new_figure(figsize=(8.5, 3.8))
    axis = figure.subplots()
    labels = {"zero": "by zero", "mean": "by their mean", "patch": "by the run with names exchanged"}
    for column, (how, found) in enumerate(bars.items()):
        axis.bar([place + 0.26 * (column - 1) for place in range(len(choices))], found, width=0.25, label=labels[how])
    axis.axhline(whole, color="black", linestyle="--", label="nothing replaced")
    axis.set_xticks(range(len(choices)), [f"head {name}" for name in MOVERS] + ["all four"])
    axis.set(ylabel="logit of the indirect object\nminus that of the subject", title="SmolLM2-135M, 12 sentences")
    axis.set_ylim(0, 1.35 * max(whole, *(max(found) for found in bars.values())))
    axis.legend(fontsize=8, ncols=2, loc="upper center")
    saved(figure, path)
