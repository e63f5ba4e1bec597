"""``zoo load``."""

from __future__ import annotations

import click

from zoo.cli.options import EntryName, overrides
from zoo.errors import printable
from zoo.places import check_folder


@click.command("load")
@click.argument("name", type=EntryName())
@click.argument("override", nargs=-1)
@click.option("--weights", default="auto", show_default=True, help='"auto", "none", a tag, a URI or a path.')
@click.option("--device", help="For instance cuda.")
@click.option("--dtype", help="For instance bfloat16.")
@click.option("--save", "folder", type=click.Path(), help="Save what was loaded into this folder.")
def load_command(
    name: str, override: tuple[str, ...], weights: str, device: str | None, dtype: str | None, folder: str | None
) -> None:
    """Build and fill NAME (an entry, hf://owner/repo or a folder) and print what came out."""
    import zoo
    from zoo.targets import call
    from zoo.weights.sources import local_path

    if folder is not None:
        check_folder(local_path(folder))
    chosen = None if weights.lower() == "none" else weights
    loaded = zoo.load(name, weights=chosen, device=device, dtype=dtype, **overrides(override))
    click.echo(printable(call("builtins:repr", loaded)))
    if hasattr(loaded, "parameters"):
        click.echo(f"{sum(parameter.numel() for parameter in loaded.parameters()):,} parameters")
    if folder is not None:
        click.echo(f"saved to {zoo.save(loaded, folder)}")
