"""``zoo list``, ``zoo info`` and ``zoo tags``."""

from __future__ import annotations

from dataclasses import asdict

import click

from zoo.cli.options import EntryName, overrides
from zoo.cli.output import echo_json, echo_table, json_option
from zoo.errors import printable
from zoo.facts import KINDS


@click.command("list")
@click.option("--kind", help=f"Only entries of this kind: {', '.join(KINDS)}.")
@click.option("--plugin", help="Only entries of this plugin.")
@click.option("--tag", help="Only entries that carry this tag.")
@click.option("--search", help="Only entries with these words in id, summary, tags or title.")
@json_option
def list_command(kind: str | None, plugin: str | None, tag: str | None, search: str | None, as_json: bool) -> None:
    """The entries that installed plugins offer."""
    from zoo import catalogue, views

    current = catalogue.current()
    found = views.entries(kind, plugin, tag, search)
    if as_json:
        echo_json(
            [
                {
                    "id": offer.entry.id,
                    "kind": offer.entry.kind,
                    "plugin": offer.plugin,
                    "paper": offer.paper.id,
                    "year": offer.paper.year,
                    "fidelity": offer.paper.fidelity,
                    "summary": offer.entry.summary,
                    "tags": list(offer.entry.tags),
                    "presets": list(offer.entry.presets),
                    "weights": list(offer.entry.weights),
                    "traits": asdict(offer.entry.traits) if offer.entry.traits else None,
                }
                for offer in found
            ]
        )
        return
    echo_table(found.columns, found.rows())
    for broken in current.broken:
        _complain(f"plugin {broken.name} is broken ({broken.reason})")
    for working in current.plugins:
        for paper in working.broken_papers:
            _complain(f"paper {working.name}:{paper.name} is broken ({paper.reason})")


def _complain(what: str) -> None:
    click.echo(f"{printable(what)}; run: zoo doctor", err=True)


@click.command("info")
@click.argument("name", type=EntryName())
@click.argument("override", nargs=-1)
@json_option
def info_command(name: str, override: tuple[str, ...], as_json: bool) -> None:
    """Everything known about NAME; key=value words change its config before it is counted."""
    from zoo import about

    info = about.info(name, None, **overrides(override))
    if as_json:
        echo_json(info.to_dict())
    else:
        click.echo(str(info))


@click.command("tags")
@click.option("--kind", help=f"Only tags of entries of this kind: {', '.join(KINDS)}.")
@json_option
def tags_command(kind: str | None, as_json: bool) -> None:
    """The tags that entries carry, and how many of them."""
    from zoo import views

    counts = views.tags(kind)
    if as_json:
        echo_json(counts)
    else:
        echo_table(("tag", "entries"), [(tag, str(count)) for tag, count in counts.items()])
