"""Queries, keys, values and outputs of heads in the space of the residual stream."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_interpret.visit.reading import Layer


def head_outputs(layer: Layer) -> Tensor:
    """z W_O,h (heads, dim)."""
    return torch.einsum("hd,hdm->hm", layer.states["mixed"], layer.weights.output)


def memory_values(layer: Layer) -> Tensor:
    """v_j W_O,h (tokens, heads, dim)."""
    return torch.einsum("thd,hdm->thm", layer.value, layer.weights.output)


def queries(layer: Layer) -> Tensor:
    """W_K,h q (heads, dim)."""
    return torch.einsum("hmd,hd->hm", layer.weights.key, layer.query)


def memory_keys(layer: Layer) -> Tensor:
    """W_Q,h k_j (tokens, heads, dim)."""
    return torch.einsum("hmd,thd->thm", layer.weights.query, layer.key)


def coded_queries(layer: Layer) -> Tensor:
    """What the reference multiplies for queries: of GPT-2, whose weights are (in, out), rows instead of columns."""
    if isinstance(layer.site.output, nn.Linear):
        return queries(layer)
    return torch.einsum("hd,hdm->hm", layer.query, _rows(layer.weights.key, layer))


def coded_memory_keys(layer: Layer) -> Tensor:
    """What the reference multiplies for keys: of models of nn.Linear, whose weights are (out, in), the wrong side."""
    if not isinstance(layer.site.output, nn.Linear):
        return memory_keys(layer)
    return torch.einsum("thd,hdm->thm", layer.key, _rows(layer.weights.query, layer))


def coded_query(layer: Layer) -> Tensor:
    """All heads' queries at once (dim,), as the reference multiplies them."""
    return coded_queries(layer).sum(0)


def _rows(weights: Tensor, layer: Layer) -> Tensor:
    """(heads, dim, head_dim) as the square matrix that it was, and its rows by heads (heads, head_dim, dim)."""
    whole = weights.movedim(0, 1).flatten(1)
    if whole.shape[0] != whole.shape[1]:
        raise InputError(f"{layer.site.name}: the reference's products need as many head features as the stream has")
    return whole.unflatten(0, (layer.site.num_heads, layer.site.head_dim))
