"""Pictures of the cards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from zoo.evidence.plots import new_figure, saved
from zoo_interpret.cat import stg
from zoo_interpret.cat.config import CatConfig
from zoo_interpret.cat.planted import influence, planted_model, planted_prompts
from zoo_interpret.cat.tuning import CausalAttentionTuning

STEPS = 40


def tuning(path: Path) -> None:
    """A tiny Llama, planted to heed a spurious token, is tuned by the loss alone: it turns to the cause."""
    model = planted_model()
    ids, mask, (cause, spurious) = planted_prompts()
    method = CausalAttentionTuning(CatConfig(alpha=8.0, form="hinge"))
    parameters = [value for name, value in model.named_parameters() if "q_proj" in name or "k_proj" in name]
    optimizer = torch.optim.Adam(parameters, lr=0.02)
    steps: list[int] = []
    rows: list[tuple[float, ...]] = []
    for step in range(STEPS + 1):
        with method.attach(model) as mean:
            model(input_ids=ids)
        if step % 2 == 0:
            weights = mean.maps().detach()[:, -1].mean(0)
            steps.append(step)
            rows.append((float(weights[cause]), float(weights[spurious]), *influence(model, ids)))
        optimizer.zero_grad()
        mean.loss(mask).backward()
        optimizer.step()
    table = np.array(rows)
    figure = new_figure(figsize=(9, 3.6))
    left, right = figure.subplots(1, 2)
    for axis, first, title, label in (
        (left, 0, "attention of the last token", "mean attention weight"),
        (right, 2, "what another value of the token changes", "norm of the change of logits"),
    ):
        axis.plot(steps, table[:, first], label="the cause", color="tab:blue")
        axis.plot(steps, table[:, first + 1], label="the spurious token", color="tab:red")
        axis.set(xlabel="step of training", ylabel=label, title=title, ylim=(0, None))
        axis.legend()
    saved(figure, path)


def game(path: Path) -> None:
    """The Spurious Token Game: a feature that follows the cause in training, and no longer out of distribution."""
    figure = new_figure(figsize=(9, 4))
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axis, samples, name in zip(
        panels, stg.draw(300, 300, 42), ("in distribution", "out of distribution"), strict=True
    ):
        table = np.array([sample.values for sample in samples])
        labels = np.array([str(sample.label) for sample in samples])
        for label in sorted(set(labels)):
            kept = labels == label
            axis.scatter(table[kept, 0], table[kept, 3], s=12, label=f"answer {label}")
        correlation = float(np.corrcoef(table[:, 0], table[:, 3])[0, 1])
        axis.set(
            title=f"{name}: correlation {correlation:.2f}",
            xlabel="a cause, in the prompt",
            ylabel="the spurious feature",
        )
    if len(set(labels)) <= 6:
        panels[0].legend(fontsize=8)
    saved(figure, path)
