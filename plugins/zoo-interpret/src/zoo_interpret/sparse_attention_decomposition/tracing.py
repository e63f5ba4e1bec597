"""The probe: firings of heads, what made them, and the graph of who wrote it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.heads import Place
from zoo.bridges.transformers.inputs import Inputs
from zoo.bridges.transformers.progress import Log, patient
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo.evidence.attention_plots import head_tables
from zoo_interpret.named_arrays import NamedArrays, array
from zoo_interpret.sparse_attention_decomposition.config import SparseAttentionDecompositionConfig
from zoo_interpret.sparse_attention_decomposition.folding import Terms, augmented, kept_terms, largest_share
from zoo_interpret.sparse_attention_decomposition.running import Running, run

Side = Literal["destination", "source"]

# Relative difference up to which terms are the model's own score: a mechanism with more in its scores differs by far.
SAME = 1e-3


@dataclass(frozen=True)
class Edge:
    """An upstream head that wrote part of what made a head fire.

    Args:
        prompt: in the batch.
        upstream, downstream: (layer, head).
        token: where it was written.
        side: whether the firing head reads it as its destination or as its source.
        contribution: to the unscaled score.
        firing: row of the trace.
    """

    prompt: int
    upstream: Place
    downstream: Place
    token: int
    side: Side
    contribution: float
    firing: int


@dataclass(frozen=True)
class Trace(NamedArrays):
    """Firings of a batch of prompts, taken apart.

    Args:
        firings: (n, 5) int64.
        score: (n,), not divided by sqrt(head_dim).
        terms: (n, head_dim), in the order of descending singular values.
        terms_used: (n, head_dim), 1 where a term is kept.
        contributions_destination, contributions_source: (n, layers, heads), zero from the firing head's layer on.
        kept_destination, kept_source: the same, 1 where there is an edge.
    """

    firings: Tensor = array("firing", "prompt, layer, head, destination, source")
    score: Tensor = array("firing")
    terms: Tensor = array("firing", "term")
    terms_used: Tensor = array("firing", "term")
    contributions_destination: Tensor = array("firing", "layer", "head")
    contributions_source: Tensor = array("firing", "layer", "head")
    kept_destination: Tensor = array("firing", "layer", "head")
    kept_source: Tensor = array("firing", "layer", "head")

    def edges(self, firings: Collection[int] | None = None) -> Iterator[Edge]:
        """Edges into firings, into all by default."""
        rows = range(len(self.firings)) if firings is None else firings
        sides: tuple[tuple[Side, int, Tensor, Tensor], ...] = (
            ("destination", 3, self.kept_destination, self.contributions_destination),
            ("source", 4, self.kept_source, self.contributions_source),
        )
        for row in rows:
            firing = self.firings[row].tolist()
            for side, column, kept, contributions in sides:
                for layer, head in kept[row].nonzero().tolist():
                    value = float(contributions[row, layer, head])
                    yield Edge(firing[0], (layer, head), (firing[1], firing[2]), firing[column], side, value, row)

    def traced(self, start: Collection[int]) -> list[Edge]:
        """Edges into chosen firings, into the firings of their upstream heads at the tokens written, and so on."""
        by_place: dict[tuple[int, ...], list[int]] = {}
        for row, firing in enumerate(self.firings.tolist()):
            by_place.setdefault(tuple(firing[:4]), []).append(row)
        waiting, seen, found = list(start), set(start), []
        while waiting:
            for edge in self.edges([waiting.pop(0)]):
                found.append(edge)
                for row in by_place.get((edge.prompt, *edge.upstream, edge.token), []):
                    if row not in seen:
                        seen.add(row)
                        waiting.append(row)
        return found

    def graph(self, edges: Collection[Edge] | None = None) -> dict[str, list[dict[str, Any]]]:
        """Edges of all prompts together: heads as nodes; mean contribution, and count, from head to head and side."""
        sums: dict[tuple[Place, Place, Side], list[float]] = {}
        for edge in self.edges() if edges is None else edges:
            sums.setdefault((edge.upstream, edge.downstream, edge.side), []).append(edge.contribution)
        nodes = sorted({place for upstream, downstream, _ in sums for place in (upstream, downstream)})
        return {
            "nodes": [{"layer": layer, "head": head} for layer, head in nodes],
            "edges": [
                {
                    "from": list(upstream),
                    "to": list(downstream),
                    "side": side,
                    "weight": sum(values) / len(values),
                    "count": len(values),
                }
                for (upstream, downstream, side), values in sorted(sums.items())
            ],
        }

    def to_dict(self) -> dict[str, Any]:
        """The arrays, and the graph."""
        return {**super().to_dict(), "graph": self.graph()}

    def plot(self, path: str | Path | None = None) -> Any:
        """How often every head is upstream, and how many terms its own firings keep; a matplotlib figure."""
        shape = self.kept_source.shape[1:]
        counts, used = torch.zeros(shape), torch.zeros(shape)
        for firing, terms in zip(self.firings.tolist(), self.terms_used, strict=True):
            counts[firing[1], firing[2]] += 1
            used[firing[1], firing[2]] += terms.sum()
        upstream = (self.kept_source + self.kept_destination).sum(0)
        tables = {"firings": counts, "terms kept, mean": used / counts.clamp(min=1), "edges from it": upstream}
        return head_tables(tables, title="sparse attention decomposition", path=path)


class SparseAttentionDecomposition:
    """``probe(model, inputs)``: firings, the terms that make them up, and the upstream heads that wrote these."""

    def __init__(self, config: SparseAttentionDecompositionConfig) -> None:
        self.config = config

    def __call__(
        self,
        model: nn.Module,
        inputs: Inputs,
        tokenizer: Any = None,
        *,
        heads: Collection[Place] | None = None,
        log: Log | None = None,
    ) -> Trace:
        """Run the model and trace.

        Args:
            model: a decoder that normalises before its attention: GPT-2 and, with rotary positions, Llama and alike.
            inputs, tokenizer: see ``inputs.as_inputs``.
            heads: whose firings; of all by default.
            log: takes a line per firing; see ``progress``.

        Raises:
            InputError: an architecture whose scores are something else than its folded weights say.
        """
        return self.trace(run(model, inputs, tokenizer), type(model).__name__, heads, log)

    @torch.no_grad()
    def trace(
        self, running: Running, name: str, heads: Collection[Place] | None = None, log: Log | None = None
    ) -> Trace:
        """Trace a run of a model called ``name``."""
        rows: list[tuple[Tensor, ...]] = []
        log = patient(log)
        for firing in self._firings(running, heads):
            if self.config.most and len(rows) == self.config.most:
                break
            found = self._taken_apart(running, firing, name)
            if found is not None:
                rows.append(found)
                log(f"{len(rows)} {'firing' if len(rows) == 1 else 'firings'} taken apart")
        layers, count = len(running.sites), running.sites[0].num_heads
        if not rows:
            width, shape = running.sites[0].head_dim, (0, layers, count)
            tables = [torch.zeros(0), torch.zeros(0, width), torch.zeros(0, width)]
            tables += [torch.zeros(shape) for _ in range(4)]
            return Trace(torch.zeros(0, 5, dtype=torch.long), *tables)
        return Trace(*(torch.stack(column) for column in zip(*rows, strict=True)))

    def _firings(self, running: Running, heads: Collection[Place] | None) -> Iterator[tuple[int, ...]]:
        """(prompt, layer, head, destination, source), in this order."""
        config = self.config
        found = []
        for layer in range(config.first_layer, len(running.sites)):
            fires = (running.weights[layer] >= config.attention_threshold) & (running.scores[layer] >= 0)
            real = running.real[:, None, :, None] & running.real[:, None, None, :]
            fires = fires & real
            # The first tokens are the first that are no padding.
            late = running.real.cumsum(-1) > config.first_source
            fires = fires & late[:, None, None, :]
            found += [(prompt, layer, *rest) for prompt, *rest in fires.nonzero().tolist()]
        for firing in sorted(found):
            if heads is None or (firing[1], firing[2]) in heads:
                yield firing

    def _taken_apart(self, running: Running, firing: tuple[int, ...], name: str) -> tuple[Tensor, ...] | None:
        prompt, layer, head, destination, source = firing
        terms = terms_of(running, firing)
        values = terms.of(*states_of(running, firing))
        score, real = float(values.sum()), float(running.scores[layer][prompt, head, destination, source])
        if abs(score - real) > SAME * max(abs(real), float(values.abs().max()), 1.0):
            raise InputError(
                f"{name}: the score of head {layer}.{head} is {real:.3f}, its folded weights say {score:.3f}; its "
                "scores hold more than queries times keys (norms of them, biases), and have no such decomposition"
            )
        kept = kept_terms(values, self.config.fraction)
        if not bool(kept.any()):
            return None
        tables, edges = [], []
        for side, token in (("destination", destination), ("source", source)):
            contributions = self._contributions(running, firing, readout(terms, kept, running, firing, side), token)
            mask = torch.zeros_like(contributions)
            mask[:layer] = largest_share(contributions[:layer], self.config.upstream_threshold).to(mask.dtype)
            tables.append(contributions.float())
            edges.append(mask.float())
        return (
            torch.tensor(firing),
            values.sum().float(),
            values.float(),
            kept.float(),
            tables[0],
            tables[1],
            edges[0],
            edges[1],
        )

    @staticmethod
    def _contributions(running: Running, firing: tuple[int, ...], direction: Tensor, token: int) -> Tensor:
        """(layers, heads): what every head before the firing one wrote along a direction at a token."""
        prompt, layer = firing[:2]
        scale = running.norms[layer].scale(running.streams[layer][prompt, token])
        found = torch.zeros(len(running.sites), running.sites[0].num_heads, dtype=torch.double)
        for upstream in range(layer):
            written = running.writes(upstream, prompt, token)
            found[upstream] = augmented(written) @ direction / scale.double()
        return found


def terms_of(running: Running, firing: tuple[int, ...] | list[int]) -> Terms:
    """The singular terms of a firing's head at its offset."""
    _, layer, head, destination, source = firing
    return running.folded[layer].terms(head, destination - source)


def states_of(running: Running, firing: tuple[int, ...] | list[int]) -> tuple[Tensor, Tensor]:
    """The augmented normalised states (dim + 1,) of a firing's destination and source."""
    prompt, layer, _, destination, source = firing
    states = augmented(running.norms[layer].normalised(running.streams[layer][prompt]))
    return states[destination], states[source]


def readout(terms: Terms, kept: Tensor, running: Running, firing: tuple[int, ...], side: str) -> Tensor:
    """w_d or w_s (dim + 1,): what the kept terms read on a side."""
    destination, _ = states_of(running, firing)
    signs = (destination @ terms.left).sign()
    weights = signs * terms.singular.sqrt() * kept
    return (terms.left if side == "destination" else terms.right) @ weights


def example(config: SparseAttentionDecompositionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny GPT-2 with sharp attention, and random ids."""
    model = tiny_model("gpt2", seed=seed, n_layer=3)
    with torch.no_grad():
        for block in model.transformer.h:  # type: ignore[union-attr]
            block.attn.c_attn.weight.mul_(12.0)
            block.attn.c_proj.weight.mul_(20.0)
    generator = torch.Generator().manual_seed(seed)
    return {"model": model, "inputs": {"input_ids": torch.randint(3, 90, (batch_size, 9), generator=generator)}}
