"""What probes and methods found in real pretrained models: the page ``docs/real-models.md``.

A row per claim that opens a model out of a package (``Claim(..., real=True)``), with the paper's figure, which is of
the paper's own model, beside the recorded one. Rendered by ``zoo card --papers``; ``zoo verify --real --record``
measures the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zoo.catalogue import Offer
from zoo.evidence import figures

PAGE = Path("docs") / "real-models.md"

INTRODUCTION = (
    "Claims about trained models are measured on models that travel in ordinary packages, "
    "[SmolLM2](../model_cards/interpret/smollm2.md), [MiniLM](../model_cards/interpret/minilm.md) and "
    '[Whisper](../model_cards/interpret/whisper.md) (`zoo.load("smollm2")`), on real text and speech. They are other '
    "models than the papers': a figure beside a paper's says what this model shows, not that it is the same. "
    "`zoo verify NAME --real` measures a row again. Rendered by `zoo card --papers`."
)


def page(offers: Sequence[Offer], cards: Path) -> str:
    """The page: a table per plugin.

    Args:
        offers: whose claims.
        cards: the folder of model cards, with the recorded figures.
    """
    parts = ["# What real models show", INTRODUCTION]
    for plugin in dict.fromkeys(offer.plugin for offer in offers):
        rows = [row for offer in offers if offer.plugin == plugin for row in _rows(offer, cards)]
        if rows:
            head = "| entry | claim | the paper, of its model | found here | |\n|---|---|---|---|---|\n"
            parts.append(f"## {plugin}\n\n{head}" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _rows(offer: Offer, cards: Path) -> list[str]:
    recorded = figures.read(offer, cards)
    rows = []
    for claim in offer.entry.claims:
        if not claim.real:
            continue
        found = recorded.get(claim.key or "")
        shown = "not measured yet" if found is None else found.measured + (f" ({found.note})" if found.note else "")
        cells = [
            f"[{offer.entry.id}](../model_cards/{offer.plugin}/{offer.entry.id}.md)",
            claim.statement,
            claim.figure,
            shown,
            figures.Outcome(claim, found).status,
        ]
        rows.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return rows
