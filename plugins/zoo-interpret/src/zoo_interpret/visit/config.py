"""The schema of the probe."""

from __future__ import annotations

from dataclasses import dataclass

import zoo


@dataclass
class VisitConfig:
    """Config of the probe; thicknesses of edges are the reference's."""

    heads: int = zoo.field(10, "heads of every layer, those of the largest output; -1: all", minimum=-1)
    values_per_head: int = zoo.field(2, "tokens of every head, those it attends to most", minimum=0)
    top_neurons: int = zoo.field(18, "neurons of the largest contribution", minimum=0)
    bottom_neurons: int = zoo.field(7, "neurons of the smallest contribution", minimum=0)
    digits: int = zoo.field(3, "digits that norms and weights are rounded to", minimum=0)
    top_tokens: int = zoo.field(10, "tokens that every node is read as, and least likely ones", minimum=1)
    compat: str = zoo.field(
        "correct",
        "queries in embedding space, or the products that the reference codes",
        choices=("correct", "reference"),
    )
    default_weight: float = zoo.field(7.0, "edges from a state to a neuron", minimum=0.0)
    attention_factor: float = zoo.field(10.0, "edges to attended tokens, times attention", minimum=0.0)
    head_output_factor: float = zoo.field(1.8, "edges from heads, times norm", minimum=0.0)
    head_query_factor: float = zoo.field(0.2, "edges to heads' queries, times norm", minimum=0.0)
    memory_factor: float = zoo.field(1.3, "edges from values, times attention and norm", minimum=0.0)
    neuron_factor: float = zoo.field(1.5, "edges from a neuron's key to its value, times activation", minimum=0.0)
