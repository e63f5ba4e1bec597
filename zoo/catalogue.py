"""Discovery: which plugins are installed, what they offer, and which of them are broken.

Plugins advertise an entry point in the group ``zoo.plugins`` that names their catalogue module. A module
that fails to import, or states nonsense, is set aside with its traceback and never takes the others down.
Nothing here imports torch.
"""

from __future__ import annotations

import os
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from zoo import hooks, names
from zoo.errors import AmbiguousName, PluginError, UnknownName, one_line
from zoo.facts import BrokenPaper, Entry, Paper
from zoo.hooks import OWN_SCHEMES, Source

if TYPE_CHECKING:
    import click

GROUP = "zoo.plugins"
DISABLED = "ZOO_PLUGINS_DISABLED"


@dataclass(frozen=True)
class Plugin:
    """A working plugin: its entry point, seconds its import took, and what its hooks offer."""

    point: EntryPoint
    seconds: float
    papers: tuple[Paper, ...]
    sources: Mapping[str, Source] = field(default_factory=dict)
    commands: tuple[click.Command, ...] = ()
    broken_papers: tuple[BrokenPaper, ...] = ()

    @property
    def name(self) -> str:
        """What the entry point is called."""
        return self.point.name

    @property
    def distribution(self) -> str:
        """Name of what pip installed; read from its metadata, which listings have no need of."""
        return _distribution(self.point)

    @property
    def version(self) -> str:
        """Version of the distribution."""
        return self.point.dist.version if self.point.dist else "unknown"


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin that was set aside: why, in one line, and the full traceback."""

    name: str
    distribution: str
    reason: str
    traceback: str


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
        known = [offer.qualified for offer in self.offers] if parts.plugin else list(self._by_id)
        wanted = f"{parts.plugin}:{parts.entry}" if parts.plugin else parts.entry
        message = f"No installed plugin offers {wanted!r}.{names.suggestion(wanted, known)}"
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
        if not self.plugins:
            message += " No plugin is installed. Run: pip install zoo-sequence zoo-vision ..."
        return message

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
            raise UnknownName(f"No installed plugin has a paper {paper_id!r}.{names.suggestion(paper_id, known)}")
        if len(found) > 1:
            choices = ", ".join(f"{plugin}:{paper.id}" for plugin, paper in found)
            raise AmbiguousName(f"Paper {paper_id!r} is in several plugins; say which: {choices}")
        return found[0]

    def plugin(self, name: str) -> Plugin:
        """The working plugin of that name."""
        for plugin in self.plugins:
            if names.fold(plugin.name) == names.fold(name):
                return plugin
        raise UnknownName(f"No plugin {name!r} is installed.{names.suggestion(name, [p.name for p in self.plugins])}")


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
        f"{entry.id!r} has no preset {preset!r}.{names.suggestion(preset, entry.presets)}"
        f" Its presets: {', '.join(entry.presets)}"
    )


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    return manager


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"


def _offered(module: ModuleType, hook: str) -> Any:
    """What a module's implementation of a hook gives; nothing where it has none."""
    offer: Any = getattr(module, hook, None)
    return () if offer is None else offer()


def _papers(module: ModuleType) -> tuple[tuple[Paper, ...], tuple[BrokenPaper, ...]]:
    yielded = tuple(_offered(module, "zoo_papers"))
    for paper in yielded:
        if not isinstance(paper, Paper | BrokenPaper):
            raise PluginError(f"zoo_papers yielded {paper!r}; expected zoo.Paper objects")
    papers = tuple(paper for paper in yielded if isinstance(paper, Paper))
    for what, ids in (
        ("paper", [paper.id for paper in papers]),
        ("entry", [name for paper in papers for entry in paper.entries for name in (entry.id, *entry.aliases)]),
    ):
        repeated = [name for name, count in Counter(ids).items() if count > 1]
        if repeated:
            raise PluginError(f"{what} id offered twice: {', '.join(repeated)}")
    return papers, tuple(paper for paper in yielded if isinstance(paper, BrokenPaper))


def _sources(module: ModuleType) -> dict[str, Source]:
    sources: dict[str, Source] = dict(_offered(module, "zoo_sources"))
    for scheme, source in sources.items():
        if scheme in OWN_SCHEMES:
            raise PluginError(f"zoo_sources offers the scheme {scheme!r}, which is the zoo's own")
        if not callable(source):
            raise PluginError(f"zoo_sources maps {scheme!r} to {source!r}; expected a function of a URI")
    return sources


def _commands(module: ModuleType) -> tuple[click.Command, ...]:
    commands = tuple(_offered(module, "zoo_commands"))
    for command in commands:
        if not (callable(command) and getattr(command, "name", None)):
            raise PluginError(f"zoo_commands yielded {command!r}; expected named click.Command objects")
    return commands


def _load(point: EntryPoint, manager: pluggy.PluginManager) -> Plugin:
    start = time.perf_counter()
    module = point.load()
    manager.register(module, name=point.name)
    try:
        manager.check_pending()
        (papers, broken), sources, commands = _papers(module), _sources(module), _commands(module)
    except BaseException:
        manager.unregister(module)
        raise
    return Plugin(point, time.perf_counter() - start, papers, sources, commands, broken)


def discover(points: Iterable[EntryPoint], disabled: Iterable[str] = ()) -> Catalogue:
    """Import the given entry points' modules and collect what they offer."""
    blocked = {names.fold(name) for name in disabled}
    manager = _manager()
    plugins: dict[str, Plugin] = {}
    broken: list[BrokenPlugin] = []
    for point in points:
        if names.fold(point.name) in blocked:
            continue
        try:
            if point.name in plugins:
                raise PluginError(
                    f"the name {point.name!r} is taken by distribution {plugins[point.name].distribution!r}"
                )
            plugins[point.name] = _load(point, manager)
        except (Exception, SystemExit) as error:
            broken.append(BrokenPlugin(point.name, _distribution(point), one_line(error), traceback.format_exc()))
    return Catalogue(plugins.values(), broken, sorted(blocked))


@lru_cache(maxsize=1)
def current() -> Catalogue:
    """The catalogue of this process; plugins are imported on the first call."""
    disabled = [name for name in os.environ.get(DISABLED, "").split(",") if name.strip()]
    return discover(entry_points(group=GROUP), disabled)


def refresh() -> Catalogue:
    """Discover again, for instance after installing a plugin in a notebook."""
    current.cache_clear()
    return current()
