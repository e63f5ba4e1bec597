"""The ``zoo`` command.

Its own commands are those that find, load and share entries; all others come from plugins, through the hook
``zoo_commands``. Ours live in modules that are imported when they run, so that listing the catalogue never pays for
what loading needs.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections import Counter
from importlib import import_module

import click

import zoo
from zoo.cli.output import installed, keep_stdout_for_json, leave_stdout, open_streams
from zoo.cli.usage import OneLineGroup
from zoo.errors import one_line, printable

COMMANDS = {
    "list": ("zoo.cli.listing", "The entries that installed plugins offer."),
    "info": ("zoo.cli.listing", "Everything known about one entry, with its parameter count."),
    "tags": ("zoo.cli.listing", "The tags that entries carry."),
    "load": ("zoo.cli.using", "Build an entry, fill it, and print what came out."),
    "predict": ("zoo.cli.predicting", "Run an entry on an image, a text or whatever it takes."),
    "pull": ("zoo.cli.sharing", "Fetch weights ahead of time."),
    "push": ("zoo.cli.sharing", "Upload an entry or a saved folder to the Hub."),
    "convert": ("zoo.cli.sharing", "Turn a pickle checkpoint into safetensors, safely."),
}
# With it an error that is no ZooError comes with its traceback.
TRACEBACK = "ZOO_TRACEBACK"


class ZooGroup(OneLineGroup):
    """Commands of this package, imported one by one on demand, and commands of plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, ours first."""
        return [*COMMANDS, *self._plugin_commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name in COMMANDS:
            module = import_module(COMMANDS[cmd_name][0])
            command: click.Command = getattr(module, cmd_name.replace("-", "_") + "_command")
            return command
        return self._plugin_commands().get(cmd_name)

    def invoke(self, ctx: click.Context) -> object:
        """Discover what is installed, then run the command."""
        if "--json" in ctx.args:
            # From before plugins are imported: they may leave threads that print.
            keep_stdout_for_json(ctx)
        installed()
        return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview, without importing any of our commands."""
        rows = [(name, text) for name, (_, text) in COMMANDS.items()]
        rows += [(name, printable(command.get_short_help_str(80))) for name, command in self._plugin_commands().items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _plugin_commands(self) -> dict[str, click.Command]:
        """Commands by name, the core distribution's first.

        Nothing overwrites silently: a name that is taken is reachable as plugin:name, and those of the core's own
        distribution are never anybody else's.
        """
        plugins = sorted(installed().plugins, key=lambda plugin: (not _is_own(plugin.point.value), plugin.name))
        offered = [(plugin, str(command.name), command) for plugin in plugins for command in plugin.commands]
        own = {name for plugin, name, _ in offered if _is_own(plugin.point.value)} | set(COMMANDS)
        counts = Counter(name for _, name, _ in offered)
        found: dict[str, click.Command] = {}
        for plugin, name, command in offered:
            free = _is_own(plugin.point.value) if name in own else counts[name] == 1
            found[name if free else f"{plugin.name}:{name}"] = command
        return found


def _is_own(module: str) -> bool:
    """Whether a plugin's module is part of this package."""
    return module.partition(".")[0] == zoo.__name__


@click.group(cls=ZooGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(zoo.__version__, prog_name="zoo")
def cli() -> None:
    """The attention zoo: find, configure, load, compare and verify attention mechanisms.

    Shell completion: eval "$(_ZOO_COMPLETE=bash_source zoo)" (or zsh_source, fish_source).
    """


def main(args: list[str] | None = None) -> None:
    """Entry point of the ``zoo`` command: what goes wrong becomes one line and exit code 1."""
    open_streams()
    if args is None:
        warnings.formatwarning = _one_line_warning
    try:
        cli.main(args=args, prog_name="zoo", standalone_mode=True)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        click.echo(one_line(error), err=True)
        if os.environ.get(TRACEBACK):
            raise
        if not isinstance(error, zoo.ZooError | OSError):
            click.echo(f"This is no error that the zoo knows; {TRACEBACK}=1 shows where it was raised.", err=True)
        sys.exit(1)
    finally:
        if args is None:
            leave_stdout()


def _one_line_warning(message: Warning | str, category: type[Warning], *where: object, **more: object) -> str:
    """A warning as the terminal may show it: texts of plugins and names from files can steer it."""
    return one_line(message if isinstance(message, Warning) else category(message)) + "\n"
