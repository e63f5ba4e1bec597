"""What the tools return: rankings, ablations and pruning steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from zoo.bridges.transformers.sites import Site
from zoo.evidence.attention_plots import head_tables


@dataclass(frozen=True)
class Importance:
    """Importance of heads, tables (layers, heads).

    Args:
        raw: sums of absolute values.
        scores: after the denominators; loss per token.
        normalised: every layer divided by its norm.
        order: (layer, head) ascending by ``normalised``.
        labels: names such as "E:1:1", in layer-major order.
    """

    raw: Tensor
    scores: Tensor
    normalised: Tensor
    order: tuple[tuple[int, int], ...]
    labels: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Nested lists, ready for JSON."""
        return {
            "raw": self.raw.tolist(),
            "scores": self.scores.tolist(),
            "normalised": self.normalised.tolist(),
            "order": [list(place) for place in self.order],
            "labels": list(self.labels),
        }

    def plot(self, path: str | None = None) -> Any:
        """A heat map of the normalised scores; a matplotlib figure."""
        return head_tables({"importance": self.normalised}, path=path)


@dataclass(frozen=True)
class Ablation:
    """What single heads are worth: changes of a metric, tables (layers, heads).

    Args:
        base: the metric of the whole model.
        without: the metric with that head alone gated off, minus ``base``.
        alone: the metric with all other heads of its layer gated off, minus ``base``.
        labels: names such as "E:1:1", in layer-major order.
    """

    base: float
    without: Tensor
    alone: Tensor
    labels: tuple[str, ...]

    def best(self) -> tuple[int, ...]:
        """For each layer the head that does best alone; choose it on other data than it is reported on."""
        return tuple(self.alone.argmax(1).tolist())

    def to_dict(self) -> dict[str, Any]:
        """Nested lists, ready for JSON."""
        return {
            "base": self.base,
            "without": self.without.tolist(),
            "alone": self.alone.tolist(),
            "best": list(self.best()),
            "labels": list(self.labels),
        }

    def plot(self, path: str | None = None) -> Any:
        """Heat maps of both tables; a matplotlib figure."""
        tables = {"without the head": self.without, "the head alone": self.alone}
        return head_tables(tables, title="change of the metric", diverging=True, path=path)


@dataclass(frozen=True)
class PruningStep:
    """One step: how many heads are gone, the mask (layers, heads; 1 = kept) and the metric."""

    pruned: int
    mask: Tensor
    score: float


def rank(raw: Tensor, scores: Tensor, sites: Sequence[Site] = ()) -> Importance:
    """Normalise every layer by its norm and sort ascending; ties keep layer-major order."""
    normalised = scores / (scores.square().sum(1, keepdim=True).sqrt() + 1e-20)
    order = normalised.flatten().argsort(stable=True)
    places = tuple((int(index) // scores.shape[1], int(index) % scores.shape[1]) for index in order)
    return Importance(raw, scores, normalised, places, head_labels(sites))


def head_labels(sites: Sequence[Site]) -> tuple[str, ...]:
    """Names such as "E:1:1" in layer-major order; layers count within their group."""
    seen: dict[str, int] = {}
    labels: list[str] = []
    for site in sites:
        layer = seen[site.group] = seen.get(site.group, -1) + 1
        labels += [site.label(layer, head) for head in range(site.num_heads)]
    return tuple(labels)
