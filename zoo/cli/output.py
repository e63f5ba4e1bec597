"""What commands print: JSON, tables and one-line errors, and nothing that plugins print in between."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from zoo.errors import printable

if TYPE_CHECKING:
    from zoo.catalogue import Catalogue

F = TypeVar("F", bound=Callable[..., Any])

_STDOUT = "zoo.stdout"


def open_streams() -> None:
    """Whatever is printed can be: no character is beyond a stream, and a closed one swallows it."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (for the rest of the process)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def json_option(command: F) -> F:
    """The option ``--json``: ``echo_json`` alone reaches stdout, everything else goes to stderr."""
    option = click.option("--json", "as_json", is_flag=True, callback=_json_chosen, help="Print JSON.")
    return option(command)


def _json_chosen(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    if value:
        keep_stdout_for_json(ctx)
    return value


def keep_stdout_for_json(ctx: click.Context) -> None:
    """Until the command ends only ``echo_json`` reaches stdout."""
    if _STDOUT not in ctx.meta:
        ctx.meta[_STDOUT] = ctx.with_resource(diverted())


def leave_stdout() -> None:
    """From now on what is printed goes to stderr: plugins may print as the process ends."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        if _is_descriptor_one(sys.stdout):
            _point_stdout_at_stderr()


@contextmanager
def diverted() -> Iterator[IO[str]]:
    """Within the context what is printed goes to stderr, also from beneath Python; yields what still is stdout."""
    ours = sys.stdout
    if not _is_descriptor_one(ours):
        # Replaced by whoever calls this process's commands.
        with redirect_stdout(sys.stderr):
            yield ours
        return
    ours.flush()
    kept = os.dup(1)
    try:
        _point_stdout_at_stderr()
        with open(kept, "w", encoding=ours.encoding, errors=ours.errors, closefd=False) as stream:
            with redirect_stdout(sys.stderr):
                yield stream
            ours.flush()
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _is_descriptor_one(stream: IO[str]) -> bool:
    try:
        return stream.fileno() == 1
    except (OSError, ValueError):
        return False


def _point_stdout_at_stderr() -> None:
    try:
        os.dup2(2, 1)
    except OSError:
        # There is no stderr.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)


def installed() -> Catalogue:
    """The catalogue; what plugins print while they are imported goes to stderr."""
    from zoo import catalogue

    with diverted():
        return catalogue.current()


def echo_json(value: Any) -> None:
    """Print JSON."""
    context = click.get_current_context(silent=True)
    stream = context.meta.get(_STDOUT) if context else None
    click.echo(json.dumps(value, indent=2, default=str), file=stream)


def echo_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A rich table on a terminal, plain columns elsewhere."""
    rows = [[printable(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        from zoo.views import plain_table

        click.echo(plain_table(columns, rows))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)
