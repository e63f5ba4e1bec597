"""Posteriors over the parent of a query, and expectations under them, in blocks of queries.

Nothing here makes a (length, length) matrix: where torch's fused attention can compute an expectation it does, and
where it cannot (two hops, hard choices, windows) a block of queries is taken at a time, with the parents it can have.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.attention import dense_attention
from zoo.nn.blocks import blocks
from zoo.nn.masks import masked_softmax
from zoo.nn.precision import unrounded
from zoo_sequence.linear_attention import linear_attention
from zoo_sequence.marginal_attention.config import StructuralAttentionConfig

BLOCK = 256


def posterior(log_potential: Tensor, log_prior: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
    """a (..., Q, K) from log psi and log p, both broadcastable; masked edges have prior zero.

    A query without any possible parent gets zeros.
    """
    scores = log_potential if log_prior is None else log_potential + log_prior
    return masked_softmax(scores, mask)


def multihop(weights: Tensor, value: Tensor, value2: Tensor, factor: float) -> Tensor:
    """E [ V x_{phi_i} + factor V2 x_{phi_{phi_i}} ] under independent parents, exactly.

    Args:
        weights: a (..., N, N).
        value, value2: V x and V2 x (..., N, d).
        factor: lambda.
    """
    own = weights.diagonal(dim1=-2, dim2=-1)[..., None]
    hop = weights @ value2
    return weights @ (value + factor * hop) + factor * own * (value2 - hop)


@dataclass(frozen=True)
class Expansion:
    """Inference of a geometric prior over the distance to the parent.

    Args:
        weights: a (..., Q, K) of the last round.
        rate: q (..., Q) after it.
        window: distances read for each query in the last round (..., Q).
        settled: whether every round of a query could stop before the first key it was given (..., Q).
    """

    weights: Tensor
    rate: Tensor
    window: Tensor
    settled: Tensor


def expanding(
    log_potential: Tensor,
    lag: Tensor,
    alpha: float,
    beta: float,
    iterations: int,
    mask: Tensor | None = None,
    *,
    largest: Tensor | None = None,
    epsilon: float = 0.0,
) -> Expansion:
    """Posterior under a geometric prior q (1 - q)^t over the distance t >= 0, q ~ Beta(alpha, beta), mean field.

    Distances are read from 0 on; what lies beyond W has at most prior mass (1 - q)^(W + 1) and potential
    exp(largest), and reading stops when that is below ``epsilon`` times the evidence so far.

    Args:
        log_potential: (..., Q, K), keys in order, so that the distance falls along a row.
        lag: distances (Q, K); negative ones are impossible.
        alpha, beta: of the Beta prior; q starts at its mean.
        iterations: rounds of (edges given q, q given edges).
        mask: edges that are possible, besides those of negative distance.
        largest: upper bound of the log potentials of a query (..., Q), such as |q| max |k| / sqrt(d).
        epsilon: relative bound; 0 reads everything.
    """
    possible = lag >= 0 if mask is None else (lag >= 0) & mask
    distance = lag.clamp(min=0).to(log_potential.dtype)
    rate = log_potential.new_full(log_potential.shape[:-1], alpha / (alpha + beta))
    weights, read = log_potential, possible
    stops = largest is not None and epsilon > 0 and log_potential.shape[-1] > 0
    settled = torch.full_like(rate, stops, dtype=torch.bool)
    for _ in range(iterations):
        prior = rate.log()[..., None] + distance * torch.log1p(-rate)[..., None]
        read = possible
        if largest is not None and stops:
            with torch.no_grad():
                # Relative to the bound, so that nothing overflows.
                joint = (log_potential + prior - largest[..., None]).masked_fill(~possible, -math.inf)
                evidence = joint.exp().flip(-1).cumsum(-1).flip(-1)
                rest = torch.exp((distance + 1) * torch.log1p(-rate)[..., None])
                certain = (rest < epsilon * evidence) & (lag >= 0)
            settled = settled & certain[..., 0]
            # A distance is read unless the one before it was already enough.
            read = possible & ~functional.pad(certain[..., 1:], (0, 1))
        weights = posterior(log_potential, prior, read)
        rate = (alpha + 1) / (alpha + beta + 1 + (weights * distance).sum(-1))
    return Expansion(weights, rate, read.expand_as(weights).sum(-1), settled)


@dataclass(frozen=True)
class Edges:
    """The posterior over the edges of a layer.

    Args:
        query: (batch, heads, Q, d).
        key: (batch, heads, K, d).
        mask: boolean, broadcastable to (batch, heads, Q, K), or None.
        causal: whether parents after the query have prior zero; the last query sees every key.
        scale: of the dot potential.
        config: prior and potential.
        log_prior: the learned part of the prior.
    """

    query: Tensor
    key: Tensor
    mask: Tensor | None
    causal: bool
    scale: float
    config: StructuralAttentionConfig
    log_prior: Tensor | None = None
    _factors: tuple[Tensor, Tensor] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Once for all blocks, and not as a cached property, whose lock compilers cannot follow.
        object.__setattr__(self, "_factors", self._compared())

    def expectation(self, value: Tensor) -> Tensor:
        """sum_j a_ij value_j, (batch, heads, Q, d)."""
        config = self.config
        if config.hard == "no" and config.prior not in ("window", "expanding"):
            if config.potential != "linear":
                return self._fused(value)
            uniform = config.prior == "uniform" and (self.mask is None or self.mask.shape[2] == 1)
            if uniform and (not self.causal or self.query.shape[2] == self.key.shape[2]):
                return self._linear(value)
        return torch.cat([weights @ value[:, :, keys] for _, keys, weights in self.blocks()], 2)

    def expectation_of_two_hops(self, value: Tensor, value2: Tensor, factor: float) -> Tensor:
        """``multihop``, without the whole a; queries are the parents."""
        # A sampled structure must be the same on both hops.
        sampled = list(self.blocks()) if self.config.hard == "sample" else None
        hop = torch.cat([weights @ value2[:, :, keys] for _, keys, weights in sampled or self.blocks()], 2)
        both, rest, outputs = value + factor * hop, factor * (value2 - hop), []
        for rows, keys, weights in sampled or self.blocks():
            own = weights.diagonal(offset=rows.start - keys.start, dim1=-2, dim2=-1)[..., None]
            outputs.append(weights @ both[:, :, keys] + own * rest[:, :, rows])
        return torch.cat(outputs, 2)

    def matrix(self) -> Tensor:
        """a (batch, heads, Q, K)."""
        last = self.key.shape[2]
        padded = [functional.pad(weights, (keys.start, last - keys.stop)) for _, keys, weights in self.blocks()]
        return torch.cat(padded, 2)

    def blocks(self) -> Iterator[tuple[slice, slice, Tensor]]:
        """Queries, the parents they can have, and the posterior (batch, heads, queries, parents) between them."""
        for rows in blocks(0, self.query.shape[2], BLOCK):
            if self.config.prior == "expanding":
                keys, weights = self._expanding(rows)
            else:
                keys = self._reachable(rows)
                weights = self._soft(rows, keys)
            yield rows, keys, self._decided(weights).to(self.query.dtype)

    @property
    def _offset(self) -> int:
        return max(0, self.key.shape[2] - self.query.shape[2])

    def _reachable(self, rows: slice) -> slice:
        last, reach = self.key.shape[2], self.config.window
        windowed = self.config.prior == "window"
        first = max(0, rows.start + self._offset - reach) if windowed else 0
        end = rows.stop + self._offset
        stop = end if self.causal else end + reach if windowed else last
        return slice(min(first, last), min(stop, last))

    def _lag(self, rows: slice, keys: slice) -> Tensor:
        device = self.key.device
        queries = torch.arange(rows.start, rows.stop, device=device) + self._offset
        return queries[:, None] - torch.arange(keys.start, keys.stop, device=device)

    def _given(self, rows: slice, keys: slice) -> Tensor | None:
        """The mask's part for a block."""
        if self.mask is None:
            return None
        return self.mask[:, :, rows if self.mask.shape[2] > 1 else slice(None), keys]

    def _possible(self, rows: slice, keys: slice) -> Tensor | None:
        """Where the prior is not zero: mask, causality, window."""
        lag, found = self._lag(rows, keys), self._given(rows, keys)
        if self.causal:
            found = lag >= 0 if found is None else found & (lag >= 0)
        if self.config.prior == "window":
            near = lag.abs() <= self.config.window
            found = near if found is None else found & near
        return found

    def _bias(self, rows: slice, keys: slice) -> Tensor | None:
        """log p (heads, queries, parents) of the priors that prefer some parents."""
        kind = self.config.prior
        if kind == "alibi":
            slopes = 2.0 ** (-8.0 * torch.arange(1, self.config.num_heads + 1) / self.config.num_heads)
            return -slopes.to(self.query)[:, None, None] * self._lag(rows, keys).abs()
        if self.log_prior is None or kind not in ("t5", "table"):
            return None
        reach = self.config.max_length
        if kind == "t5":
            return self.log_prior[:, self._lag(rows, keys).clamp(-reach, reach) + reach]
        longest = max(self.query.shape[2], self.key.shape[2])
        if longest > reach:
            raise InputError(f"{longest} tokens, but the table has max_length={reach}")
        return self.log_prior[:, rows.start + self._offset : rows.stop + self._offset, keys]

    def _compared(self) -> tuple[Tensor, Tensor]:
        """Vectors whose inner product is log psi, or psi itself for the linear potential."""
        if self.config.potential == "dot":
            return self.query * self.scale, self.key
        query, key = self.query.to(self._work), self.key.to(self._work)
        if self.config.potential == "linear":
            return functional.elu(query) + 1, functional.elu(key) + 1
        # -|q - k|^2 / 2 = q.k - |q|^2 / 2 - |k|^2 / 2
        halves = [-tensor.square().sum(-1, keepdim=True) / 2 for tensor in (query, key)]
        ones = [torch.ones_like(half) for half in halves]
        return torch.cat((query, halves[0], ones[0]), -1), torch.cat((key, ones[1], halves[1]), -1)

    @property
    def _work(self) -> torch.dtype:
        return torch.promote_types(self.query.dtype, torch.float32)

    def _log_potential(self, rows: slice, keys: slice) -> Tensor:
        query, key = self._factors
        with unrounded(query, self.config.hard != "no"):
            product = query[:, :, rows].to(self._work) @ key[:, :, keys].to(self._work).transpose(-1, -2)
        return product.clamp(min=1e-30).log() if self.config.potential == "linear" else product

    def _soft(self, rows: slice, keys: slice) -> Tensor:
        scores, possible = self._log_potential(rows, keys), self._possible(rows, keys)
        if self.config.prior != "null-parent" or self.log_prior is None:
            return posterior(scores, self._bias(rows, keys), possible)
        # One more parent, of a learned potential and value zero, takes the mass that no real one deserves.
        scores = torch.cat((scores, self.log_prior.expand(*scores.shape[:-1], 1)), -1)
        visible = None if possible is None else functional.pad(possible, (0, 1), value=True)
        return posterior(scores, None, visible)[..., :-1]

    def _expanding(self, rows: slice) -> tuple[slice, Tensor]:
        """Parents read for a block: a window that doubles until every query of the block is certain."""
        config, stop = self.config, min(rows.stop + self._offset, self.key.shape[2])
        # A program cannot look whether everyone is certain: it is given all there is, which changes no result.
        reach = stop if torch.compiler.is_compiling() else 64
        while True:
            keys = slice(max(0, rows.start + self._offset - reach), stop)
            found = expanding(
                self._log_potential(rows, keys),
                self._lag(rows, keys),
                config.alpha,
                config.beta,
                config.iterations,
                self._given(rows, keys),
                largest=self._largest(rows),
                epsilon=config.epsilon,
            )
            if torch.compiler.is_compiling() or keys.start == 0 or bool(found.settled.all()):
                return keys, found.weights
            reach *= 2

    def _largest(self, rows: slice) -> Tensor:
        """An upper bound of log psi for every query of a block and any parent it may have (batch, heads, queries)."""
        query, key = self._factors
        if self.config.potential == "gaussian":
            return torch.zeros_like(query[:, :, rows, 0])
        everything = slice(0, min(rows.stop + self._offset, key.shape[2]))
        sizes = key[:, :, None, everything].norm(dim=-1)
        given = self._given(rows, everything)
        if given is not None:
            sizes = sizes.masked_fill(~given, 0.0)
        if sizes.shape[2] == 1:
            # A query's bound comes from its past alone.
            last = torch.arange(rows.start, rows.stop, device=key.device) + self._offset
            last = last.clamp(max=sizes.shape[-1] - 1)
            sizes = sizes[:, :, 0].cummax(-1).values[..., last]
        else:
            sizes = sizes.masked_fill(self._lag(rows, everything) < 0, 0.0).amax(-1)
        bound = query[:, :, rows].norm(dim=-1) * sizes
        return bound.clamp(min=1e-30).log() if self.config.potential == "linear" else bound

    def _fused(self, value: Tensor) -> Tensor:
        """The expectation by torch's fused kernel."""
        query, key = self._factors
        mask, kind = self.mask, self.config.prior
        if kind == "null-parent" and self.log_prior is not None:
            # The null parent is a key before all others whose potential comes from one more feature.
            query = functional.pad(query, (0, 1), value=1.0)
            null = functional.pad(self.log_prior.expand(*key.shape[:2], 1, 1).to(key), (key.shape[-1], 0))
            key = torch.cat((null, functional.pad(key, (0, 1))), 2)
            value = functional.pad(value, (0, 0, 1, 0))
            mask = None if mask is None else functional.pad(mask, (1, 0), value=True)
        # The fused kernel wants values as wide as keys.
        width = value.shape[-1]
        value = functional.pad(value, (0, key.shape[-1] - width)).to(key)
        if kind in ("uniform", "null-parent"):
            return dense_attention(query, key, value, mask, causal=self.causal, scale=1.0)[..., :width]
        outputs = []
        for rows in blocks(0, query.shape[2], BLOCK):
            keys = self._reachable(rows)
            bias, possible = self._bias(rows, keys), self._possible(rows, keys)
            bias = None if bias is None else bias[None].to(key)
            blind = None
            if bias is not None and possible is not None:
                # Let blind rows see everything, then zero them: their softmax and its gradient stay finite.
                blind = ~possible.any(-1, keepdim=True)
                bias = torch.where(possible | blind, bias, -math.inf)
            block = functional.scaled_dot_product_attention(
                query[:, :, rows], key[:, :, keys], value[:, :, keys], bias, scale=1.0
            )
            outputs.append(block if blind is None else block.masked_fill(blind, 0.0))
        return torch.cat(outputs, 2)[..., :width]

    def _linear(self, value: Tensor) -> Tensor:
        """The expectation of the linear potential under a uniform prior: sums over parents, linear in length."""
        query, key = self._factors
        if self.mask is not None:
            key = key * self.mask.transpose(-1, -2)
        value = functional.pad(value, (0, 1), value=1.0).to(key)
        sums = linear_attention(query, key, value) if self.causal else query @ (key.transpose(-1, -2) @ value)
        return sums[..., :-1] / sums[..., -1:].clamp(min=1e-30)

    def _decided(self, weights: Tensor) -> Tensor:
        """The posterior, its mode, or one sample of it."""
        if self.config.hard == "no" or not weights.shape[-1]:
            return weights
        alive = weights.sum(-1, keepdim=True) > 0
        if self.config.hard == "map":
            chosen = weights.argmax(-1)
        else:
            chosen = torch.multinomial((weights + (~alive)).flatten(0, -2), 1).view(weights.shape[:-1])
        return functional.one_hot(chosen, weights.shape[-1]).to(weights) * alive
