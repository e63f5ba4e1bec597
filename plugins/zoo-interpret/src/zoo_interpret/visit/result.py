"""What the probe returns: the graph as arrays and texts, its picture, and its page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.evidence.attention_plots import readable
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.named_arrays import NamedArrays, array
from zoo_interpret.visit.page import write_page

# Columns of a layer's kinds of nodes, from its input to its output.
COLUMNS = {
    "block_input": 0,
    "attn_input": 1,
    "query": 2,
    "head_query": 3,
    "head_key": 4,
    "head_value": 5,
    "head_output": 6,
    "mixed": 7,
    "output_neuron": 8,
    "output_bias": 8,
    "attn_output": 9,
    "residual": 10,
    "mlp_input": 11,
    "neuron_key": 12,
    "neuron_bias": 12,
    "neuron_value": 13,
    "feed_forward_bias": 13,
    "mlp_output": 14,
    "block_output": 15,
}


@dataclass(frozen=True)
class FlowGraph(NamedArrays):
    """The pass as a graph.

    Args:
        prompt: texts of the tokens.
        target: token whose rank is measured, and ``target_text``.
        names, kinds: of the nodes.
        layers: of the nodes.
        texts: of the nodes' tokens, the most likely first; of neurons that are active below zero the least likely.
        edge_source, edge_target: (edges,), numbers of nodes.
        edge_weight: (edges,), thickness.
        node_token: (nodes,), what each reads as.
        node_top, node_bottom: (nodes, tokens), the most and the least likely, in order.
        node_probability: (nodes, tokens), of ``node_top``.
        node_entropy: (nodes,), bits.
        node_rank: (nodes,), of the target, 1 for the most likely.
        node_norm: (nodes,).
        node_attention: (nodes,), weight of attended tokens, else NaN.
        logits: (vocabulary,), at the last token.
    """

    prompt: tuple[str, ...]
    target: int
    target_text: str
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    layers: tuple[int, ...]
    texts: tuple[tuple[str, ...], ...]
    edge_source: Tensor = array("edge")
    edge_target: Tensor = array("edge")
    edge_weight: Tensor = array("edge")
    node_token: Tensor = array("node")
    node_top: Tensor = array("node", "place")
    node_bottom: Tensor = array("node", "place")
    node_probability: Tensor = array("node", "place")
    node_entropy: Tensor = array("node")
    node_rank: Tensor = array("node")
    node_norm: Tensor = array("node")
    node_attention: Tensor = array("node")
    logits: Tensor = array("token")

    def to_dict(self) -> dict[str, Any]:
        """Arrays and texts; attention is None where there is none."""
        found = super().to_dict()
        found["node_attention"] = [None if value != value else value for value in found["node_attention"]]
        return found

    def places(self) -> list[tuple[int, int]]:
        """(column, row) of every node, layer after layer from left to right."""
        order = {layer: index for index, layer in enumerate(dict.fromkeys(self.layers))}
        filled: dict[int, int] = {}
        found = []
        for kind, layer in zip(self.kinds, self.layers, strict=True):
            column = COLUMNS[kind] + 16 * order[layer]
            found.append((column, filled.setdefault(column, 0)))
            filled[column] += 1
        return found

    def save(self, path: str | Path) -> Path:
        """Write the arrays, or with the suffix ``.html`` the interactive page; see ``NamedArrays.save``."""
        if Path(path).suffix == ".html":
            return write_page(self.to_dict(), self.places(), path)
        return super().save(path)

    def plot(self, path: str | Path | None = None) -> Any:
        """The graph from top to bottom, every node with its token; a matplotlib figure."""
        places = self.places()
        steps, across = (max(place[axis] for place in places) + 1 for axis in (0, 1))
        wide = {step: sum(place[0] == step for place in places) for step, _ in places}
        where = [((across - wide[step]) / 2 + place, step) for step, place in places]
        figure = new_figure(figsize=(min(0.95 * across + 2, 40), min(0.42 * steps + 1, 40)))
        axis = figure.subplots()
        widest = float(self.edge_weight.max()) if len(self.edge_weight) else 1.0
        for source, target, weight in zip(
            self.edge_source.tolist(), self.edge_target.tolist(), self.edge_weight.tolist(), strict=True
        ):
            (x1, y1), (x2, y2) = where[source], where[target]
            axis.plot([x1, x2], [y1, y2], color="tab:blue", alpha=0.25, linewidth=0.4 + 4 * weight / widest, zorder=1)
        for (x, y), rank, texts in zip(where, self.node_rank.tolist(), self.texts, strict=True):
            colour = "tab:green" if rank == 1 else "tab:olive" if rank <= 10 else "lightgrey"
            axis.text(
                x,
                y,
                readable(texts[0]).replace("$", r"\$")[:12],
                fontsize=9,
                ha="center",
                va="center",
                zorder=2,
                bbox={"boxstyle": "round,pad=0.15", "facecolor": colour, "edgecolor": "grey", "linewidth": 0.5},
            )
        by_step = {kind: step for kind, step in COLUMNS.items() if kind in self.kinds}
        ticks = sorted({step % 16 for step, _ in places})
        label = {step: kind.replace("_", " ") for kind, step in reversed(by_step.items())}
        axis.set_yticks(
            [step for step in range(steps) if step % 16 in ticks],
            [label.get(step % 16, "") for step in range(steps) if step % 16 in ticks],
            fontsize=10,
        )
        axis.set_xticks([])
        axis.invert_yaxis()
        axis.set_title(
            f"{''.join(self.prompt)!r} → {self.target_text!r}\ngreen: the target is first; olive: in the first ten"
        )
        axis.margins(0.08, 0.03)
        return saved(figure, path)
