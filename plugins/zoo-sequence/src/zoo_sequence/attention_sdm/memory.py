"""The memory: real neurons, expected intersections, or attention."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_sequence.attention_sdm.config import MemoryConfig
from zoo_sequence.attention_sdm.intersections import cap_intersection, fit_beta, intersection_table


def softmax_weights(patterns: Tensor, queries: Tensor, beta: float) -> Tensor:
    """softmax over patterns of beta cos: (m, B) of unit patterns (n, m) and queries (n, B)."""
    return (beta * (patterns.T @ queries)).softmax(0)


class SparseDistributedMemory(nn.Module):
    """A memory of patterns: ``write`` them, then call with noisy queries.

    Patterns are columns of 0 and 1, or unit columns; so are the queries of ``step`` and ``weights``, as in the
    theory. The module itself is called with one query per row.
    """

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__()
        self.config = config
        self.patterns: Tensor
        self.addresses: Tensor
        self.contents: Tensor
        self.writes: Tensor
        self.register_buffer("patterns", torch.zeros(config.n, 0), persistent=False)
        self.generator = torch.Generator().manual_seed(config.seed)
        exact = config.form == "intersection" and not config.continuous
        self.table: Tensor | None
        table = intersection_table(config.n, config.radius, config.neurons) if exact else None
        self.register_buffer("table", table, persistent=False)
        softmax = config.form == "attention"
        self.beta = fit_beta(config.n, config.radius, estimator=config.estimator)[0] if softmax else None
        if config.form == "neurons":
            shape = (config.neurons, config.n)
            self.register_buffer(
                "addresses", torch.randint(2, shape, generator=self.generator).float(), persistent=False
            )
            self.register_buffer("contents", torch.zeros(config.n, config.neurons), persistent=False)
            self.register_buffer("writes", torch.zeros(config.neurons), persistent=False)

    def write(self, patterns: Tensor) -> None:
        """Store patterns (n, m).

        Raises:
            InputError: another number of bits.
        """
        if patterns.ndim != 2 or patterns.shape[0] != self.config.n:
            raise InputError(f"patterns of shape {tuple(patterns.shape)}; expected ({self.config.n}, m)")
        if self.config.form == "neurons":
            active = self._active(patterns)
            self.contents += patterns.float() @ active
            self.writes += active.sum(0)
        self.patterns = torch.cat((self.patterns, patterns.to(self.patterns)), 1)

    def _active(self, points: Tensor) -> Tensor:
        """(m, r): which neurons lie within the radius of points (n, m)."""
        points = points.float()
        distance = points.sum(0)[:, None] + self.addresses.sum(1) - 2 * points.T @ self.addresses.T
        return (distance <= self.config.radius).float()

    def weights(self, queries: Tensor) -> Tensor:
        """Weight of every pattern for queries (n, B): (m, B), float64, not normalised for intersections."""
        config = self.config
        patterns, queries = self.patterns.double(), queries.double()
        if self.beta is not None:
            if not config.continuous:
                patterns, queries = unit_columns(patterns), unit_columns(queries)
            return softmax_weights(patterns, queries, self.beta)
        if self.table is None:
            cosines = (patterns.T @ queries).clamp(-1, 1)
            counts = cap_intersection(config.n, config.radius, config.neurons, cosines)
        else:
            distances = patterns.sum(0)[:, None] + queries.sum(0) - 2 * patterns.T @ queries
            counts = self.table.double()[distances.long()]
        if config.finite_neurons:
            whole = counts.floor()
            counts = whole + (torch.rand(counts.shape, generator=self.generator) < counts - whole)
        return counts

    def step(self, queries: Tensor) -> Tensor:
        """One update of queries (n, B); a continuous result is the weighted mean, not renormalised."""
        if self.config.form == "neurons":
            active = self._active(queries)
            total = active @ self.writes
            read = (self.contents @ active.T) / total.clamp(min=1)
            return torch.where(total > 0, (read > 0.5).to(queries.dtype), queries)
        weights = self.weights(queries)
        total = weights.sum(0)
        mean = (self.patterns.double() @ weights) / total.clamp(min=1e-300)
        new = mean if self.config.continuous else (mean > 0.5).double()
        return torch.where(total > 0, new.to(queries.dtype), queries)

    def forward(self, queries: Tensor) -> Tensor:
        """Retrieve: at most ``max_steps`` updates of queries (B, n), continuous ones renormalised between steps.

        Every query is updated until it has settled itself, whatever the others do.

        Raises:
            InputError: a program is traced (``torch.export``) of what runs outside of torch or draws at random.
        """
        self._require_traceable()
        start = queries.T
        found = self.step(start)
        moving = self._moving(found, start)
        for _ in range(self.config.max_steps - 1):
            # A program that is traced knows no numbers: there all steps are taken, and settled queries stay.
            if not (torch.compiler.is_compiling() or moving.any()):
                break
            start = functional.normalize(found, dim=0) if self.config.continuous else found
            updated = self.step(start)
            found = torch.where(moving, updated, found)
            moving = moving & self._moving(updated, start)
        return found.T

    def _moving(self, updated: Tensor, queries: Tensor) -> Tensor:
        """Which queries (B,) an update has changed by more than the tolerance."""
        change = (updated.double() - queries.double()).detach().abs().amax(0)
        return change > (self.config.epsilon if self.config.continuous else 0.0)

    def _require_traceable(self) -> None:
        if not torch.compiler.is_compiling():
            return
        if self.config.finite_neurons:
            raise InputError("finite_neurons=True draws from a generator of the memory's own: no program holds that")
        if self.config.continuous and self.config.form == "intersection":
            raise InputError(
                "intersections of caps are integrated by scipy, outside of torch: for a program take form='attention'"
            )


def unit_columns(bits: Tensor) -> Tensor:
    """Bits to unit vectors: 1 - 2v/n is their inner product."""
    return (2 * bits - 1) / math.sqrt(bits.shape[0])


def flipped(bits: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Bits (n,) with ``count`` of them, chosen at random, inverted."""
    chosen = torch.randperm(len(bits), generator=generator)[:count]
    return bits.index_put((chosen,), 1 - bits[chosen])


class RetrievalProjection(nn.Module):
    """A learned map W (n -> width) in whose space a fixed weighting of cosines retrieves; for images and the like.

    Train it on ``loss`` with perturbed queries: the mean squared error after one update.
    """

    def __init__(self, n: int, width: int, weighting: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.project = nn.Linear(n, width, bias=False)
        self.weighting = weighting

    def forward(self, patterns: Tensor, queries: Tensor) -> Tensor:
        """One update of queries (B, n) over patterns (m, n)."""
        keys, asked = (functional.normalize(self.project(x), dim=-1) for x in (patterns, queries))
        weights = self.weighting(asked @ keys.T)
        return weights / weights.sum(-1, keepdim=True) @ patterns

    def loss(self, patterns: Tensor, queries: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error of the retrieved targets (B, n)."""
        return functional.mse_loss(self(patterns, queries), targets)


def example(config: MemoryConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random queries; the memory is empty, so they come back unchanged."""
    generator = torch.Generator().manual_seed(seed)
    return {"queries": torch.randint(2, (batch_size, config.n), generator=generator).float()}
