"""``zoo pull``, ``zoo push`` and ``zoo convert``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.options import EntryName
from zoo.errors import UnknownName, WeightsError

if TYPE_CHECKING:
    from zoo.facts import Weights
    from zoo.weights.hub import Location


@click.command("pull")
@click.argument("names", nargs=-1, required=True, type=EntryName())
@click.option("--weights", help="A tag; by default the weights of each name's preset, or all of the entry's own.")
def pull_command(names: tuple[str, ...], weights: str | None) -> None:
    """Fetch and check the weights of NAMES (entries, or hf://owner/repo), so that loading works offline."""
    from zoo.weights import fetch, hub

    for name in names:
        if name.startswith("hf://"):
            paths = _everything(hub.parse(name))
        else:
            paths = [path for found in _weights_of(name, weights) for path in fetch(found)]
        for path in paths:
            click.echo(f"{name}: {path} ({path.stat().st_size:,} bytes)")


def _everything(location: Location) -> list[Path]:
    """All that loading from a place needs: its weights, and what ``zoo.save`` wrote beside them."""
    from zoo.weights import hub
    from zoo.weights.files import CONFIG_FILE, NoWeights
    from zoo.weights.hub_failures import NoSuchFile

    if location.file is not None:
        return hub.fetch(location)
    config = replace(location, file=CONFIG_FILE)
    try:
        path = hub.fetch_one(config)
    except NoSuchFile:
        return hub.fetch(location)
    try:
        return [path, *hub.fetch(replace(location, revision=hub.commit_of(path, config)))]
    except NoWeights:
        return [path]


def _weights_of(name: str, tag: str | None) -> list[Weights]:
    from zoo import catalogue

    target = catalogue.current().find(name)
    known = target.offer.entry.weights
    tag = tag or target.offer.entry.weights_for(target.preset)
    if tag is None:
        found = [weights for weights in known.values() if weights.default and target.preset is None]
        if not found:
            tags = f"; ask by --weights for one of: {', '.join(known)}" if known else ""
            raise WeightsError(f"{name} has no weights of its own{tags}")
        return found
    if tag not in known:
        raise UnknownName(f"{name} has no weights {tag!r}: {', '.join(known) or 'none at all'}")
    return [known[tag]]


@click.command("push")
@click.argument("source", type=EntryName())
@click.argument("repo_id")
@click.option("--private", is_flag=True, help="Make a new repository private.")
@click.option("--revision", help="A branch; by default main.")
@click.option("--license", help="Of the weights, an SPDX identifier; by default that of the weights in SOURCE.")
@click.option("--max-shard-size", default="5GB", show_default=True, help="Numbered files and an index beyond it.")
def push_command(
    source: str, repo_id: str, private: bool, revision: str | None, license: str | None, max_shard_size: str
) -> None:
    """Upload SOURCE (an entry's name, or a folder that zoo.save wrote) to REPO_ID on the Hub."""
    import zoo
    from zoo.weights.hub import check_repository

    check_repository(repo_id)
    folder = Path(source)
    thing = folder if (folder / "config.json").is_file() else zoo.load(source)
    click.echo(
        zoo.push(thing, repo_id, private=private, revision=revision, license=license, max_shard_size=max_shard_size)
    )


@click.command("convert")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", required=False, type=click.Path(path_type=Path))
@click.option("--key", help="Dotted path of the state dict inside the file.")
def convert_command(source: Path, target: Path | None, key: str | None) -> None:
    """Turn a .pth SOURCE into safetensors, with torch.load(weights_only=True) only."""
    from zoo.weights import convert_pickle

    click.echo(f"wrote {convert_pickle(source, target, key=key)}")
