"""The catalogue of this process: everything that the installed plugins offer, found by name. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from zoo import discovery, names
from zoo.discovery import BrokenPlugin, Plugin
from zoo.errors import AmbiguousName, PluginError, UnknownName, shown
from zoo.facts import Entry, Paper
from zoo.hooks import Source

DISABLED = "ZOO_PLUGINS_DISABLED"


@dataclass(frozen=True)
class Offer:
    """One entry together with the paper and the plugin it comes from."""

    plugin: str
    paper: Paper
    entry: Entry

    @property
    def qualified(self) -> str:
        """``plugin:id``, unique among installed plugins."""
        return f"{self.plugin}:{self.entry.id}"


@dataclass(frozen=True)
class Target:
    """What a name means: an offer, and the preset it asks for (None for the schema's defaults)."""

    offer: Offer
    preset: str | None


class Catalogue:
    """Everything that the installed plugins offer."""

    def __init__(
        self,
        plugins: Iterable[Plugin],
        broken: Iterable[BrokenPlugin] = (),
        disabled: Iterable[str] = (),
    ) -> None:
        self.plugins = tuple(sorted(plugins, key=lambda plugin: plugin.name))
        self.broken = tuple(sorted(broken, key=lambda plugin: plugin.name))
        self.disabled = tuple(disabled)

    @cached_property
    def offers(self) -> tuple[Offer, ...]:
        """All entries, by plugin, then as their papers list them."""
        return tuple(
            Offer(plugin.name, paper, entry)
            for plugin in self.plugins
            for paper in plugin.papers
            for entry in paper.entries
        )

    @cached_property
    def _by_id(self) -> dict[str, list[Offer]]:
        table: dict[str, list[Offer]] = {}
        for offer in self.offers:
            for name in (offer.entry.id, *offer.entry.aliases):
                table.setdefault(name, []).append(offer)
        return table

    @cached_property
    def sources(self) -> dict[str, dict[str, Source]]:
        """URI scheme -> name of a plugin that adds it -> its source."""
        table: dict[str, dict[str, Source]] = {}
        for plugin in self.plugins:
            for scheme, source in plugin.sources.items():
                table.setdefault(scheme, {})[plugin.name] = source
        return table

    def find(self, name: str) -> Target:
        """The entry and preset that ``[plugin:]entry[/preset]`` means.

        Raises:
            UnknownName: nothing of that name; the message has the nearest names and names plugins that
                are broken or disabled.
            AmbiguousName: several plugins offer the entry.
        """
        parts = names.parse(name)
        found = self._by_id.get(parts.entry, [])
        if parts.plugin is not None:
            found = [offer for offer in found if names.fold(offer.plugin) == parts.plugin]
        if not found:
            raise UnknownName(self._unknown_entry(name, parts))
        if len(found) > 1:
            choices = ", ".join(sorted(offer.qualified for offer in found))
            raise AmbiguousName(f"{parts.entry!r} is offered by several plugins; say which: {choices}")
        return Target(found[0], find_preset(found[0].entry, parts.preset))

    def _unknown_entry(self, name: str, parts: names.Name) -> str:
        if name.startswith((".", "/", "~", "hf:")):
            return f"{name!r} is a place, which zoo.load takes; here goes the name of an entry, [plugin:]entry[/preset]"
        known = [offer.qualified for offer in self.offers] if parts.plugin else list(self._by_id)
        wanted = f"{parts.plugin}:{parts.entry}" if parts.plugin else parts.entry
        message = f"No installed plugin offers {shown(wanted)}.{names.suggestion(wanted, known)}"
        if self.disabled and parts.plugin in (None, *self.disabled):
            message += f" These plugins are disabled by {DISABLED}: {', '.join(self.disabled)}."
        if self.broken:
            listing = "; ".join(f"{plugin.name} ({plugin.reason})" for plugin in self.broken)
            message += f" These plugins are broken and offer nothing: {listing}. Run: zoo doctor"
        broken_papers = [
            f"{plugin.name}:{paper.name} ({paper.reason})" for plugin in self.plugins for paper in plugin.broken_papers
        ]
        if broken_papers:
            message += f" These papers are broken and were set aside: {'; '.join(broken_papers)}. Run: zoo doctor"
        if not self.offers:
            message += " No plugin that offers entries is installed. Run: pip install zoo-sequence zoo-vision ..."
        return message

    def find_stored(self, plugin: str | None, entry: str, distribution: str, holder: str) -> Target:
        """What a saved thing says that it was built from.

        Args:
            plugin, entry: as saved; the plugin may be missing.
            distribution: what to install for the plugin.
            holder: the beginning of the message, like "the folder holds".

        Raises:
            UnknownName: the plugin works here, and offers no such entry.
            PluginError: it is disabled or not installed.
        """
        try:
            return self.find(f"{plugin}:{entry}" if plugin else entry)
        except UnknownName as error:
            if plugin is None or plugin in {each.name for each in self.plugins}:
                raise
            state = "is disabled" if names.fold(plugin) in self.disabled else "is not installed"
            raise PluginError(
                f"{holder} {entry!r} of plugin {plugin!r}, which {state} here. Run: pip install {distribution}"
            ) from error

    def find_paper(self, paper_id: str) -> tuple[str, Paper]:
        """The plugin's name and the paper of that id (``[plugin:]paper``)."""
        parts = names.parse(paper_id)
        found = [
            (plugin.name, paper)
            for plugin in self.plugins
            for paper in plugin.papers
            if paper.id == parts.entry and parts.plugin in (None, names.fold(plugin.name))
        ]
        if not found:
            known = [paper.id for plugin in self.plugins for paper in plugin.papers]
            raise UnknownName(f"No installed plugin has a paper {shown(paper_id)}.{names.suggestion(paper_id, known)}")
        if len(found) > 1:
            choices = ", ".join(f"{plugin}:{paper.id}" for plugin, paper in found)
            raise AmbiguousName(f"Paper {paper_id!r} is in several plugins; say which: {choices}")
        return found[0]

    def plugin(self, name: str) -> Plugin:
        """The working plugin of that name."""
        for plugin in self.plugins:
            if names.fold(plugin.name) == names.fold(name):
                return plugin
        raise UnknownName(
            f"No plugin {shown(name)} is installed.{names.suggestion(name, [p.name for p in self.plugins])}"
        )


def find_preset(entry: Entry, preset: str | None) -> str | None:
    """The preset's own spelling; "default" and None stand for the schema's defaults.

    Raises:
        UnknownName: the entry has no such preset.
    """
    if preset is None or (names.fold(preset) == "default" and "default" not in entry.presets):
        return None
    for known in entry.presets:
        if names.fold(known) == names.fold(preset):
            return known
    if not entry.presets:
        raise UnknownName(f"{entry.id!r} has no presets; load it as {entry.id!r} and override its config.")
    raise UnknownName(
        f"{entry.id!r} has no preset {shown(preset)}.{names.suggestion(preset, entry.presets)}"
        f" Its presets: {', '.join(entry.presets)}"
    )


@lru_cache(maxsize=1)
def current() -> Catalogue:
    """The catalogue of this process; plugins are imported on the first call."""
    disabled = sorted({names.fold(name) for name in os.environ.get(DISABLED, "").split(",") if name.strip()})
    return Catalogue(*discovery.discover(disabled), disabled)


def refresh() -> Catalogue:
    """Discover again, for instance after installing a plugin in a notebook."""
    current.cache_clear()
    return current()
