"""``zoo pull``, ``zoo push`` and ``zoo convert``."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.errors import UnknownName, WeightsError


@click.command("pull")
@click.argument("names", nargs=-1, required=True)
@click.option("--weights", help="A tag; by default the weights of each name's preset, or all of the entry's own.")
def pull_command(names: tuple[str, ...], weights: str | None) -> None:
    """Fetch and check the weights of NAMES (entries, or hf://owner/repo), so that loading works offline."""
    from zoo import catalogue
    from zoo.weights import fetch, fetch_file

    for name in names:
        if name.startswith("hf://"):
            fetch_file(f"{name}/config.json")
            paths = fetch(name)
        else:
            target = catalogue.current().find(name)
            tag = weights or target.offer.entry.weights_for(target.preset)
            if tag is None:
                raise WeightsError(f"{name} has no weights of its own")
            if tag not in target.offer.entry.weights:
                raise UnknownName(f"{name} has no weights {tag!r}: {', '.join(target.offer.entry.weights)}")
            paths = fetch(target.offer.entry.weights[tag])
        for path in paths:
            click.echo(f"{name}: {path} ({path.stat().st_size:,} bytes)")


@click.command("push")
@click.argument("source")
@click.argument("repo_id")
@click.option("--private", is_flag=True, help="Make a new repository private.")
@click.option("--revision", help="A branch; by default main.")
def push_command(source: str, repo_id: str, private: bool, revision: str | None) -> None:
    """Upload SOURCE (an entry's name, or a folder that zoo.save wrote) to REPO_ID on the Hub."""
    import zoo

    folder = Path(source)
    thing = folder if (folder / "config.json").is_file() else zoo.load(source)
    click.echo(zoo.push(thing, repo_id, private=private, revision=revision))


@click.command("convert")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", required=False, type=click.Path(path_type=Path))
@click.option("--key", help="Dotted path of the state dict inside the file.")
def convert_command(source: Path, target: Path | None, key: str | None) -> None:
    """Turn a .pth SOURCE into safetensors, with torch.load(weights_only=True) only."""
    from zoo.weights import convert_pickle

    click.echo(f"wrote {convert_pickle(source, target, key=key)}")
