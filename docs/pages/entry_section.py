"""What the page of a paper says of one of its entries: how to use it, its presets, weights and configuration."""

from __future__ import annotations

from html import escape

from PIL import Image

from docs.pages import equations, expressions
from docs.pages.layout import ROOT, code_link, copied, scrolling
from docs.pages.tiles import KINDS, Tile, rounded
from zoo import about, configuration
from zoo.evidence import card, programs
from zoo.evidence.sizes import DEFAULT
from zoo.facts import Entry, Weights


def html(tile: Tile, *, first: bool) -> str:
    """The section of an entry; the picture of the ``first`` stands at the top of the page."""
    entry = tile.offer.entry
    code = about.file_below(entry.build, ROOT)
    also = f" Also called {', '.join(f'<code>{alias}</code>' for alias in entry.aliases)}." if entry.aliases else ""
    tags = " ".join(f'<a href="../gallery.html#tag={tag}">{tag}</a>' for tag in entry.tags)
    summary = f"{escape(card.sentence(entry.summary))}{also}"
    return "\n".join(
        (
            f'<p class="what"><b>{entry.kind}</b>, {KINDS[entry.kind]}. {summary}</p>',
            "" if first else figure(tile),
            _uses(entry),
            _traits(entry),
            _presets(tile),
            _weights(entry),
            _config(entry),
            _programs(tile),
            f'<p class="tags"><span>Tags</span> {tags}</p>' if tags else "",
            f'<p class="tags"><span>Code</span> {code_link(code)}</p>',
        )
    )


def _uses(entry: Entry) -> str:
    """The lines that load an entry, put it to use, and look at it from a shell."""
    uses = [("Load", card.line(entry))]
    if entry.functional:
        uses.append(("Swap into a model", f'zoo.swap(model, "{entry.id}")'))
        uses.append(("In transformers", f'zoo.register_transformers()  # attn_implementation="zoo-{entry.id}"'))
    elif entry.kind == "method":
        uses.append(("Attach", "with loaded.attach(model): ..."))
    elif entry.kind == "probe":
        uses.append(("Look", "loaded(model, inputs)"))
    name = card.line(entry).split('"')[1]
    if entry.predict:
        uses.append(("Predict, in a shell", f"zoo predict {name} INPUT"))
    if entry.train:
        trained = next((weights.preset or tag for tag, weights in entry.weights.items()), None)
        uses.append(("Train, in a shell", f"zoo train {entry.id}/{trained}" if trained else f"zoo train {entry.id}"))
    rows = "".join(f"<div><dt>{name}</dt><dd>{copied(line)}</dd></div>" for name, line in uses)
    return f'<dl class="simple uses">{rows}</dl>'


def _traits(entry: Entry) -> str:
    if entry.traits is None:
        return ""
    traits = {
        "Causal": entry.traits.causal,
        "Time": _growth(entry.traits.time),
        "Memory": _growth(entry.traits.memory),
        "Decoding needs": entry.traits.decoding,
        "Extra parameters": escape(entry.traits.parameters),
    }
    rows = "".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in traits.items())
    return f'<dl class="simple traits">{rows}</dl>'


def _growth(text: str) -> str:
    """A growth with the length; a line may end between its terms."""
    return " + ".join(expressions.html(term) for term in text.split(" + "))


def _presets(tile: Tile) -> str:
    entry = tile.offer.entry
    rows = []
    for preset in (DEFAULT, *entry.presets):
        size = tile.sizes.get(preset)
        parameters = f"{size.parameters:,}" if size and size.parameters is not None else "–"
        flops = rounded(size.flops, billion="G") if size and size.flops is not None else "–"
        inputs = (
            ", ".join(f"{name} {' × '.join(map(str, shape))}" for name, shape in size.inputs.items()) if size else ""
        )
        rows.append(
            f'<tr class="size"><th scope="row">{preset}</th><td class="number">{parameters}</td>'
            f'<td class="number">{flops}</td><td class="small">{escape(inputs)}</td></tr>'
        )
        changes = ", ".join(f"{key}={value}" for key, value in entry.presets.get(preset, {}).items())
        if changes:
            code = f"<code>{escape(changes, quote=False)}</code>"
            rows.append(f'<tr class="changes"><td colspan="4" class="small">{code}</td></tr>')
    table = (
        '<table class="presets"><thead><tr><th scope="col">preset</th><th scope="col" class="number">parameters</th>'
        '<th scope="col" class="number">FLOPs</th><th scope="col">of one call with</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
    return scrolling(table, f"Presets of {tile.id}")


def _weights(entry: Entry) -> str:
    if not entry.weights:
        return ""
    items = "".join(f"<li>{_weights_line(tag, weights)}</li>" for tag, weights in entry.weights.items())
    return f'<p class="label">Weights</p><ul class="weights">{items}</ul>'


def _weights_line(tag: str, weights: Weights) -> str:
    facts = [escape(weights.metric)] if weights.metric else []
    if weights.size is not None:
        facts.append(f"{weights.size / 1000:,.0f} kB")
    if weights.license:
        facts.append(f"licence {weights.license.removeprefix('LicenseRef-')}")
    if weights.command:
        facts.append(f"made by <code>{escape(weights.command)}</code>")
    if not weights.default:
        facts.append(f'only by name: <code>weights="{tag}"</code>')
    note = f"<br>{escape(weights.note)}" if weights.note else ""
    return f"<code>{tag}</code>: {'; '.join(facts)}{note}"


def _config(entry: Entry) -> str:
    rows = [
        f'<tr><th scope="row">{name}</th><td><code>{escape(annotation)}</code></td>'
        f"<td><code>{escape(str(default))}</code></td>"
        f"<td>{equations.prose(about.meaning(metadata, quote='`'))}</td></tr>"
        for name, annotation, default, metadata in about.described(configuration.schema_of(entry))
    ]
    if not rows:
        return ""
    table = (
        '<table class="config"><thead><tr><th scope="col">field</th><th scope="col">type</th>'
        f'<th scope="col">default</th><th scope="col">meaning</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )
    fields = "field" if len(rows) == 1 else "fields"
    return (
        f'<details class="more"><summary>Configuration, {len(rows)} {fields}</summary>'
        f"{scrolling(table, f'Configuration of {entry.id}')}</details>"
    )


def _programs(tile: Tile) -> str:
    tried = programs.read(tile.offer, ROOT / card.FOLDER)
    lines = [
        f"<li>{equations.prose(title)}: {escape(programs.said(tried[tool]))}</li>"
        for tool, title in programs.TITLES.items()
        if tool in tried
    ]
    if not lines:
        return ""
    return f'<details class="more"><summary>Compile and export</summary><ul>{"".join(lines)}</ul></details>'


def picture_name(tile: Tile) -> str:
    """Where its picture lies, from the top of the site."""
    return f"pictures/{tile.offer.plugin}/{tile.id}.png"


def figure(tile: Tile) -> str:
    """Its picture with its caption; empty where it has none."""
    if tile.picture is None:
        return ""
    with Image.open(tile.picture) as picture:
        width, height = picture.size
    return (
        f'<figure class="shown"><img src="../{picture_name(tile)}" width="{width}" height="{height}" loading="lazy" '
        f'alt="Picture of {tile.id}"><figcaption>{equations.prose(tile.caption)}</figcaption></figure>'
    )
