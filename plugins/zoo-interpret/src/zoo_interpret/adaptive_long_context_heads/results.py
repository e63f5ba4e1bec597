"""What the method returns: masses, decisions and what they save."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.evidence.plots import new_figure, saved
from zoo_interpret.named_arrays import NamedArrays, array


@dataclass(frozen=True)
class Decisions(NamedArrays):
    """Decisions of a dense run; (batch, layers, heads, queries) each where nothing else is said.

    Args:
        criterion: who decided.
        kv_groups: query heads that share a key/value head.
        local: 1 where a head is approximated by its window.
        log_mass_window, log_mass_bulk, log_mass_bulk_estimate: nats; -1e30 for an empty bulk.
        score_mean, score_variance: of the normal model.
        window_share, window_share_estimate: exact and QAdA's.
        static_share: (layers, heads), mean share over real queries.
        bulk: 1 where there is a bulk, so that there is something to decide.
    """

    criterion: str
    kv_groups: int
    local: Tensor = array("example", "layer", "head", "query")
    log_mass_window: Tensor = array("example", "layer", "head", "query")
    log_mass_bulk: Tensor = array("example", "layer", "head", "query")
    log_mass_bulk_estimate: Tensor = array("example", "layer", "head", "query")
    score_mean: Tensor = array("example", "layer", "head", "query")
    score_variance: Tensor = array("example", "layer", "head", "query")
    window_share: Tensor = array("example", "layer", "head", "query")
    window_share_estimate: Tensor = array("example", "layer", "head", "query")
    static_share: Tensor = array("layer", "head")
    bulk: Tensor = array("example", "query")

    def sparsity(self, *, decided: bool = False) -> float:
        """Mean share of local pairs of head and query; with ``decided`` among queries that have a bulk."""
        return self._mean(self.local, decided)

    def saved_fetches(self, *, decided: bool = False) -> float:
        """Share of key/value heads and queries whose bulk need not be fetched: all heads of the group are local."""
        groups = self.local.unflatten(2, (-1, self.kv_groups)).amin(3)
        return self._mean(groups, decided)

    def _mean(self, table: Tensor, decided: bool) -> float:
        if not decided:
            return float(table.mean())
        chosen = self.bulk.bool()[:, None, None].expand_as(table)
        return float(table[chosen].mean()) if bool(chosen.any()) else 1.0

    def facts(self) -> dict[str, Any]:
        """Criterion, groups, sparsity and saved fetches, among all queries and among those that have a bulk."""
        return {
            **super().facts(),
            "sparsity": self.sparsity(),
            "sparsity_decided": self.sparsity(decided=True),
            "saved_fetches": self.saved_fetches(),
            "saved_fetches_decided": self.saved_fetches(decided=True),
        }

    def plot(self, path: str | Path | None = None) -> Any:
        """Mean share of every head, and local decisions of heads by query; a matplotlib figure."""
        figure = new_figure(figsize=(11, 4))
        left, right = figure.subplots(1, 2, width_ratios=[1, 2])
        picture = left.imshow(self.static_share.numpy(), aspect="auto", vmin=0, vmax=1, cmap="viridis")
        figure.colorbar(picture, ax=left, label="mean share of the window")
        left.set(title="static share", xlabel="head", ylabel="layer")
        rows = self.local[0].flatten(0, 1)
        right.imshow(rows.numpy(), aspect="auto", vmin=0, vmax=1, cmap="Greys", interpolation="nearest")
        right.set(title=f"local decisions ({self.criterion}), black", xlabel="query", ylabel="head, layer after layer")
        for axis in (left.xaxis, left.yaxis, right.xaxis, right.yaxis):
            axis.get_major_locator().set_params(integer=True)
        return saved(figure, path)


def errors(local: Tensor, oracle: Tensor) -> dict[str, float]:
    """Rates against an oracle's labels of the same shape: false local ones, and missed ones."""
    kept, found = oracle.bool(), local.bool()
    return {
        "false_local": float((found & ~kept).float().sum() / (~kept).sum().clamp(min=1)),
        "missed_local": float((~found & kept).float().sum() / kept.sum().clamp(min=1)),
        "agreement": float((found == kept).float().mean()) if kept.numel() else float(torch.ones(())),
    }
