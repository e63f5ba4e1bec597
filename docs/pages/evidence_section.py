"""What the page of a paper says of its evidence: claims beside what was measured, and where things differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from docs.pages import equations
from docs.pages.layout import copied, heading, raw
from docs.pages.tiles import Tile, claims_text
from zoo.evidence import card
from zoo.evidence.figures import Outcome


def claims(group: Sequence[Tile]) -> Iterable[str]:
    """The section of claims, of every entry; nothing where there are none."""
    if not any(tile.outcomes for tile in group):
        return
    paper = group[0].offer.paper
    yield heading("Claims", 2)
    yield raw(
        "<p>What the paper promises, and what a command measured here:</p>"
        + copied(f"zoo verify {paper.id}")
        + (
            ""
            if not _real(group)
            else "<p>Claims about real pretrained models:</p>" + copied(f"zoo verify {paper.id} --real")
        )
    )
    for tile in group:
        if tile.outcomes:
            shown = "".join(map(_claim, tile.outcomes))
            label = f'<p class="label"><code>{tile.id}</code> {claims_text(tile)}</p>'
            yield raw(f'{label}<ul class="outcomes">{shown}</ul>')


def _real(group: Sequence[Tile]) -> bool:
    return any(outcome.claim.real for tile in group for outcome in tile.outcomes)


def _claim(outcome: Outcome) -> str:
    claim, found = outcome.claim, outcome.measurement
    if outcome.status == "not measurable":
        measured = f"<dd>needs {escape(claim.needs)}</dd>"
    elif found is None:
        measured = "<dd>not run yet</dd>"
    else:
        note = f'<dd class="note">{escape(found.note)}</dd>' if found.note else ""
        measured = f"<dd>{escape(found.measured)}</dd>{note}"
    word = {"holds": "holds", "not reproduced": "not reproduced"}.get(outcome.status, "not measured")
    figure = escape(claim.figure) if claim.figure else "–"
    return (
        f'<li class="{outcome.status.replace(" ", "-")}"><p class="statement">{escape(card.sentence(claim.statement))} '
        f'<span class="verdict">{word}</span></p><dl class="simple"><div><dt>Paper</dt><dd>{figure}</dd></div>'
        f"<div><dt>Measured here</dt>{measured}</div></dl></li>"
    )


def notes(title: str, shared: Sequence[str], own: Sequence[tuple[str, Sequence[str]]]) -> Iterable[str]:
    """A section of notes: those of the paper, then those of its entries; nothing where there are none."""
    if not shared and not any(found for _, found in own):
        return
    yield heading(title, 2)
    if shared:
        yield raw(_listed(shared))
    for name, found in own:
        if found:
            yield raw(f'<p class="label">Of <code>{name}</code></p>{_listed(found)}')


def _listed(notes: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{equations.prose(note)}</li>' for note in notes)}</ul>"
