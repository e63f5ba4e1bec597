"""Which plugins are installed, what their hooks offer, and which of them are broken.

Plugins advertise an entry point in the group ``zoo.plugins`` that names their catalogue module. One that fails in
any way, or states nonsense, is set aside with its traceback and never takes the others down. Nothing here imports
torch.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from zoo import distributions, hooks, names
from zoo.errors import PluginError
from zoo.facts import BrokenPaper, Paper
from zoo.foreign import Failure, Waiting, attempt
from zoo.hooks import OWN_SCHEMES, Source

if TYPE_CHECKING:
    import click

GROUP = "zoo.plugins"
# The distribution that the core itself belongs to.
OWN_DISTRIBUTION = "attention-zoo"

_NAME = re.compile(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", re.ASCII)


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
        return distributions.name_of(self.point.dist)

    @property
    def version(self) -> str:
        """Version of the distribution."""
        return distributions.version_of(self.point.dist)


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin that was set aside: why, in one line, and the full traceback."""

    name: str
    distribution: str
    reason: str
    traceback: str


def discover(disabled: Iterable[str] = ()) -> tuple[list[Plugin], list[BrokenPlugin]]:
    """Import the modules that the installed plugins name, and collect what they offer.

    Args:
        disabled: names of plugins that are left alone.
    """
    blocked = {names.fold(name) for name in disabled}
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    plugins: list[Plugin] = []
    with Waiting("Ctrl-C ends this; ZOO_PLUGINS_DISABLED=<name> leaves a plugin out.") as waiting:
        waiting.start("the metadata of the installed distributions")
        points, damaged = distributions.advertised(GROUP)
        broken = [BrokenPlugin(name, name, failure.reason, failure.traceback) for name, failure in damaged]
        wanted: dict[str, list[EntryPoint]] = {}
        for point in points:
            if names.fold(point.name) not in blocked:
                wanted.setdefault(names.fold(point.name), []).append(point)
        for rivals in wanted.values():
            owner, refused = _of_one_name(rivals)
            broken += refused
            if owner is None:
                continue
            waiting.start(f"plugin {owner.name!r} ({owner.value})")
            plugin = attempt(lambda point=owner: _load(point, manager))  # type: ignore[misc]
            if isinstance(plugin, Plugin):
                plugins.append(plugin)
            else:
                broken.append(_set_aside(owner, plugin))
    return plugins, broken


def _of_one_name(rivals: list[EntryPoint]) -> tuple[EntryPoint | None, list[BrokenPlugin]]:
    """Of entry points of one name the one that may have it, and the others.

    The core's own distribution has its names, and zoo-NAME has NAME. Where neither is there nobody gets the name,
    because then the order on the path, or of an installation, would decide what a saved model means.
    """
    if len(rivals) == 1:
        return rivals[0], []
    from_distributions = [distributions.name_of(point.dist) for point in rivals]
    for owner in (OWN_DISTRIBUTION, f"zoo-{names.fold(rivals[0].name)}"):
        owning = [point for point in rivals if distributions.canonical(distributions.name_of(point.dist)) == owner]
        if len(owning) == 1:
            reason = f"PluginError: the name {owning[0].name!r} belongs to distribution {owner!r}"
            return owning[0], [_set_aside(point, Failure(reason, reason)) for point in rivals if point is not owning[0]]
    reason = (
        f"PluginError: the plugin name {rivals[0].name!r} is advertised by distributions "
        f"{' and '.join(map(repr, from_distributions))}; uninstall all but one"
    )
    return None, [_set_aside(point, Failure(reason, reason)) for point in rivals]


def _set_aside(point: EntryPoint, failure: Failure) -> BrokenPlugin:
    return BrokenPlugin(point.name, distributions.name_of(point.dist), failure.reason, failure.traceback)


def _load(point: EntryPoint, manager: pluggy.PluginManager) -> Plugin:
    if _NAME.fullmatch(point.name) is None:
        raise PluginError(f"the entry point's name {point.name!r} is not made of letters, digits, dots and dashes")
    if EntryPoint.pattern.match(point.value) is None:
        raise PluginError(f"the entry point {point.name!r} is {point.value!r}; expected the name of a module")
    start = time.perf_counter()
    module = point.load()
    if not isinstance(module, ModuleType):
        raise PluginError(f"the entry point {point.name!r} is {point.value!r}, no module; hooks are found in modules")
    try:
        manager.register(module, name=point.name)
        manager.check_pending()
        (papers, broken), sources, commands = _papers(module), _sources(module), _commands(module)
    except BaseException:
        if manager.has_plugin(point.name):
            manager.unregister(name=point.name)
        raise
    return Plugin(point, time.perf_counter() - start, papers, sources, commands, broken)


def _offered(module: ModuleType, hook: str) -> Any:
    """What a module's implementation of a hook gives; nothing where it has none."""
    offer: Any = getattr(module, hook, None)
    return () if offer is None else offer()


def _papers(module: ModuleType) -> tuple[tuple[Paper, ...], tuple[BrokenPaper, ...]]:
    papers: list[Paper] = []
    broken: list[BrokenPaper] = []
    taken: set[tuple[str, str]] = set()
    for yielded in _offered(module, "zoo_papers"):
        if isinstance(yielded, BrokenPaper):
            broken.append(yielded)
        elif isinstance(yielded, Paper):
            papers.append(yielded)
            _take_ids(yielded, taken)
        else:
            raise PluginError(f"zoo_papers yielded {yielded!r}; expected zoo.Paper objects")
    return tuple(papers), tuple(broken)


def _take_ids(paper: Paper, taken: set[tuple[str, str]]) -> None:
    """Raise PluginError where an id of a paper, or of an entry, was offered before."""
    names = [("paper", paper.id)]
    names += [("entry", name) for entry in paper.entries for name in (entry.id, *entry.aliases)]
    for what, name in names:
        if (what, name) in taken:
            raise PluginError(f"{what} id offered twice: {name}")
        taken.add((what, name))


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
    if not commands:
        return ()
    import click

    for command in commands:
        if not (isinstance(command, click.Command) and _NAME.fullmatch(command.name or "")):
            raise PluginError(f"zoo_commands yielded {command!r}; expected named click.Command objects")
    repeated = [name for name, count in Counter(command.name for command in commands).items() if count > 1]
    if repeated:
        raise PluginError(f"zoo_commands yielded {', '.join(map(str, repeated))} twice")
    return commands
