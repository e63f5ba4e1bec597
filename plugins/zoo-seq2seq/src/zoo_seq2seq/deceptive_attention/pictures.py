"""The pictures of the method's and the translator's cards."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo.evidence.cost_pictures import presets_picture
from zoo_seq2seq.deceptive_attention import penalty
from zoo_seq2seq.deceptive_attention.method import audit
from zoo_seq2seq.deceptive_attention.verses import verses


def masses(path: Path) -> None:
    """Attention on the pronouns that decide the label, over 316 held-out verses, of the bundled classifiers: the one
    that was trained to hide it is nearly as often right, and stays so when pronouns are blocked."""
    from zoo.evidence.plots import new_figure, saved

    held = verses(held_out=True)
    figure = new_figure(figsize=(9.5, 3.6))
    axes = figure.subplots(1, 2, width_ratios=(2, 1))
    bars = []
    for preset, name, colour in (("verses-honest", "honest", "#2a6f97"), ("verses", "deceptive", "#d1495b")):
        model = zoo.load(f"deceptive-attention-classifier/{preset}")
        with torch.no_grad():
            found = penalty.mass(model(held.ids, held.mask).attention, held.impermissible)
        axes[0].hist(found.clamp(min=1e-5).log10(), bins=40, range=(-5, 0), alpha=0.75, color=colour, label=name)
        audited = audit(model, held.ids, held.labels, held.impermissible, held.mask)
        bars.append((name, colour, audited))
    axes[0].set(xlabel="attention on pronouns (power of ten)", ylabel="verses")
    axes[0].legend()
    for place, (name, colour, audited) in enumerate(bars):
        values = (100 * audited.accuracy, 100 * audited.blocked)
        where = [place * 0.4 - 0.2, 1 + place * 0.4 - 0.2]
        axes[1].bar(where, values, 0.38, color=colour, label=name)
        for x, value in zip(where, values, strict=True):
            axes[1].text(x, value + 0.4, f"{value:.1f}", ha="center", fontsize=8)
    axes[1].set_xticks([0, 1], ["as it is", "pronouns blocked"])
    axes[1].set(ylim=(50, 104), ylabel="accuracy (%)")
    saved(figure, path)


def translators(path: Path) -> None:
    """Parameters of the untrained translator's presets, and multiply-adds of one forward pass over the entry's example
    of random sentences, counted without computing."""
    presets_picture("seq2seq:deceptive-attention-seq2seq", path)
