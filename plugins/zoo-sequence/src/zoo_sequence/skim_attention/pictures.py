"""The pictures on the cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import zoo
from zoo.evidence.plots import new_figure, saved
from zoo_sequence.skim_attention.config import (
    LayoutAnalysisConfig,
    LongSkimformerConfig,
    SkimEmbedConfig,
    SkimformerConfig,
)
from zoo_sequence.skim_attention.heads import build_long_skimformer, build_skim_embed, build_skimformer
from zoo_sequence.skim_attention.hosts import keep_top
from zoo_sequence.skim_attention.layout_analysis import LayoutAnalysis
from zoo_sequence.skim_attention.pages import LABELS, Page, PageBatch, draw_page, encode

SEED, VOCABULARY, POSITIONS, TOP = 1_000_005, 128, 256, 12


def _read(page: Page) -> tuple[PageBatch, Any]:
    """The page as tensors, and what the bundled model makes of it."""
    batch = encode([page], VOCABULARY, POSITIONS)
    with torch.no_grad():
        return batch, zoo.load("skim-attention/layout-analysis")(**batch.inputs())


def _boxes(axis: Any, page: Page, colours: Sequence[Any], *, edge: str = "none") -> None:
    from matplotlib.patches import Rectangle

    for (left, top, right, bottom), colour in zip(page.boxes, colours, strict=True):
        axis.add_patch(Rectangle((left, top), right - left, bottom - top, facecolor=colour, edgecolor=edge))
    # What is printed of a page of the benchmark ends long before its footer.
    end = max(box[3] for box, label in zip(page.boxes, page.labels, strict=True) if label != "footer")
    axis.set(xlim=(0, 1000), ylim=(end + 20, 0))
    axis.set_xticks([])
    axis.set_yticks([])


def _colour(label: str) -> Any:
    from matplotlib import colormaps

    return colormaps["tab20"](LABELS.index(label))


def skimformer(path: Path) -> None:
    """Where the bundled model looks from three words (red) of a drawn page it has not seen: mean weight over heads,
    from boxes alone; a word of the title, of a section's head and of a reference look at different places."""
    page = draw_page(SEED)
    attention = _read(page)[1].attention[0].mean(0)
    figure = new_figure(figsize=(9, 4.4))
    for axis, label in zip(figure.subplots(1, 3), ("title", "section", "reference"), strict=True):
        word = page.labels.index(label)
        weights = attention[word] / attention[word].max()
        _boxes(axis, page, [(0.1, 0.2, 0.6, 0.06 + 0.94 * float(each)) for each in weights])
        left, top, right, bottom = page.boxes[word]
        axis.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color="red", linewidth=2)
        axis.set_title(f"from a word of the {label}", fontsize=10)
    saved(figure, path)


def layout_analysis(path: Path) -> None:
    """A drawn page of the benchmark: what its words are, and what the bundled model says they are; below, its F1 by
    label on twenty such pages."""
    from matplotlib.patches import Patch

    page = draw_page(SEED)
    found = [LABELS[index] for index in _read(page)[1].logits[0].argmax(-1).tolist()]
    scores = LayoutAnalysis(LayoutAnalysisConfig(count=20)).run(zoo.load("skim-attention/layout-analysis"))
    figure = new_figure(figsize=(8.6, 5.4))
    for axis, labels, title in zip(
        figure.subplots(1, 2), (page.labels, found), ("truth", "bundled model"), strict=True
    ):
        _boxes(axis, page, [_colour(label) for label in labels])
        right = sum(a == b for a, b in zip(labels, page.labels, strict=True))
        axis.set_title(
            title if labels is page.labels else f"{title}: {right} of {len(labels)} words right", fontsize=10
        )
    names = [label for label in LABELS if label in scores]
    figure.legend(
        [Patch(color=_colour(label)) for label in names],
        [f"{label} {scores[label]:.2f}" for label in names],
        loc="outside lower center",
        ncols=5,
        fontsize=8,
        title=f"F1 on twenty pages; mean {scores['macro F1']:.2f}",
    )
    saved(figure, path)


def mask(path: Path) -> None:
    """The dozen words that each head of the bundled skimming part lets one word (blue frame) of a page see: what a BERT
    under this mask would be left with; darker where more of the heads keep a word."""
    page = draw_page(SEED)
    kept = keep_top(_read(page)[1].attention, TOP)[0].float().mean(0)
    figure = new_figure(figsize=(9, 4.4))
    for axis, label in zip(figure.subplots(1, 3), ("abstract", "reference", "table"), strict=True):
        word = page.labels.index(label) if label in page.labels else len(page.labels) // 2
        _boxes(axis, page, [(0.7, 0.2, 0.1, 0.05 + 0.95 * float(each)) for each in kept[word]])
        left, top, right, bottom = page.boxes[word]
        axis.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color="blue", linewidth=2)
        axis.set_title(f"seen by a word of the {page.labels[word]}", fontsize=10)
    saved(figure, path)


def embed(path: Path) -> None:
    """A small BERT with skim embeddings that learns for some seconds what each word of a page is: share of right words
    on new pages, beside the same model to which all boxes are told as zero."""
    pages = [draw_page(index) for index in range(320)]
    held = encode([draw_page(SEED + index) for index in range(40)], VOCABULARY, POSITIONS)
    figure = new_figure(figsize=(7.5, 4.2))
    axis = figure.subplots()
    for label, seen in (("with boxes", 1), ("all boxes zero", 0)):
        torch.manual_seed(0)
        config = SkimEmbedConfig(
            dim=48, num_layers=1, num_heads=4, hidden_dim=96, vocab_size=VOCABULARY, max_2d_positions=POSITIONS
        )
        model = build_skim_embed(replace(config, layout_dim=48, head="token-classification", dropout=0.0))
        optimizer, shares = torch.optim.AdamW(model.parameters(), lr=3e-3), {}
        for step in range(121):
            if step % 20 == 0:
                shares[step] = _right(model.eval(), held, seen)
            chosen = [pages[index] for index in torch.randint(len(pages), (8,)).tolist()]
            batch = encode(chosen, VOCABULARY, POSITIONS)
            logits = model.train()(batch.input_ids, batch.bbox * seen, batch.attention_mask).logits
            wanted = batch.labels.masked_fill(batch.attention_mask == 0, -100)
            loss = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        axis.plot(list(shares), list(shares.values()), "o-", label=label)
    axis.set(xlabel="step", ylabel="right words", ylim=(0, 1.03), title="drawn pages, 13 labels")
    axis.grid(alpha=0.3)
    axis.legend()
    saved(figure, path)


@torch.no_grad()
def _right(model: nn.Module, batch: PageBatch, seen: int) -> float:
    found = model(batch.input_ids, batch.bbox * seen, batch.attention_mask).logits.argmax(-1)
    return float((found == batch.labels)[batch.attention_mask == 1].float().mean())


@torch.no_grad()
def long(path: Path) -> None:
    """Time of an untrained long Skimformer of two layers with a window of 128 words, and of the plain one, against the
    length of the document, on one CPU thread."""
    lengths = (256, 512, 1024, 2048)
    shape: dict[str, Any] = {"dim": 64, "num_layers": 2, "num_heads": 4, "hidden_dim": 128, "layout_dim": 32}
    shape |= {"skim_head_dim": 16, "max_length": max(lengths), "vocab_size": 1000, "num_layout_heads": 4}
    models = {
        "window": build_long_skimformer(LongSkimformerConfig(window=[128], **shape)),
        "all words": build_skimformer(SkimformerConfig(**shape)),
    }
    figure = new_figure(figsize=(7.5, 4.2))
    axis, threads = figure.subplots(), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for label, model in models.items():
            times = []
            for length in lengths:
                start = process_time()
                model.eval()(torch.randint(1000, (1, length)), _grid(length))
                times.append(process_time() - start)
            axis.loglog(lengths, [1e3 * time for time in times], "o-", label=label)
    finally:
        torch.set_num_threads(threads)
    axis.set_xticks(lengths, [str(length) for length in lengths])
    axis.set_xticks([], minor=True)
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("{x:g}")
    axis.set(xlabel="words", ylabel="milliseconds", title="one forward pass")
    axis.grid(alpha=0.3)
    axis.legend()
    saved(figure, path)


def _grid(length: int) -> Tensor:
    """Boxes (1, length, 4) of words in lines of twenty."""
    index = torch.arange(length)
    left, top = index % 20 * 45, index // 20 * 9
    return torch.stack((left, top, left + 40, top + 7), -1)[None].clamp(max=1000)
