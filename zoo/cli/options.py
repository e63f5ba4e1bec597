"""What several commands parse alike: names of entries, and overrides of their config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.output import installed
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class EntryName(click.ParamType):
    """The name of an entry; the shell completes it, presets after the slash."""

    name = "name"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Entries and, once one is chosen, its presets."""
        from click.shell_completion import CompletionItem

        offers = installed().offers
        known = [offer.entry.id for offer in offers]
        if "/" in incomplete:
            known = [f"{offer.entry.id}/{preset}" for offer in offers for preset in offer.entry.presets]
        return [CompletionItem(name) for name in dict.fromkeys(known) if name.startswith(incomplete)]


def overrides(words: Sequence[str]) -> dict[str, Any]:
    """``key=value`` words to a mapping; values are read as YAML ("3", "[1, 2]", "null", "text").

    Raises:
        ConfigError: a word has no "=".
    """
    from zoo.configuration import RESERVED

    parsed = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise ConfigError(f"{word!r} is not of the form key=value")
        if key in RESERVED:
            raise ConfigError(f"{word!r} is not about a config field; see --help for the options of this command")
        parsed[key] = yaml_value(text)
    return parsed


def yaml_value(text: str) -> Any:
    """A YAML scalar, list or mapping; the text itself where it is no YAML."""
    import yaml

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    return text if value is None and text.strip().lower() not in ("null", "~") else value
