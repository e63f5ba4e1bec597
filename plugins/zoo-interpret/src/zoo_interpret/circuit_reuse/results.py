"""What the method returns: effects, circuits and how much two of these share."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.bridges.transformers.heads import Place
from zoo.evidence.attention_plots import head_tables
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.named_arrays import NamedArrays, array

# The share of the metric below which a ratio to its change says little.
SMALL = 1e-3


@dataclass(frozen=True)
class PathEffects(NamedArrays):
    """Effects of paths from heads to receivers.

    Args:
        clean, corrupt: logit differences of the two runs, in nats.
        effects: (layers, heads), shares of the change from the clean to the corrupted run.
    """

    clean: float
    corrupt: float
    effects: Tensor = array("layer", "head")

    @property
    def ill_conditioned(self) -> bool:
        """Whether the corruption hardly changes the metric, so that effects are ratios to almost nothing."""
        return abs(self.corrupt - self.clean) < SMALL * max(abs(self.clean), abs(self.corrupt))

    def facts(self) -> dict[str, Any]:
        """The two metrics, and whether effects can be trusted."""
        return {**super().facts(), "ill_conditioned": self.ill_conditioned}

    def above(self, threshold: float) -> list[Place]:
        """Heads whose effect has at least this size, the strongest first."""
        heads = self.effects.shape[1]
        order = self.effects.abs().flatten().argsort(descending=True, stable=True).tolist()
        places = [(index // heads, index % heads) for index in order]
        return [place for place in places if abs(float(self.effects[place])) >= threshold and self.effects[place] != 0]

    def strongest(self, count: int = 10) -> list[tuple[Place, float]]:
        """((layer, head), effect), the largest absolute effects first."""
        return [(place, float(self.effects[place])) for place in self.above(0.0)[:count]]

    def plot(self, path: str | Path | None = None) -> Any:
        """A heat map of the effects; a matplotlib figure."""
        return head_tables({"effect": self.effects}, title="path patching", diverging=True, path=path)


@dataclass(frozen=True)
class Circuit(NamedArrays):
    """Heads by role, with the effects that they were found by.

    Args:
        roles: role -> (layer, head), the strongest first.
        threshold: of the effects.
        effects: (roles, layers, heads); of roles in the order of ``roles``.
    """

    roles: dict[str, list[Place]]
    threshold: float
    effects: Tensor = array("role", "layer", "head")

    def heads(self) -> set[Place]:
        """All heads of the circuit."""
        return {place for places in self.roles.values() for place in places}

    def place_names(self) -> dict[str, tuple[str, ...]]:
        """Roles by their names."""
        return {**super().place_names(), "role": tuple(self.roles)}

    def plot(self, path: str | Path | None = None) -> Any:
        """A heat map per role; a matplotlib figure."""
        tables = dict(zip(self.roles, self.effects, strict=True))
        return head_tables(tables, title="circuit", diverging=True, path=path)


@dataclass(frozen=True)
class Overlap(NamedArrays):
    """How much two circuits share, in all and by role.

    Args:
        roles: "all", then those that both have.
        shares: (rows, 3): of the union, of the first, of the second; rows are ``roles``, the first of all heads.
        counts: (rows, 3): shared heads, heads of the first, heads of the second.
    """

    roles: tuple[str, ...]
    shares: Tensor = array("role", "of union, first, second")
    counts: Tensor = array("role", "shared, first, second")

    def place_names(self) -> dict[str, tuple[str, ...]]:
        """Rows by their names."""
        return {**super().place_names(), "role": self.roles}

    def plot(self, path: str | Path | None = None) -> Any:
        """Bars of the shares; a matplotlib figure."""
        figure = new_figure(figsize=(1.5 + 1.4 * len(self.roles), 3.2))
        axis = figure.subplots()
        for column, name in enumerate(("of either", "of the first", "of the second")):
            places = [row + 0.27 * (column - 1) for row in range(len(self.roles))]
            axis.bar(places, self.shares[:, column].tolist(), width=0.25, label=name)
        axis.set_xticks(range(len(self.roles)), self.roles)
        axis.set(ylim=(0, 1), ylabel="share of heads", title="heads that two circuits share")
        axis.legend()
        return saved(figure, path)


def shared(first: Collection[Place], second: Collection[Place]) -> tuple[list[float], list[int]]:
    """Shares of the union, of the first and of the second, and the counts; empty sets share nothing."""
    both, union = len(set(first) & set(second)), len(set(first) | set(second))
    sizes = (union, len(set(first)), len(set(second)))
    return [both / size if size else 0.0 for size in sizes], [both, *sizes[1:]]
