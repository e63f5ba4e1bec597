"""The ``zoo`` command.

Every command lives in a module of its own that is imported when the command runs, so that listing the
catalogue never pays for what training needs.
"""

from __future__ import annotations

import sys
from collections import Counter
from importlib import import_module

import click

import zoo
from zoo.errors import ZooError

COMMANDS = {
    "list": ("zoo.cli.listing", "The entries that installed plugins offer."),
    "info": ("zoo.cli.listing", "Everything known about one entry, with its parameter count."),
    "load": ("zoo.cli.using", "Build an entry, fill it, and print what came out."),
    "predict": ("zoo.cli.using", "Run an entry on an image, a text or whatever it takes."),
    "train": ("zoo.cli.using", "Reproduce the bundled weights of a preset from a seed."),
    "pull": ("zoo.cli.sharing", "Fetch weights ahead of time."),
    "push": ("zoo.cli.sharing", "Upload an entry or a saved folder to the Hub."),
    "convert": ("zoo.cli.sharing", "Turn a pickle checkpoint into safetensors, safely."),
    "verify": ("zoo.cli.evidence", "Measure the claims of entries beside their papers' figures."),
    "replay": ("zoo.cli.evidence", "Replay recorded runs of a paper's reference implementation."),
    "bench": ("zoo.cli.evidence", "Time and memory of drop-in layers over sequence lengths."),
    "card": ("zoo.cli.evidence", "Render model cards, or check that they are current."),
    "new": ("zoo.cli.authoring", "Scaffold a plugin that installs and passes its tests."),
    "doctor": ("zoo.cli.authoring", "Which plugins work, which are broken and why."),
    "hub-server": ("zoo.cli.authoring", "Run a local Hub for tests and demonstrations."),
}


class ZooGroup(click.Group):
    """Commands of this package, imported one by one on demand, and commands of plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, ours first."""
        return [*COMMANDS, *sorted(self._plugin_commands())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name in COMMANDS:
            module = import_module(COMMANDS[cmd_name][0])
            command: click.Command = getattr(module, cmd_name.replace("-", "_") + "_command")
            return command
        return self._plugin_commands().get(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview, without importing any command."""
        rows = [(name, text) for name, (_, text) in COMMANDS.items()]
        rows += [(name, command.get_short_help_str()) for name, command in sorted(self._plugin_commands().items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _plugin_commands(self) -> dict[str, click.Command]:
        from zoo import catalogue

        offered = [(plugin.name, command) for plugin in catalogue.current().plugins for command in plugin.commands]
        taken = Counter([*COMMANDS, *(command.name for _, command in offered)])
        # Nothing overwrites silently: a name that is taken is reachable as plugin:name.
        return {
            str(command.name) if taken[command.name] == 1 else f"{plugin}:{command.name}": command
            for plugin, command in offered
        }


@click.group(cls=ZooGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(zoo.__version__, prog_name="zoo")
def cli() -> None:
    """The attention zoo: find, configure, load, compare and verify attention mechanisms.

    Shell completion: eval "$(_ZOO_COMPLETE=bash_source zoo)" (or zsh_source, fish_source).
    """


def main(args: list[str] | None = None) -> None:
    """Entry point of the ``zoo`` command: what goes wrong becomes one message and exit code 1."""
    try:
        cli.main(args=args, prog_name="zoo", standalone_mode=True)
    except (ZooError, OSError) as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(1)
