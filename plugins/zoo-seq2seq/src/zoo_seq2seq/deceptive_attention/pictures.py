"""The pictures of the method's and the translator's cards."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo_seq2seq import bible
from zoo_seq2seq.deceptive_attention import penalty
from zoo_seq2seq.deceptive_attention.method import audit
from zoo_seq2seq.deceptive_attention.verses import verses
from zoo_seq2seq.decoding import START
from zoo_seq2seq.translating import padded, translate

SHOWN = "Σὺ πιστεύεις εἰς τὸν υἱὸν τοῦ ἀνθρώπου"


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


def alignments(path: Path) -> None:
    """A Greek clause of a held-out verse, translated by two bundled networks: attention of the honest one, and of the
    one whose attention was kept off the Greek words that people aligned with each English word."""
    from zoo.evidence.plots import new_figure, saved

    pieces = bible.vocabularies()
    source_ids, mask = padded([pieces.source.encode(SHOWN)])
    figure = new_figure(figsize=(9.5, 4.2))
    axes = figure.subplots(1, 2)
    names = (("bible", "honest"), ("bible-deceptive", "deceptive"))
    for axis, (preset, name) in zip(axes, names, strict=True):
        model = zoo.load(f"deceptive-attention-seq2seq/{preset}")
        found = translate(model, pieces, [SHOWN])[0]
        ids = pieces.target.encode(found.text)
        with torch.no_grad():
            weights = model(source_ids, torch.tensor([[START, *ids]]), mask).attention[0]
        image = axis.imshow(weights.numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axis.set_xticks(range(len(found.source)), found.source, rotation=60, ha="right", fontsize=9)
        axis.set_yticks(range(len(ids) + 1), [*pieces.target.pieces(ids), "</s>"], fontsize=9)
        axis.set_title(f"{name}: {found.text}", fontsize=9)
    figure.colorbar(image, ax=axes, label="attention weight")
    saved(figure, path)
