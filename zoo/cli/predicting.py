"""``zoo predict``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from zoo.cli.options import EntryName, overrides
from zoo.cli.output import echo_json, keep_stdout_for_json
from zoo.errors import InputError, PluginError, one_line
from zoo.places import check_folder


@click.command("predict")
@click.argument("name", type=EntryName())
@click.argument("source")
@click.argument("override", nargs=-1)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the files that an answer consists of (pictures, sound); by default the working directory.",
)
@click.pass_context
def predict_command(ctx: click.Context, name: str, source: str, override: tuple[str, ...], out: Path | None) -> None:
    """Run NAME on SOURCE: a file, or the text itself. What is no number or text is written to files."""
    import zoo
    from zoo import catalogue, origin
    from zoo.configuration import merge
    from zoo.targets import call

    keep_stdout_for_json(ctx)
    if not source.strip():
        raise InputError("SOURCE is empty; expected the name of a file, or a text")
    if out is not None:
        check_folder(out)
    loaded = zoo.load(name, **overrides(override))
    facts = origin.find(loaded)
    entry = catalogue.current().find(f"{facts.plugin}:{facts.entry}").offer.entry
    if entry.predict is None:
        raise InputError(f"{entry.id} does not say how to predict from raw input; call the loaded object instead")
    instance = merge(entry, None, facts.config).instance
    answer = call(entry.predict, loaded, instance, source, gives=Mapping)
    written = {str(key): _written(value, out or Path(), f"{entry.id}-{key}") for key, value in answer.items()}
    try:
        echo_json(written)
    except (TypeError, ValueError) as error:
        raise PluginError(f"{entry.predict} gives what no JSON can hold: {one_line(error)}") from error


def _written(value: Any, folder: Path, stem: str) -> Any:
    """A value of an answer; a picture (anything with PIL's ``save``) goes to a PNG, bytes of a file to that file.

    A file is a pair of its suffix and its content, like ``(".wav", b"...")``.
    """
    match value:
        case (str(suffix), bytes(content)):
            path = folder / f"{stem}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        case _ if hasattr(value, "save"):
            path = folder / f"{stem}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            value.save(path)
        case _:
            return value
    return str(path)
