"""Which heads a token reads and with what weight, and how only those are evaluated.

``Router`` makes the gates; ``gated_heads`` multiplies heads by them and leaves out what no gate lets through;
``softmax_heads`` is ordinary attention in the form that ``gated_heads`` asks for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.nn.attention import dense_attention, scores
from zoo.nn.heads import repeat_heads
from zoo.nn.masks import expand_mask, masked_softmax
from zoo.nn.precision import unrounded

# Queries of a causal head that share one key range: few enough that not many keys beyond a query are computed.
_CAUSAL_BLOCK = 64


@dataclass(frozen=True)
class Routing:
    """The decision of one layer.

    Args:
        gates: (batch, tokens, heads), the shared heads first; 0 where a head is not chosen.
        probabilities: (batch, tokens, pool), softmax scores of the routed pool before the choice.
        chosen: (batch, tokens, pool) boolean. Both are None in a layer that routes nothing.
    """

    gates: Tensor
    probabilities: Tensor | None = None
    chosen: Tensor | None = None

    @property
    def num_shared(self) -> int:
        """Heads that every token reads."""
        return self.gates.shape[-1] - (0 if self.chosen is None else self.chosen.shape[-1])

    def imbalance(self) -> Tensor | None:
        """h_r^2 mean_i(P_i f_i), k when every pool head is used alike, more when not; None where nothing is routed."""
        if self.probabilities is None or self.chosen is None:
            return None
        probability = self.probabilities.mean((0, 1))
        frequency = self.chosen.to(probability.dtype).mean((0, 1))
        return (probability * frequency).mean() * self.chosen.shape[-1] ** 2


def balance_loss(routings: Iterable[Routing], coefficient: float = 0.01) -> Tensor:
    """Load-balance loss of a model: the coefficient times the mean imbalance of its routing layers.

    Args:
        routings: what the layers appended to the ``routings`` list of a forward pass.
        coefficient: beta of the paper.
    """
    terms = [term for routing in routings if (term := routing.imbalance()) is not None]
    return coefficient * torch.stack(terms).mean() if terms else torch.zeros(())


class Router(nn.Module):
    """Gates of shared and routed heads, from the layer's input.

    Args:
        dim: width of the input.
        num_heads: all heads.
        shared_heads: h_s, always on.
        routed_heads: k, chosen per token among the other heads; 0 where all heads are shared.
    """

    def __init__(self, dim: int, num_heads: int, shared_heads: int, routed_heads: int) -> None:
        super().__init__()
        self.shared_heads = shared_heads
        self.routed_heads = routed_heads
        self.shared = nn.Linear(dim, shared_heads, bias=False) if shared_heads > 1 else None
        self.pool = nn.Linear(dim, num_heads - shared_heads, bias=False) if routed_heads else None
        self.balance = nn.Linear(dim, 2, bias=False) if routed_heads and shared_heads else None

    def forward(self, x: Tensor) -> Routing:
        """(batch, tokens, dim) to gates; softmax in at least float32."""
        # Which heads are chosen must not hang on the rounding of half precision.
        with unrounded(x):
            weight = next(self.parameters(), x)
            return self._gates(x.to(weight.dtype), x.dtype)

    def _gates(self, x: Tensor, dtype: torch.dtype) -> Routing:
        work = torch.promote_types(x.dtype, torch.float32)
        if self.shared is None:
            shared = x.new_ones(*x.shape[:-1], self.shared_heads, dtype=work)
        else:
            shared = self.shared(x).softmax(-1, dtype=work) * self.shared_heads
        if self.pool is None:
            return Routing(shared.to(dtype))
        probabilities = self.pool(x).softmax(-1, dtype=work)
        chosen = choose(probabilities, self.routed_heads)
        kept = probabilities * chosen
        routed = kept / kept.sum(-1, keepdim=True).clamp(min=torch.finfo(work).eps) * self.routed_heads
        if self.balance is not None:
            balance = self.balance(x).softmax(-1, dtype=work) * 2
            shared, routed = shared * balance[..., :1], routed * balance[..., 1:]
        return Routing(torch.cat((shared, routed), -1).to(dtype), probabilities, chosen)


def choose(ranks: Tensor, count: int) -> Tensor:
    """Boolean of the shape of ``ranks``: the ``count`` largest of the last axis."""
    best = ranks.topk(count, dim=-1).indices
    return torch.zeros_like(ranks, dtype=torch.bool).scatter(-1, best, True)


# Attention heads that can be evaluated in part: heads(which, rows) gives (batch, heads, queries, head_dim) of the heads
# ``which`` at the queries ``rows``: their positions (batch, n), for a single head, or None for all queries.
Heads = Callable[[slice, Tensor | None], Tensor]


def gated_heads(routing: Routing, heads: Heads, *, skip: bool = True) -> Tensor:
    """Every head times its gate: (batch, heads, queries, head_dim).

    Shared heads are evaluated for all queries. A routed head is evaluated for the queries that chose it: they
    are gathered, padded to the largest count in the batch, and their outputs scattered back. A program that is compiled
    or exported computes every head for every query: how many chose one is not known when it is written.

    Args:
        routing: the layer's decision.
        heads: the heads to evaluate.
        skip: whether unchosen heads are left out; False computes all of them and multiplies by zero.
    """
    gates = routing.gates.transpose(1, 2)[..., None]
    if routing.chosen is None or not skip or torch.compiler.is_compiling():
        return heads(slice(None), None) * gates
    shared = routing.num_shared
    parts = [heads(slice(shared), None) * gates[:, :shared]] if shared else []
    for head in range(shared, gates.shape[1]):
        rows = _chosen_rows(routing.chosen[..., head - shared])
        index = rows[:, None, :, None]
        output = heads(slice(head, head + 1), rows)
        output = output * gates[:, head : head + 1].gather(2, index)
        empty = output.new_zeros(*output.shape[:2], gates.shape[2], output.shape[-1])
        parts.append(empty.scatter(2, index.expand_as(output), output))
    return torch.cat(parts, 1)


def _chosen_rows(chosen: Tensor) -> Tensor:
    """(batch, n) positions of True in (batch, queries), in order, then others (their gates are 0) as padding."""
    count = int(chosen.sum(1).max()) if chosen.numel() else 0
    return (~chosen).byte().argsort(dim=1, stable=True)[:, :count]


def softmax_heads(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> Heads:
    """Ordinary attention as ``Heads``; arguments as ``zoo.nn.attention.dense_attention``."""
    (batch, count, queries, _), keys = query.shape, key.shape[2]
    if count != key.shape[1]:
        key, value = (repeat_heads(tensor, count) for tensor in (key, value))
    mask = expand_mask(attn_mask, batch=batch, heads=count, queries=queries, keys=keys)

    def heads(which: slice, rows: Tensor | None) -> Tensor:
        q, k, v = query[:, which], key[:, which], value[:, which]
        visible = mask[:, which] if mask is not None and mask.shape[1] > 1 else mask
        if rows is None:
            return dense_attention(q, k, v, visible, causal=causal, scale=scale)
        return _attend_rows(q, k, v, rows, visible, causal=causal, scale=scale)

    return heads


def _attend_rows(
    query: Tensor, key: Tensor, value: Tensor, rows: Tensor, mask: Tensor | None, *, causal: bool, scale: float | None
) -> Tensor:
    """One head (batch, 1, ...) at the queries ``rows`` (batch, n): (batch, 1, n, head_dim)."""
    queries, keys = query.shape[2], key.shape[2]
    picked = query.gather(2, rows[:, None, :, None].expand(-1, -1, -1, query.shape[-1]))
    if mask is not None:
        mask = _pick_rows(mask, rows, queries)
    if not causal:
        return dense_attention(picked, key, value, mask, scale=scale)
    if not rows.shape[1]:
        return picked
    picked = picked * (query.shape[-1] ** -0.5 if scale is None else scale)
    # The fused kernel knows no causal order of scattered queries, and is slow where a mask spells it out.
    last = rows + (keys - queries)
    parts = last.split(_CAUSAL_BLOCK, 1)
    edges = torch.stack([torch.stack((part.min(), part.max())) + 1 for part in parts]).tolist()
    outputs = []
    for index, (everyone, someone) in enumerate(edges):
        block = slice(index * _CAUSAL_BLOCK, (index + 1) * _CAUSAL_BLOCK)
        logits = scores(picked[:, :, block], key[:, :, :someone])
        later = torch.arange(everyone, someone, device=rows.device) > parts[index][:, None, :, None]
        logits[..., everyone:].masked_fill_(later, -math.inf)
        seen = mask if mask is None or mask.shape[2] == 1 else mask[:, :, block]
        weights = masked_softmax(logits, seen if seen is None else seen[..., :someone])
        outputs.append(weights.to(value.dtype) @ value[:, :, :someone])
    return torch.cat(outputs, 2)


def _pick_rows(mask: Tensor, rows: Tensor, queries: int) -> Tensor:
    """(batch, 1, n|1, keys) of a mask (batch|1, 1, queries|1, keys)."""
    if mask.shape[2] == 1:
        return mask.expand(rows.shape[0], -1, -1, -1)
    index = rows[:, None, :, None].expand(-1, -1, -1, mask.shape[-1])
    return mask.expand(rows.shape[0], -1, queries, -1).gather(2, index)
