"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo.evidence.plots import new_figure, saved
from zoo_evaluate.attention_taxonomy.config import AttentionCoreConfig
from zoo_evaluate.attention_taxonomy.core import AttentionCore
from zoo_evaluate.attention_taxonomy.terms import AXES, FIELDS

SHOWN = ("softmax", "sigmoid", "sparsemax", "entmax", "constrained-sparsemax", "argmax", "gaussian-window", "linear")


def tree(path: Path) -> None:
    """The survey's four axes and two lists of parts as a tree, and how many of the catalogue's drop-in layers carry
    each term as a tag, counted as the picture was drawn."""
    layers = [entry.entry for entry in zoo.entries() if entry.entry.kind == "attention"]
    figure = new_figure(figsize=(9, 6.4))
    axis = figure.subplots()
    row = 0
    for name in (*AXES, "alignment", "distribution"):
        first = row
        for term in FIELDS[name]:
            count = sum(term in entry.tags for entry in layers)
            axis.barh(row, count, color="C0" if name in AXES else "C1", height=0.7)
            axis.text(count + 0.3, row, str(count), va="center", fontsize=7)
            axis.text(-0.4, row, term, va="center", ha="right", fontsize=7)
            row += 1
        axis.plot([-9, -9], [first - 0.3, row - 0.7], color="black", linewidth=1)
        axis.text(-9.3, (first + row - 1) / 2, name, va="center", ha="right", fontsize=9, fontweight="bold")
        row += 1
    axis.set(xlim=(-15, len(layers) + 1), ylim=(row - 1, -1), xlabel=f"of {len(layers)} drop-in layers")
    axis.set_xticks(range(0, len(layers) + 1, 10))
    axis.set_yticks([])
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.set_title("attention")
    saved(figure, path)


def distributions(path: Path) -> None:
    """The same twelve energies under eight of the distributions: softmax gives everyone something, sparsemax and entmax
    leave out the weak, a bound caps the strong, argmax takes one and the window keeps to its place."""
    torch.manual_seed(0)
    energies = torch.tensor([0.2, 1.0, 2.6, 0.4, 1.9, 2.2, -1.0, 0.1, 1.2, 3.0, 0.6, -0.4])
    figure = new_figure(figsize=(9, 4.6))
    axes = figure.subplots(2, 4, sharex=True)
    for axis, kind in zip(axes.flat, SHOWN, strict=True):
        window = 4 if kind == "gaussian-window" else None
        core = AttentionCore(
            AttentionCoreConfig(
                dim_q=12, dim_k=12, dim_v=12, alignment="dot", distribution=kind, bound=0.3, window=window
            )
        ).eval()
        with torch.no_grad():
            # Keys that are the unit vectors: the energies are the query's numbers.
            weights = core(energies[None, None], torch.eye(12)[None], torch.eye(12)[None])[1][0, 0]
        axis.bar(range(12), weights.tolist(), color="C0")
        axis.set_title(f"{kind}: {int((weights.abs() > 1e-6).sum())} not zero", fontsize=9)
        axis.set_xticks(range(0, 12, 3))
    for axis in axes[-1]:
        axis.set_xlabel("key")
    for axis in axes[:, 0]:
        axis.set_ylabel("weight")
    saved(figure, path)
