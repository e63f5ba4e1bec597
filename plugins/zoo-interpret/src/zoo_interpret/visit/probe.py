"""The probe: a model and a prompt to the graph of its pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.inputs import Inputs, as_inputs, token_texts, tokenizer_of
from zoo.bridges.transformers.sites import find_blocks
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo_interpret.visit.config import VisitConfig
from zoo_interpret.visit.graph import Graph, build_graph
from zoo_interpret.visit.lens import Lens, entropy_bits, lens_of, rank_of
from zoo_interpret.visit.reading import read
from zoo_interpret.visit.result import FlowGraph

# Nodes that are read as tokens at a time: a vocabulary of numbers for each.
AT_ONCE = 64


class Visit:
    """``probe(model, prompt)``: the forward pass at the last token as a graph of readable states."""

    def __init__(self, config: VisitConfig) -> None:
        self.config = config

    @torch.no_grad()
    def __call__(
        self,
        model: nn.Module,
        inputs: Inputs,
        tokenizer: Any = None,
        *,
        layers: Sequence[int] | None = None,
        target: int | None = None,
    ) -> FlowGraph:
        """Run the model once per kind of state and build the graph.

        Args:
            model: a causal language model of transformers with norms before its parts.
            inputs: one prompt, a text or ids (1, length).
            tokenizer: for a text; with it nodes have their tokens' texts, else numbers.
            layers: which, in order; the last two by default.
            target: the token whose rank is measured; the model's prediction by default.

        Raises:
            InputError: more than one prompt, layers that the model has not, a target outside the vocabulary, or an
                architecture that is built otherwise.
        """
        tokenizer = tokenizer_of(model, tokenizer)
        arguments = as_inputs(model, inputs, tokenizer)
        ids = arguments.get("input_ids")
        if not isinstance(ids, Tensor) or ids.shape[0] != 1:
            raise InputError("a graph is of one prompt: give one text, or ids of shape (1, length)")
        mask = arguments.pop("attention_mask", None)
        if mask is not None and not bool(mask.all()):
            raise InputError("the prompt is padded; give it without padding")
        lens, count = lens_of(model), len(find_blocks(model))
        chosen = list(range(max(count - 2, 0), count)) if layers is None else list(layers)
        found, logits = read(model, arguments, chosen)
        token = int(logits.argmax()) if target is None else target
        if not 0 <= token < len(logits):
            raise InputError(f"target {token}: the vocabulary has {len(logits)} tokens")
        graph = build_graph(found, self.config)
        return _result(graph, lens, ids[0], token, logits, tokenizer, self.config.top_tokens)


def _result(
    graph: Graph, lens: Lens, ids: Tensor, target: int, logits: Tensor, tokenizer: Any, count: int
) -> FlowGraph:
    columns: list[tuple[Tensor, ...]] = []
    vectors = torch.stack([node.vector for node in graph.nodes])
    for part in vectors.split(AT_ONCE):
        probabilities = lens(part)
        likely = probabilities.topk(min(count, probabilities.shape[-1]), -1)
        unlikely = probabilities.topk(min(count, probabilities.shape[-1]), -1, largest=False)
        columns.append(
            (
                likely.indices,
                unlikely.indices,
                likely.values,
                entropy_bits(probabilities),
                rank_of(probabilities, target),
            )
        )
    top, bottom, probability, entropy, rank = (torch.cat(column) for column in zip(*columns, strict=True))
    negative = torch.tensor([node.negative for node in graph.nodes])
    read_as = torch.where(negative[:, None], bottom, top)

    def texts(row: Tensor) -> tuple[str, ...]:
        return tuple(token_texts(tokenizer, row)) if tokenizer is not None else tuple(map(str, row.tolist()))

    edges = list(zip(*graph.edges, strict=True))
    attention = [float("nan") if node.attention is None else node.attention for node in graph.nodes]
    return FlowGraph(
        texts(ids),
        target,
        texts(torch.tensor([target]))[0],
        tuple(node.name for node in graph.nodes),
        tuple(node.kind for node in graph.nodes),
        tuple(node.layer for node in graph.nodes),
        tuple(texts(row) for row in read_as),
        torch.tensor(edges[0]),
        torch.tensor(edges[1]),
        torch.tensor(edges[2]),
        read_as[:, 0],
        top,
        bottom,
        probability,
        entropy,
        rank,
        vectors.norm(dim=-1),
        torch.tensor(attention),
        logits,
    )


def example(config: VisitConfig, batch_size: int = 1, seed: int = 0) -> dict[str, Any]:
    """A tiny GPT-2 and one random prompt, whatever the batch size: a graph is of one."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 90, (1, 6), generator=generator)
    return {"model": tiny_model("gpt2", seed=seed), "inputs": {"input_ids": ids}}
