"""What the tools return: rankings, ablations and pruning steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.bridges.transformers.sites import Site
from zoo.evidence.attention_plots import head_tables
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.named_arrays import NamedArrays, array


@dataclass(frozen=True)
class Importance(NamedArrays):
    """Importance of heads, tables (layer, head).

    Args:
        raw: sums of absolute values.
        scores: after the denominators; loss per token.
        normalised: every layer divided by its norm.
        order: (layer, head) ascending by ``normalised``.
        labels: names such as "E:1:1", in layer-major order.
    """

    raw: Tensor = array("layer", "head")
    scores: Tensor = array("layer", "head")
    normalised: Tensor = array("layer", "head")
    order: tuple[tuple[int, int], ...] = ()
    labels: tuple[str, ...] = ()

    def plot(self, path: str | Path | None = None) -> Any:
        """A heat map of the normalised scores; a matplotlib figure."""
        return head_tables({"importance": self.normalised}, path=path)


@dataclass(frozen=True)
class Ablation(NamedArrays):
    """What single heads are worth: changes of a metric, tables (layer, head).

    Args:
        base: the metric of the whole model.
        without: the metric with that head alone gated off, minus ``base``.
        alone: the metric with all other heads of its layer gated off, minus ``base``.
        labels: names such as "E:1:1", in layer-major order.
    """

    base: float
    without: Tensor = array("layer", "head")
    alone: Tensor = array("layer", "head")
    labels: tuple[str, ...] = ()

    def best(self) -> tuple[int, ...]:
        """For each layer the head that does best alone; choose it on other data than it is reported on."""
        return tuple(self.alone.argmax(1).tolist())

    def facts(self) -> dict[str, Any]:
        """The base, the labels, and the best head of every layer."""
        return {**super().facts(), "best": list(self.best())}

    def plot(self, path: str | Path | None = None) -> Any:
        """Heat maps of both tables; a matplotlib figure."""
        tables = {"without the head": self.without, "the head alone": self.alone}
        return head_tables(tables, title="change of the metric", diverging=True, path=path)


@dataclass(frozen=True)
class PruningStep:
    """One step: how many heads are gone, the mask (layers, heads; 1 = kept) and the metric."""

    pruned: int
    mask: Tensor
    score: float


@dataclass(frozen=True)
class PruningCurve(NamedArrays):
    """Greedy pruning, step after step; iterates as ``PruningStep``.

    Args:
        pruned: (step,) int64, heads that are gone.
        mask: (step, layer, head), 1 = kept.
        score: (step,), the metric.
    """

    pruned: Tensor = array("step")
    mask: Tensor = array("step", "layer", "head")
    score: Tensor = array("step")

    @classmethod
    def of(cls, steps: Sequence[PruningStep]) -> PruningCurve:
        """The curve of steps, of one at least."""
        scores = torch.tensor([step.score for step in steps], dtype=torch.float64)
        return cls(torch.tensor([step.pruned for step in steps]), torch.stack([step.mask for step in steps]), scores)

    def __len__(self) -> int:
        return len(self.pruned)

    def __iter__(self) -> Iterator[PruningStep]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> PruningStep:
        return PruningStep(int(self.pruned[index]), self.mask[index], float(self.score[index]))

    def plot(self, path: str | Path | None = None) -> Any:
        """The metric by the share of heads that are gone; a matplotlib figure."""
        figure = new_figure(figsize=(6, 3.6))
        axis = figure.subplots()
        heads = self.mask[0].numel()
        axis.plot([100 * count / heads for count in self.pruned.tolist()], self.score.tolist(), marker="o")
        axis.set(xlabel=f"heads pruned, % of {heads}", ylabel="metric", title="pruning, least important heads first")
        return saved(figure, path)


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
