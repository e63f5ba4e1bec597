"""A model's heads on a repeated random sequence: lag curves, scores, and how CMR-like each is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.circuits import head_weights
from zoo.bridges.transformers.decomposition import linear_head
from zoo.bridges.transformers.inputs import Inputs, as_inputs, token_ids
from zoo.bridges.transformers.sites import Group, Site, find_sites, in_order, require_equal_heads
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo.evidence.plots import new_figure, saved
from zoo.nn.heads import repeat_heads
from zoo_interpret.cmr_heads.config import CmrHeadsConfig
from zoo_interpret.cmr_heads.fitting import fit, gaussian_distance, grid_of
from zoo_interpret.embeddings import token_embeddings
from zoo_interpret.named_arrays import NamedArrays, array


@dataclass(frozen=True)
class Curves(NamedArrays):
    """Attention of heads around the matching token, averaged over prompts and positions.

    Args:
        lag_scores: (layers, heads, lags), scaled scores before the softmax at lags -max_lag to max_lag.
        lag_weights: the same of attention weights.
        induction_matching: (layers, heads), mean weight on the token after the match.
        duplicate_token: mean weight on the match.
        previous_token: mean weight on the token before, over all positions.
    """

    lag_scores: Tensor = array("layer", "head", "lag")
    lag_weights: Tensor = array("layer", "head", "lag")
    induction_matching: Tensor = array("layer", "head")
    duplicate_token: Tensor = array("layer", "head")
    previous_token: Tensor = array("layer", "head")

    def place_names(self) -> dict[str, tuple[str, ...]]:
        """Lags by their number, negative before the match."""
        most = self.lag_scores.shape[2] // 2
        return {**super().place_names(), "lag": tuple(map(str, range(-most, most + 1)))}


@dataclass(frozen=True)
class HeadRecall(Curves):
    """Curves of heads, and the memory model that fits each.

    Args:
        threshold: distance below which a head is CMR-like.
        copying_score: (layers, heads) in [-1, 1]: whether the OV circuit raises the tokens it sees; None without a
            language-modelling head.
        distance: to the nearest curve of the memory model, as a share of the curve's variance.
        parameters: (layers, heads, 3): b_enc, b_rec, g of that curve.
        scale: its inverse temperature.
        gaussian_distance: to the best Gaussian.
    """

    threshold: float = 0.5
    copying_score: Tensor | None = array("layer", "head", default=None)
    distance: Tensor = array("layer", "head", default=torch.empty(0, 0))
    parameters: Tensor = array("layer", "head", "b_enc, b_rec, g", default=torch.empty(0, 0, 3))
    scale: Tensor = array("layer", "head", default=torch.empty(0, 0))
    gaussian_distance: Tensor = array("layer", "head", default=torch.empty(0, 0))

    def like(self, threshold: float | None = None) -> Tensor:
        """(layers, heads) boolean: heads whose distance is below a threshold."""
        return self.distance < (self.threshold if threshold is None else threshold)

    def share_by_depth(self, parts: int = 3) -> list[float]:
        """Share of CMR-like heads in equal parts of the stack, from the first layers on."""
        layers = len(self.distance)
        edges = [round(layers * part / parts) for part in range(parts + 1)]
        found = self.like().float()
        return [float(found[a:b].mean()) if b > a else 0.0 for a, b in pairwise(edges)]

    def plot(self, path: str | Path | None = None) -> Any:
        """The share of CMR-like heads by layer, and the curves of the six nearest heads; a matplotlib figure."""
        figure = new_figure(figsize=(10, 4))
        left, right = figure.subplots(1, 2)
        left.bar(range(len(self.distance)), self.like().float().mean(1).tolist())
        left.xaxis.get_major_locator().set_params(integer=True)
        left.set(title=f"heads with distance below {self.threshold:g}", xlabel="layer", ylabel="share", ylim=(0, 1))
        heads = self.distance.shape[1]
        lags = range(-(self.lag_weights.shape[2] // 2), self.lag_weights.shape[2] // 2 + 1)
        for index in self.distance.flatten().argsort()[:6].tolist():
            place = divmod(index, heads)
            label = f"{place[0]}.{place[1]} ({float(self.distance[place]):.2f})"
            right.plot(lags, self.lag_weights[place].tolist(), marker="o", label=label)
        right.axvline(0, color="grey", linewidth=0.8)
        right.set(title="nearest heads", xlabel="lag from the matching token", ylabel="attention weight")
        right.legend(title="layer.head (distance)")
        return saved(figure, path)


class CmrHeads:
    """``probe(model)``: how much each head attends like human recall."""

    def __init__(self, config: CmrHeadsConfig) -> None:
        self.config = config

    def __call__(
        self, model: nn.Module, inputs: Inputs | None = None, *, begin: int | None = None, group: Group | None = None
    ) -> HeadRecall:
        """Run repeated random sequences and fit every head.

        Args:
            model: a causal model of transformers or of the zoo, in eval mode.
            inputs: (prompts, 2 N + 1) ids, a first token and the same N distinct tokens twice; random by default.
            begin: the first token; by default the model's.
            group: which attention layers; see ``sites.find_sites``.

        Raises:
            InputError: inputs that do not repeat, or fewer tokens than the sequence needs.
        """
        config = self.config
        ids = repeated(model, config, begin) if inputs is None else token_ids(model, inputs)
        curves = lag_curves(model, ids, config.max_lag, group=group)
        chosen = curves.lag_scores if config.curve == "scores" else curves.lag_weights
        layers, heads, lags = chosen.shape
        middle = lags // 2
        cut = chosen[..., middle - config.fit_lags : middle + config.fit_lags + 1].flatten(0, 1).double().numpy()
        grid = grid_of(config)
        found = fit(cut, grid.curves, config.fit_lags)
        best = found.best()
        rows = np.arange(len(cut))
        tables = (found.distances[rows, best], found.scales[rows, best], np.array([*map(gaussian_distance, cut)]))
        distance, scale, gaussian = (torch.from_numpy(table).view(layers, heads) for table in tables)
        return HeadRecall(
            **curves.arrays(),
            threshold=config.threshold,
            copying_score=copying_scores(model, group=group),
            distance=distance,
            parameters=torch.from_numpy(grid.parameters[best]).view(layers, heads, 3),
            scale=scale,
            gaussian_distance=gaussian,
        )


def repeated(model: nn.Module, config: CmrHeadsConfig, begin: int | None = None) -> Tensor:
    """Random sequences (prompts, 2 N + 1): a first token, N distinct tokens, and the same again."""
    settings = getattr(model, "config", None)
    vocabulary = getattr(settings, "vocab_size", None)
    if vocabulary is None:
        raise InputError(f"{type(model).__name__} does not say how many tokens it knows; give inputs")
    first = begin if begin is not None else getattr(settings, "bos_token_id", None)
    first = 0 if first is None else first
    others = torch.tensor([token for token in range(vocabulary) if token != first])
    if len(others) < config.repeat_length:
        raise InputError(f"{vocabulary} tokens are too few for {config.repeat_length} distinct ones; lower it")
    generator = torch.Generator().manual_seed(config.seed)
    orders = [
        others[torch.randperm(len(others), generator=generator)[: config.repeat_length]] for _ in range(config.prompts)
    ]
    rows = torch.stack(orders)
    return torch.cat((torch.full((config.prompts, 1), first), rows, rows), 1)


@torch.no_grad()
def lag_curves(model: nn.Module, ids: Tensor, max_lag: int, *, group: Group | None = None) -> Curves:
    """Curves and scores of all heads, one layer's attention at a time.

    Args:
        model: see ``CmrHeads``.
        ids: (prompts, 2 N + 1), see there.
        max_lag: largest lag; lags that no pair of positions has are 0.
        group: see there.
    """
    length = (ids.shape[1] - 1) // 2
    if ids.ndim != 2 or not length or not torch.equal(ids[:, 1 : length + 1], ids[:, length + 1 :]):
        raise InputError(f"ids of shape {tuple(ids.shape)} are no first token and a sequence twice")
    sites = find_sites(model, group=group)
    require_equal_heads(sites)
    found: dict[str, dict[str, list[Tensor]]] = {}

    def keep(site: Site, name: str, value: Tensor) -> None:
        found.setdefault(name, {}).setdefault(site.name, []).append(value.mean(0).float().cpu())

    def look(site: Site, weights: Tensor) -> None:
        keep(site, "lag_weights", _by_lag(weights, length, max_lag))
        queries = torch.arange(length + 1, 2 * length + 1, device=weights.device)
        keep(site, "induction_matching", weights[:, :, queries, queries - length + 1].mean(-1))
        keep(site, "duplicate_token", weights[:, :, queries, queries - length].mean(-1))
        keep(site, "previous_token", weights.diagonal(-1, 2, 3).mean(-1))

    def score(site: Site, query: Tensor, key: Tensor, value: Tensor) -> None:
        scale = getattr(site.module, "scaling", None)
        scaled = query * (site.head_dim**-0.5 if scale is None else scale)
        keep(site, "lag_scores", _by_lag(scaled @ repeat_heads(key, query.shape[1]).mT, length, max_lag))

    with attending(model, sites=sites, projections=score, weights=look):
        model(**as_inputs(model, ids))
    return Curves(**{name: torch.stack(in_order(sites, tables)) for name, tables in found.items()})


def _by_lag(table: Tensor, length: int, max_lag: int) -> Tensor:
    """(batch, heads, lags): mean of table[length + i, i + d] over 1 <= i, i + d <= length."""
    block = table[:, :, length + 1 :, 1 : length + 1]
    lags = range(-max_lag, max_lag + 1)
    empty = torch.zeros_like(table[:, :, 0, 0])
    means = [block.diagonal(lag, 2, 3).mean(-1) if abs(lag) < length else empty for lag in lags]
    return torch.stack(means, -1)


@torch.no_grad()
def copying_scores(model: nn.Module, *, group: Group | None = None) -> Tensor | None:
    """Sum of the eigenvalues of W_E W_V W_O W_U over that of their sizes, (layers, heads); no layer norm.

    The product's non-zero eigenvalues are those of the (head_dim, head_dim) matrix W_O W_U W_E W_V. None where the
    model has no linear head.
    """
    head = linear_head(model)
    if head is None:
        return None
    both = head.get_parameter("weight").double().T @ token_embeddings(model).get_parameter("weight").double()
    rows = []
    for site in find_sites(model, group=group):
        weights = head_weights(site)
        values = torch.linalg.eigvals(weights.output.double() @ both @ weights.value.double())
        rows.append(values.sum(-1).real / values.abs().sum(-1).clamp(min=1e-30))
    return torch.stack(rows)


def example(config: CmrHeadsConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny GPT-2 and random sequences."""
    model = tiny_model(
        "gpt2", seed=seed, vocab_size=max(97, config.repeat_length + 2), n_positions=2 * config.repeat_length + 1
    )
    sequences = CmrHeadsConfig(repeat_length=config.repeat_length, prompts=batch_size, seed=seed)
    return {"model": model, "inputs": repeated(model, sequences)}
