"""``zoo list`` and ``zoo info``."""

from __future__ import annotations

import click

from zoo.cli.options import EntryName, echo_json, echo_table, overrides
from zoo.facts import KINDS


@click.command("list")
@click.option("--kind", help=f"Only entries of this kind: {', '.join(KINDS)}.")
@click.option("--plugin", help="Only entries of this plugin.")
@click.option("--tag", help="Only entries that carry this tag.")
@click.option("--search", help="Only entries with these words in id, summary, tags or title.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(kind: str | None, plugin: str | None, tag: str | None, search: str | None, as_json: bool) -> None:
    """The entries that installed plugins offer."""
    from zoo import catalogue, views

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
                }
                for offer in found
            ]
        )
        return
    echo_table(found.columns, found.rows())
    for broken in catalogue.current().broken:
        click.echo(f"plugin {broken.name} is broken ({broken.reason}); run: zoo doctor", err=True)
    for working in catalogue.current().plugins:
        for paper in working.broken_papers:
            click.echo(f"paper {working.name}:{paper.name} is broken ({paper.reason}); run: zoo doctor", err=True)


@click.command("info")
@click.argument("name", type=EntryName())
@click.argument("override", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info_command(name: str, override: tuple[str, ...], as_json: bool) -> None:
    """Everything known about NAME; key=value words change its config before it is counted."""
    from zoo import views

    info = views.info(name, None, **overrides(override))
    if as_json:
        echo_json(info.to_dict())
    else:
        click.echo(str(info))
