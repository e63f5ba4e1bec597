"""The gallery: every entry as a tile, with search and filters that live in the fragment of the address.

The page is whole without a script: ``assets/gallery.js`` only hides tiles. Thumbnails are WebP, loaded as they come
into view, and as wide as two pixels of a dense screen for each of a tile's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from PIL import Image

from docs.pages.layout import EXTRA, raw
from docs.pages.tiles import KINDS, Tile, claims_text, tiles
from zoo.evidence.card import FIDELITIES, line, sentence

WIDTH = 480
TITLE = "Gallery"


def write(target: Path) -> None:
    """Add ``gallery.md`` and the thumbnails."""
    everything = tiles()
    thumbnails = {tile.id: thumbnail(tile, target) for tile in everything}
    text = f"---\nhide-toc: true\n---\n# {TITLE}\n\n{raw(page(everything, thumbnails))}"
    (target / "gallery.md").write_text(text, encoding="utf-8")


def thumbnail(tile: Tile, target: Path) -> str | None:
    """Write the small form of a tile's picture, and return the ``img`` element that shows it."""
    if tile.picture is None:
        return None
    name = f"thumbnails/{tile.offer.plugin}/{tile.id}.webp"
    path = target / EXTRA / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(tile.picture) as picture:
        small = picture.convert("RGB")
        small.thumbnail((WIDTH, 2 * WIDTH), Image.Resampling.LANCZOS)
        small.save(path, quality=82, method=4)
        width, height = small.size
    return f'<img src="{name}" width="{width}" height="{height}" loading="lazy" alt="{escape(tile.caption)}">'


def page(everything: Sequence[Tile], thumbnails: dict[str, str | None]) -> str:
    """The HTML below the title."""
    shown = "\n".join(tile_html(tile, thumbnails[tile.id]) for tile in everything)
    plugins = len({tile.offer.plugin for tile in everything})
    papers = len({tile.offer.paper.id for tile in everything})
    return f"""
<p class="lead">{len(everything)} entries of {papers} papers in {plugins} plugins. Each picture is made from real input
by a command, and each figure is measured by one. <a href="#meaning">What the words mean</a></p>
{filters_html(everything)}
<ul class="tiles" id="tiles">
{shown}
</ul>
<p class="none" id="none" hidden>No entry matches. <button type="button" class="plain" data-clear>Clear all filters
</button></p>
{meaning_html()}
<script src="_static/gallery.js" defer></script>
"""


def filters_html(everything: Sequence[Tile]) -> str:
    """Search and selects, which the script shows."""
    facets: dict[str, Iterable[object]] = {
        "kind": [tile.offer.entry.kind for tile in everything],
        "plugin": [tile.offer.plugin for tile in everything],
        "tag": [tag for tile in everything for tag in tile.offer.entry.tags],
        "year": [tile.offer.paper.year for tile in everything],
        "fidelity": [tile.offer.paper.fidelity for tile in everything],
    }
    selects = "\n".join(select_html(name, Counter(map(str, values))) for name, values in facets.items())
    return f"""<form class="filters" id="filters" role="search" aria-label="Entries" hidden>
<div class="field field-search"><label for="filter-q">Search entries</label>
<input type="search" id="filter-q" name="q" autocomplete="off" spellcheck="false"
placeholder="name, title, tag, what it does"></div>
{selects}
<p class="count"><output id="count" aria-live="polite"></output>
<button type="button" class="plain" data-clear hidden>Clear</button></p>
</form>"""


def select_html(name: str, values: Counter[str]) -> str:
    """A filter with the values there are; years from the latest on."""
    options = "".join(
        f'<option value="{escape(value)}">{escape(value)} ({values[value]})</option>'
        for value in sorted(values, reverse=name == "year")
    )
    return (
        f'<div class="field"><label for="filter-{name}">{name.capitalize()}</label>'
        f'<select id="filter-{name}" name="{name}"><option value="">any</option>{options}</select></div>'
    )


def tile_html(tile: Tile, picture: str | None) -> str:
    """One tile."""
    paper, entry = tile.offer.paper, tile.offer.entry
    words = " ".join(entry.aliases)
    parameters = f'<li class="parameters">{tile.parameters} parameters</li>' if tile.parameters else ""
    shown = picture or f'<span class="blank">{KINDS[entry.kind]}</span>'
    return (
        f'<li class="tile" id="{tile.id}" data-kind="{entry.kind}" data-plugin="{tile.offer.plugin}" '
        f'data-year="{paper.year}" data-fidelity="{paper.fidelity}" data-tag="{escape(" ".join(entry.tags))}"'
        f"{f' data-words={chr(34)}{escape(words)}{chr(34)}' if words else ''}>"
        f'<div class="top"><div class="picture">{shown}</div>'
        f'<h2><a href="{tile.page}">{tile.id}</a></h2></div>'
        f'<p class="summary">{escape(sentence(entry.summary))}</p>'
        f'<p class="title">{escape(paper.title)}</p>'
        f'<ul class="facts"><li class="kind">{entry.kind}</li><li>{tile.offer.plugin}</li><li>{paper.year}</li>'
        f"<li>{paper.fidelity}</li>{parameters}</ul>"
        f"{claims_html(tile)}"
        f'<p class="line"><code>{escape(line(entry), quote=False)}</code>'
        '<button type="button" class="copy" hidden>Copy</button></p></li>'
    )


def claims_html(tile: Tile) -> str:
    """What was verified: a bar of claims, and the same in words."""
    if not tile.outcomes:
        return '<p class="claims">no claims</p>'
    order = ("holds", "not reproduced", "not recorded", "not measurable")
    ordered = sorted(tile.outcomes, key=lambda outcome: order.index(outcome.status))
    bar = "".join(f'<i class="{outcome.status.replace(" ", "-")}"></i>' for outcome in ordered)
    return f'<p class="claims"><span class="bar" aria-hidden="true">{bar}</span>{claims_text(tile)}</p>'


def meaning_html() -> str:
    """The words that tiles use."""
    kinds = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in KINDS.items())
    fidelities = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in FIDELITIES.items())
    claims = (
        "<dt>holds</dt><dd>a command measured it, and the paper's figure is reproduced</dd>"
        "<dt>not reproduced</dt><dd>a command measured it, and found another figure, which the paper's page shows</dd>"
        "<dt>not measurable here</dt><dd>it needs data, weights or devices that are not to be had here</dd>"
    )
    return f"""<section class="meaning" id="meaning"><h2>What the words mean</h2>
<div class="columns">
<div><h3>Kind</h3><dl class="simple">{kinds}</dl></div>
<div><h3>Fidelity</h3><dl class="simple">{fidelities}</dl></div>
<div><h3>Claims</h3><dl class="simple">{claims}</dl></div>
</div></section>"""
