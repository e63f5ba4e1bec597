"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path

import torch

from zoo.bridges.transformers.packaged import packaged_model
from zoo.datasets import handwritten_digits
from zoo.evidence.plots import new_figure, saved
from zoo_sequence.attention_sdm.config import CriticalDistanceConfig, MemoryConfig, ProbeConfig
from zoo_sequence.attention_sdm.critical_distance import CriticalDistance, retrieval
from zoo_sequence.attention_sdm.memory import SparseDistributedMemory, flipped
from zoo_sequence.attention_sdm.probe import BetaProbe

TEXT = (
    "Attention lets every token look at the tokens before it. Some heads look at one token alone, others spread "
    "their weight over the whole sentence, and a memory of the same radius would do so, too."
)


def betas(path: Path) -> None:
    """Effective beta of every head of SmolLM2-135M over two English sentences: bright heads are sharp memories of a
    small Hamming radius, dark ones average."""
    model, tokenizer = packaged_model("smollm2")
    found = BetaProbe(ProbeConfig())(model, TEXT, tokenizer)
    figure = new_figure(figsize=(7, 6.4))
    axis = figure.subplots()
    drawn = axis.imshow(found.mean.clamp(min=1e-3).log10().numpy(), cmap="viridis", aspect="auto")
    axis.set(title="mean effective beta of each head", xlabel="head", ylabel="layer")
    axis.set_xticks(range(found.mean.shape[1]))
    axis.set_yticks(range(0, found.mean.shape[0], 3))
    figure.colorbar(drawn, ax=axis, label="log10 beta")
    saved(figure, path)


def memory(path: Path) -> None:
    """Handwritten digits as bits: 40 stored, six asked for with a sixth of their bits flipped, and what the memory and
    the attention with its fitted beta read in two updates."""
    images = handwritten_digits()[0][:40]
    bits = (images.flatten(1) > 0.5).float()
    generator = torch.Generator().manual_seed(0)
    noisy = torch.stack([flipped(each, 11, generator) for each in bits[:6]])
    rows = {"stored": bits[:6], "asked: 11 of 64 flipped": noisy}
    for form, title in (("intersection", "sparse distributed memory"), ("attention", "attention")):
        model = SparseDistributedMemory(MemoryConfig(64, 1_000_000, 15, form=form, max_steps=2))
        model.write(bits.T)
        rows[title] = model(noisy)
    figure = new_figure(figsize=(8, 6))
    axes = figure.subplots(len(rows), 6)
    for line, (title, shown) in zip(axes, rows.items(), strict=True):
        for index, axis in enumerate(line):
            axis.imshow(shown[index].view(8, 8).numpy(), cmap="gray_r", vmin=0, vmax=1)
            axis.set_xticks([])
            axis.set_yticks([])
            wrong = int((shown[index] != bits[index]).sum())
            axis.set_xlabel(f"{wrong} wrong", fontsize=8)
        line[0].set_title(title, fontsize=10, loc="left")
    saved(figure, path)


def critical_distance(path: Path) -> None:
    """Distance from a stored pattern before and after one update, 64 bits and 1,024 random patterns: below the diagonal
    a memory moves closer, and attention with the fitted beta crosses it where the memory does."""
    task = CriticalDistance(CriticalDistanceConfig(num_patterns=1024, trials=200))
    figure = new_figure(figsize=(7.5, 4.6))
    axis = figure.subplots()
    for colour, radius in zip(("C0", "C1", "C2"), (9, 11, 15), strict=True):
        for form, line in (("intersection", "-"), ("attention", "--")):
            system = retrieval(MemoryConfig(64, 2**64, radius, form=form))
            curve = task.curve([system(case.patterns, case.queries) for case in task.cases()])
            name = "memory" if form == "intersection" else "attention"
            axis.plot(list(curve), list(curve.values()), line, color=colour, label=f"{name}, radius {radius}")
    axis.plot([0, 31], [0, 31], ":", color="grey", label="no change")
    axis.set(xlabel="flipped bits of the query", ylabel="bits away after one update", title="retrieval from noise")
    axis.grid(alpha=0.3)
    axis.legend(ncols=2, fontsize=9)
    saved(figure, path)
