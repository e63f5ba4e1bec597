"""Nodes and edges of the pass, in the reference's order and with its thicknesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zoo_interpret.visit.circuits import (
    coded_memory_keys,
    coded_queries,
    head_outputs,
    memory_keys,
    memory_values,
    queries,
)
from zoo_interpret.visit.config import VisitConfig
from zoo_interpret.visit.reading import Layer

# Edges of attended tokens are at least this thick.
THINNEST = 0.51


@dataclass(frozen=True)
class Node:
    """A vector of the pass.

    Args:
        name: for people.
        kind: such as "block_input" or "head_key".
        layer: its number.
        vector: (dim,).
        negative: whether it reads as its least likely token, as a neuron does that is active below zero.
        head, token, neuron: which, of the kinds that have one.
        attention: weight, of attended tokens.
    """

    name: str
    kind: str
    layer: int
    vector: Tensor
    negative: bool = False
    head: int | None = None
    token: int | None = None
    neuron: int | None = None
    attention: float | None = None


@dataclass
class Graph:
    """Nodes, and edges (source, target, thickness) between their numbers."""

    nodes: list[Node] = field(default_factory=list)
    edges: list[tuple[int, int, float]] = field(default_factory=list)

    def add(self, node: Node) -> int:
        """Add a node and give its number."""
        self.nodes.append(node)
        return len(self.nodes) - 1

    def connect(self, source: int, target: int, weight: float) -> None:
        """Add an edge."""
        self.edges.append((source, target, abs(weight)))


def build_graph(layers: Sequence[Layer], config: VisitConfig) -> Graph:
    """The graph of some layers, each standing on the one before it in the list."""
    graph = Graph()
    before: int | None = None
    norm_before: float | None = None
    for layer in layers:
        builder = _Builder(graph, layer, config)
        before = builder.block(before, norm_before)
        # The reference does not refresh the norm that it keeps of a block's input.
        norm_before = builder.norm(layer.states["block_input"]) if config.compat == "reference" else None
    return graph


class _Builder:
    def __init__(self, graph: Graph, layer: Layer, config: VisitConfig) -> None:
        self.graph, self.layer, self.config = graph, layer, config

    def norm(self, vector: Tensor) -> float:
        return round(float(vector.norm()), self.config.digits)

    def _node(self, kind: str, vector: Tensor, name: str = "", **options: object) -> int:
        number = self.layer.number
        return self.graph.add(Node(name or f"{number}) {kind}", kind, number, vector, **options))  # type: ignore[arg-type]

    def block(self, before: int | None, norm_before: float | None) -> int:
        """Add a layer's nodes and edges, and give the node of its output."""
        states, layer, connect = self.layer.states, self.layer, self.graph.connect
        start = self._node("block_input", states["block_input"]) if before is None else before
        entering = self.norm(states["block_input"]) if norm_before is None else norm_before
        names = ["attn_input", "attn_output", "residual", "mlp_input", "mlp_output", "block_output"]
        if layer.parallel:
            names.remove("residual")
        if layer.shared_norm:
            names.remove("mlp_input")
        node = {name: self._node(name, states[name]) for name in names}
        node.setdefault("mlp_input", node["attn_input"])
        norms = {name: self.norm(states[name]) for name in names}
        connect(start, node["attn_input"], entering)
        if layer.parallel:
            if not layer.shared_norm:
                connect(start, node["mlp_input"], entering)
            connect(node["attn_output"], node["block_output"], norms["attn_output"])
            connect(start, node["block_output"], entering)
            connect(node["mlp_output"], node["block_output"], norms["mlp_output"])
        else:
            connect(node["attn_output"], node["residual"], norms["attn_output"])
            connect(start, node["residual"], entering)
            connect(node["residual"], node["mlp_input"], norms["residual"])
            connect(node["mlp_output"], node["block_output"], norms["mlp_output"])
            connect(node["residual"], node["block_output"], norms["residual"])
        self._attention(node["attn_input"], node["attn_output"])
        self._feed_forward(node["mlp_input"], node["mlp_output"])
        return node["block_output"]

    def _attention(self, start: int, end: int) -> None:
        layer, config, connect = self.layer, self.config, self.graph.connect
        states = layer.states
        coded = config.compat == "reference"
        in_space = (coded_queries if coded else queries)(layer)
        keys, values = (coded_memory_keys if coded else memory_keys)(layer), memory_values(layer)
        outputs = head_outputs(layer)
        whole = self._node("query", in_space.sum(0), f"{layer.number}) query of all heads")
        mixed = self._node(
            "mixed",
            _widened(states["mixed"].flatten(), states["attn_output"]),
            f"{layer.number}) heads' outputs before W_O",
        )
        connect(start, whole, self.norm(states["attn_input"]))
        sizes = states["mixed"].norm(dim=-1)
        count = len(sizes) if config.heads == -1 else min(config.heads, len(sizes))
        for head in sorted(sizes.topk(count).indices.tolist()):
            name = f"{layer.number}) head {head}"
            query = self._node("head_query", in_space[head], f"{name}: query", head=head)
            output = self._node("head_output", outputs[head], f"{name}: output", head=head)
            connect(whole, query, config.head_query_factor * self.norm(in_space[head]))
            connect(output, mixed, config.head_output_factor * self.norm(outputs[head]))
            attention = layer.attention[head]
            tokens = attention.topk(min(config.values_per_head, len(attention))).indices.tolist()
            for token in tokens:
                weight = round(float(attention[token]), config.digits)
                options = {"head": head, "token": token, "attention": weight}
                key = self._node("head_key", keys[token, head], f"{name}: key {token}", **options)
                value = self._node("head_value", values[token, head], f"{name}: value {token}", **options)
                thickness = max(config.attention_factor * weight, THINNEST)
                connect(query, key, thickness)
                connect(key, value, thickness)
                norm = self.norm(values[token, head])
                connect(value, output, max(config.memory_factor * weight * norm, THINNEST))
        rows = layer.weights.output.flatten(0, 1)
        activations = states["mixed"].flatten()
        for neuron in _extreme(activations * rows.norm(dim=-1), config):
            active = float(activations[neuron])
            head = neuron // layer.site.head_dim
            number = self._node(
                "output_neuron",
                rows[neuron],
                f"{layer.number}) W_O row {neuron} (head {head}), activation {active:.3f}",
                negative=active < 0,
                neuron=neuron,
                head=head,
            )
            connect(mixed, number, config.default_weight)
            connect(number, end, round(abs(active) * float(rows[neuron].norm()), config.digits))
        if getattr(layer.site.output, "bias", None) is not None:
            bias = layer.weights.output_bias
            number = self._node("output_bias", bias, f"{layer.number}) bias of W_O")
            connect(mixed, number, config.default_weight)
            connect(number, end, self.norm(bias))

    def _feed_forward(self, start: int, end: int) -> None:
        layer, config, connect = self.layer, self.config, self.graph.connect
        parts, activations = layer.feed_forward, layer.states["activation"]
        for neuron in _extreme(activations * parts.values.norm(dim=-1), config):
            active = float(activations[neuron])
            name, size = f"{layer.number}) neuron {neuron}, activation {active:.3f}", float(parts.values[neuron].norm())
            key = self._node("neuron_key", parts.keys[neuron], f"{name}: key", neuron=neuron)
            value = self._node(
                "neuron_value", parts.values[neuron], f"{name}: value", neuron=neuron, negative=active < 0
            )
            connect(key, value, config.neuron_factor * round(abs(active), config.digits))
            connect(start, key, config.default_weight)
            connect(value, end, round(abs(active) * size, config.digits))
        if parts.key_bias is not None and parts.value_bias is not None:
            first = self._node("neuron_bias", parts.key_bias @ parts.values, f"{layer.number}) bias of W_1")
            second = self._node("feed_forward_bias", parts.value_bias, f"{layer.number}) bias of W_2")
            connect(first, second, 0.05)
            connect(start, first, config.default_weight)
            connect(second, end, self.norm(parts.value_bias))


def _extreme(scores: Tensor, config: VisitConfig) -> list[int]:
    """Neurons of the largest scores, the largest first, then those of the smallest, the smallest first."""
    top = scores.topk(min(config.top_neurons, len(scores))).indices.tolist()
    bottom = scores.topk(min(config.bottom_neurons, len(scores)), largest=False).indices.tolist()
    return [*top, *bottom]


def _widened(vector: Tensor, like: Tensor) -> Tensor:
    """Heads' outputs side by side, read as if they were a state: cut, or filled up with zeros, to its width."""
    if len(vector) >= len(like):
        return vector[: len(like)]
    return torch.cat((vector, like.new_zeros(len(like) - len(vector))))
