"""What is said of a wrong use of a command: one line, with the mistake and where the help is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from zoo import names
from zoo.errors import printable


class OneLineGroup(click.Group):
    """A group of commands that tells of a wrong use, its own or of a command in it, in one line."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """Parse the group's own options."""
        with _one_line():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Parse and run the command."""
        with _one_line():
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments begin with; for an unknown one the nearest is named."""
        name = click.utils.make_str(args[0])
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing and not name.startswith("-"):
            ctx.fail(f"There is no command {name!r}.{names.suggestion(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


@contextmanager
def _one_line() -> Iterator[None]:
    """Click says it in four lines: the usage, where the help is, a blank one and the mistake."""
    try:
        yield
    except NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        text = printable(" ".join(error.format_message().split()))
        # Its parser does not know which command it works for. Without a context Click shows the message alone.
        command = error.ctx.command_path if error.ctx is not None else "zoo COMMAND"
        raise click.UsageError(f"{text}{'' if text[-1:] in '.?' else '.'} Help: {command} --help") from error
