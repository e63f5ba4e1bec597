"""The page that compares drop-in layers: ``compare-page.md``, from ``docs/bench.json`` and ``docs/compare.json``.

Without a script there is the whole table, of every layer that has traits; ``assets/compare.js`` lets one choose up to
six, draws them, and copies the table of those as CSV. What it draws lies in the page as JSON, so that it works from a
file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from docs.pages.layout import ROOT, raw, scrolling
from docs.pages.tiles import Tile, tiles
from zoo.evidence import bench_record
from zoo.evidence.bench_record import Record, Series

TITLE = "Compare attention layers"
SCORES = ROOT / "docs" / "compare.json"
# How ``zoo compare`` calls standard attention, the reference of every plot.
STANDARD = "full attention"
MOST = 6
# Lengths and levels that stand in the table; the plots have all of them.
LENGTHS = (512, 2048, 8192, 32768)
LEVELS = {"recall": "8", "copy": "16", "induction": "32", "selective-copy": "8"}
_FACTS = ("layer", "causal", "time grows with", "memory grows with", "decoding needs", "parameters beyond projections")


@dataclass(frozen=True)
class Layer:
    """A drop-in layer as the page shows it.

    Args:
        tile: its entry.
        costs: what ``zoo bench --record`` measured, if it did.
        scores: what ``zoo compare`` measured, if it did: its row of the file.
    """

    tile: Tile
    costs: Series | None
    scores: Mapping[str, Any] | None


def write(target: Path) -> None:
    """Add ``compare-page.md``."""
    scores = json.loads(SCORES.read_text(encoding="utf-8"))
    record = bench_record.read(ROOT)
    page = html(layers(tiles(), record, scores), record, scores)
    text = f"---\nhide-toc: true\n---\n# {TITLE}\n\n{raw(page)}"
    (target / "compare-page.md").write_text(text, encoding="utf-8")


def layers(everything: Sequence[Tile], record: Record, scores: Mapping[str, Any]) -> list[Layer]:
    """The attention entries that have traits or were measured, by name."""
    # A row may name an option: "moba (block_size=8)".
    rows = {row["layer"].partition(" (")[0]: row for row in scores["layers"]}
    found = []
    for tile in everything:
        if tile.offer.entry.kind == "attention":
            layer = Layer(tile, record.of(tile.offer), rows.get(tile.id))
            if tile.offer.entry.traits or layer.costs or layer.scores:
                found.append(layer)
    return found


def html(chosen: Sequence[Layer], record: Record, scores: Mapping[str, Any]) -> str:
    """The HTML below the title."""
    return f"""
<p class="lead">Time, memory, abilities and what they learn, of {len(chosen)} layers that take and give
(batch, length, dim). Choose up to {MOST}; the address keeps the choice. Measured figures, never promises:
<a href="#measured">on what and how</a>.</p>
{_form(chosen)}
<div id="plots" class="plots" hidden></div>
<p class="table-head"><span id="rows">All layers.</span>
<button type="button" id="csv" class="plain" hidden>Copy the table as CSV</button></p>
{scrolling(_table(chosen), "Drop-in attention layers")}
{_measured(record, scores)}
<script type="application/json" id="data">{_data(chosen, record, scores)}</script>
<script src="_static/compare.js" defer></script>
"""


def _form(chosen: Sequence[Layer]) -> str:
    boxes = "\n".join(
        f'<label><input type="checkbox" name="layer" value="{layer.tile.id}"><span class="mark"></span>'
        f"<span>{layer.tile.id}</span></label>"
        for layer in chosen
    )
    return f"""<form id="choose" class="choose" aria-label="Layers to compare" hidden>
<fieldset><legend>Layers <output id="chosen" aria-live="polite"></output></legend>
<div class="boxes">
{boxes}
</div></fieldset>
<p class="options"><label>Show <select name="show"><option value="ratio">relative to standard attention</option>
<option value="absolute">in seconds and MiB</option></select></label>
<button type="button" id="none" class="plain">Choose none</button></p>
</form>"""


def columns() -> list[str]:
    """The heads of the table."""
    costs = [f"time at {length:,}" for length in LENGTHS] + [f"memory at {length:,}" for length in LENGTHS]
    return [*_FACTS, *costs, *(f"{task} {level}" for task, level in LEVELS.items())]


def cells(layer: Layer) -> list[str]:
    """A row of the table, as text; empty where nothing was measured."""
    traits = layer.tile.offer.entry.traits
    facts = [traits.causal, traits.time, traits.memory, traits.decoding, traits.parameters] if traits else [""] * 5
    passes = {one.length: one for one in layer.costs.passes} if layer.costs else {}
    seconds, memory = [], []
    for length in LENGTHS:
        one = passes.get(length)
        seconds.append(f"{one.seconds / one.dense_seconds:.2f}" if one else "")
        memory.append(f"{one.peak_bytes / one.dense_bytes:.2f}" if one and one.peak_bytes and one.dense_bytes else "")
    tasks = layer.scores["tasks"] if layer.scores else {}
    scores = [
        f"{tasks[task]['scores'][level]['mean']:.2f}" if level in tasks.get(task, {}).get("scores", {}) else ""
        for task, level in LEVELS.items()
    ]
    return [layer.tile.id, *facts, *seconds, *memory, *scores]


def _table(chosen: Sequence[Layer]) -> str:
    costs, scored = len(LENGTHS), len(LEVELS)
    groups = (
        f'<tr><td colspan="{len(_FACTS)}"></td>'
        f'<th scope="colgroup" colspan="{costs}">time, standard attention = 1</th>'
        f'<th scope="colgroup" colspan="{costs}">memory, standard attention = 1</th>'
        f'<th scope="colgroup" colspan="{scored}">share of right answers</th></tr>'
    )
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns())
    body = "\n".join(_row(layer) for layer in chosen)
    return (
        f'<table class="layers" id="layers"><thead>{groups}<tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody></table>'
    )


def _row(layer: Layer) -> str:
    name, *rest = cells(layer)
    facts, figures = rest[: len(_FACTS) - 1], rest[len(_FACTS) - 1 :]
    link = f'<th scope="row"><a href="{layer.tile.page}">{name}</a></th>'
    text = "".join(f"<td>{escape(cell)}</td>" for cell in facts)
    numbers = "".join(f'<td class="number">{cell or "–"}</td>' for cell in figures)
    return f'<tr data-layer="{name}">{link}{text}{numbers}</tr>'


def _measured(record: Record, scores: Mapping[str, Any]) -> str:
    """What the figures were measured on, and how."""
    settings, host = record.settings, scores["settings"]
    paragraphs = [
        "<h2>What was measured, and on what</h2>",
        "<p><b>Abilities</b> are facts of the mechanism: whether a token sees only those before it, how arithmetic and "
        "training memory grow with the length n, and what the next token needs of the earlier ones.</p>",
    ]
    if record.layers:
        first = {(series.machine, series.date, series.note): series for series in record.layers.values()}
        for (machine, date, note), series in sorted(first.items()):
            versions = ", ".join(f"{name} {number}" for name, number in series.versions.items())
            count = sum(
                (each.machine, each.date, each.note) == (machine, date, note) for each in record.layers.values()
            )
            paragraphs.append(
                f"<p><b>Time and memory</b> of {count} layers: one forward pass over one sequence, untrained layers of "
                f"width {settings['dim']} with {settings['heads']} heads, causal where there is such a form, a pass of "
                f"the layer in turn with one of standard attention (torch's fused kernel); {escape(machine)}; "
                f"{escape(versions)}; {date}. {escape(note)} Your own machine: "
                "<code>zoo bench NAME --lengths 512,2048,8192</code>; this file: <code>zoo bench --record</code>.</p>"
            )
    paragraphs.append(
        f"<p><b>Share of right answers</b> on new cases of synthetic tasks: two seeds, {host['steps']} steps, "
        f"{host['num_layers']} blocks of width {host['dim']} with {host['num_heads']} heads. The number behind a task "
        'is its level; bars are the deviation over the seeds. <a href="compare.html">How to read it</a>; above all, '
        "compare layers with the same positions: those that bring rotary positions recall better, whatever the "
        "mechanism. Anew: <code>zoo compare NAME --seeds 2</code>.</p>"
    )
    return f'<section id="measured" class="measured">{"".join(paragraphs)}</section>'


def _data(chosen: Sequence[Layer], record: Record, scores: Mapping[str, Any]) -> str:
    """What the script draws, as JSON."""
    standard = next(row for row in scores["layers"] if row["layer"] == STANDARD)
    found = {
        layer.tile.id: {
            "causal": layer.costs.causal if layer.costs else None,
            "ended": layer.costs.ended if layer.costs else "",
            "passes": [asdict(one) for one in layer.costs.passes] if layer.costs else [],
            "tasks": _levels(layer.scores),
            "positions": layer.scores["positions"] if layer.scores else "",
        }
        for layer in chosen
    }
    data = {
        "most": MOST,
        "columns": columns(),
        "processor": record.settings.get("device", "cpu") == "cpu",
        "standard": _levels(standard),
        "layers": found,
    }
    # "</script>" may stand in no text of a script.
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _levels(row: Mapping[str, Any] | None) -> dict[str, list[tuple[str, float, float]]]:
    """Task -> its levels with mean and deviation."""
    tasks = row["tasks"] if row else {}
    return {
        task: [(level, score["mean"], score["spread"]) for level, score in found["scores"].items()]
        for task, found in tasks.items()
    }
