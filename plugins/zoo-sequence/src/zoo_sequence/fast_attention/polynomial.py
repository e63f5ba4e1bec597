"""Attention whose weights are a polynomial of the scores, evaluated without the matrix of scores.

With x+ = (1, x) the polynomial is a quadratic form of the features phi(x) = all products x+_a x+_b, each once:

    f(q . k) = a0 + a1 q . k + a2 (q . k)^2 = phi(q)' W phi(k),   W diagonal

    W_ab = a0 for a = b = 0,  a1 for one of them 0,  a2 for a = b > 0,  2 a2 for other pairs (degree 1: phi(x) = x+)

so that sum_j f(q . k_j) v_j = phi(q)' W S with the moments S = sum_j phi(k_j) v_j'. A last column of ones in v, zero
for hidden keys, gives the denominators along with the numerators. For even D there are F = (D + 1)(D + 2) / 2
features (degree 1: D + 1).

Tokens go through in chunks. In the causal form a chunk reads the moments of all earlier chunks and compares its own
tokens directly, so that no more than one chunk's C x C scores and C x F features exist at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.func import vjp
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from zoo.nn.batched import batched_first, no_forward_derivative
from zoo.nn.blocks import blocks
from zoo.nn.masks import causal_mask

BLOCK = 128
"""Tokens of a causal chunk, which are compared directly."""


@dataclass(frozen=True)
class Polynomial:
    """f(x) = a0 + a1 x + a2 x^2; the Taylor polynomials of exp by default."""

    a0: float = 1.0
    a1: float = 1.0
    a2: float = 0.5

    @property
    def degree(self) -> int:
        """1 or 2."""
        return 2 if self.a2 else 1

    def __call__(self, scores: Tensor) -> Tensor:
        """f, elementwise."""
        return self.a0 + scores * (self.a1 + self.a2 * scores) if self.a2 else self.a0 + self.a1 * scores

    def slope(self, scores: Tensor) -> Tensor:
        """f', elementwise."""
        return self.a1 + 2 * self.a2 * scores


def explicit_weights(query: Tensor, key: Tensor, polynomial: Polynomial, *, causal: bool = False) -> Tensor:
    """The matrix f(q_i . k_j) / sum_j f(q_i . k_j) that is never formed elsewhere: (..., queries, keys)."""
    weights = polynomial(query @ key.mT)
    if causal:
        weights = weights * causal_mask(query.shape[-2], key.shape[-2], weights.device)
    return weights / weights.sum(-1, keepdim=True)


class FeatureMap:
    """phi, W and the derivative of phi for heads of one width.

    Pairs are ordered by a and their cyclic distance r = 0, 1, ..., (D + 1) / 2: (a, a + r mod D + 1). This makes phi a
    product of x+ with shifted windows of itself, without gathering. If D is odd, the pairs half-way round come twice,
    with half the weight.

    Args:
        polynomial: f.
        like: tensor (..., D) of the device and dtype at hand.
        dropout: probability with which each product of two features is dropped, token by token.
    """

    def __init__(self, polynomial: Polynomial, like: Tensor, dropout: float = 0.0) -> None:
        self.polynomial, self.width, self.dropout = polynomial, like.shape[-1], dropout
        self.quadratic = polynomial.degree == 2
        size = self.width + 1
        if self.quadratic:
            shift = torch.arange(size // 2 + 1, device=like.device)
            first = torch.arange(size, device=like.device)[:, None].expand(-1, len(shift))
            second = (first + shift) % size
            self.products = ((first > 0) & (second > 0)).flatten()
            share = torch.where(2 * shift == size, 0.5, 1.0).to(like) * torch.where(shift == 0, 0.5, 1.0).to(like)
            both = like.new_tensor([polynomial.a1, 2 * polynomial.a2])[self.products.long().view_as(second)]
            self.weights = (share * both).flatten()
            self.place = torch.empty(size, size, dtype=torch.int64, device=like.device)
            position = torch.arange(second.numel(), device=like.device).view_as(second)
            self.place[first, second] = position
            self.place[second, first] = position
        else:
            self.weights = like.new_full((size,), polynomial.a1)
        self.weights[0] = polynomial.a0
        self.weights = self.weights[:, None]

    @property
    def size(self) -> int:
        """F."""
        return len(self.weights)

    @property
    def chunk(self) -> int:
        """Tokens whose features exist at a time: many enough to keep a processor busy, few enough for its caches."""
        return max(BLOCK, min(1024, 2**16 // self.size))

    def __call__(self, x: Tensor) -> Tensor:
        """phi(x): (..., D) to (..., F)."""
        x = functional.pad(x, (1, 0), value=1.0)
        if not self.quadratic:
            return x
        size = x.shape[-1]
        windows = torch.cat((x, x[..., : size // 2]), -1).unfold(-1, size // 2 + 1, 1)
        found = (x[..., None] * windows).flatten(-2)
        if not self.dropout:
            return found
        return torch.where(self.products, functional.dropout(found, self.dropout), found)

    def write(self, moments: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """S + sum_j phi(k_j) v_j': (..., F, E)."""
        return moments + self(key).mT @ value

    def read(self, moments: Tensor, query: Tensor) -> Tensor:
        """phi(q)' W S: (..., queries, E)."""
        return self(query) @ (self.weights * moments)

    def pull(self, moments: Tensor, query: Tensor, weight: Tensor) -> Tensor:
        """Gradient of sum_i phi(q_i)' W S g_i with respect to q, for g = ``weight`` (..., queries, E)."""
        if not self.quadratic:
            return weight @ (self.polynomial.a1 * moments[..., 1:, :]).mT
        # The derivative of f(q . k) is (a1 + 2 a2 q . k) k: a1 times the constant's column, 2 a2 times the others.
        column = moments.new_full((self.width + 1, 1, 1), 2 * self.polynomial.a2)
        column[0] = self.polynomial.a1
        form = column * moments[..., self.place[:, 1:], :]
        mixed = (functional.pad(query, (1, 0), value=1.0) @ form.flatten(-2)).unflatten(-1, (self.width, -1))
        return (mixed @ weight[..., None])[..., 0]

    def within(self, query: Tensor, key: Tensor) -> Tensor:
        """f of the scores inside a chunk, at and below the diagonal."""
        if self.dropout:
            return ((self(query) * self.weights[:, 0]) @ self(key).mT).tril()
        return self.polynomial(query @ key.mT).tril()


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    phi: FeatureMap,
    *,
    causal: bool,
    moments: Tensor | None = None,
    out: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """sum_j f(q_i . k_j) v_j by moments and chunks, differentiable operation by operation.

    Args:
        query: (..., queries, D).
        key: (..., keys, D).
        value: (..., keys, E).
        causal: the last query sees every key, the one before it one less, and so on.
        moments: S (..., F, E) of keys before these, seen by every query.
        out: where the sums go, without a graph for autograd.

    Returns:
        (..., queries, E), and the moments of all keys.
    """
    run: Callable[..., Any] = _rerun if phi.dropout and torch.is_grad_enabled() else _run
    past = key.shape[-2] - query.shape[-2] if causal else key.shape[-2]
    if moments is None:
        moments = value.new_zeros(*value.shape[:-2], phi.size, value.shape[-1])
    if past:
        for rows in blocks(0, past, phi.chunk):
            moments = run(phi.write, moments, key[..., rows, :], value[..., rows, :])
    if causal and torch.compiler.is_exporting():
        return _side_by_side(query, key[..., past:, :], value[..., past:, :], phi, moments)
    sums = []
    for rows in blocks(0, query.shape[-2], BLOCK if causal else phi.chunk):
        if causal:
            here = slice(past + rows.start, past + rows.stop)
            step = (moments, query[..., rows, :], key[..., here, :], value[..., here, :])
            found, moments = run(_causal_chunk, phi, *step)
        else:
            found = run(phi.read, moments, query[..., rows, :])
        if out is None:
            sums.append(found)
        else:
            out[..., rows, :] = found
    return torch.cat(sums, -2) if out is None else out, moments


def _run(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


def _rerun(function: Callable[..., Any], *args: Any) -> Any:
    """Keep no features for the backward pass: compute them again, from the same random numbers."""
    return checkpoint(function, *args, use_reentrant=False)


def _causal_chunk(phi: FeatureMap, moments: Tensor, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    return phi.read(moments, query) + phi.within(query, key) @ value, phi.write(moments, key, value)


def _side_by_side(query: Tensor, key: Tensor, value: Tensor, phi: FeatureMap, moments: Tensor) -> tuple[Tensor, Tensor]:
    """The causal form without a loop, for programs of any length: all chunks at once, along an axis of their own.

    The moments of earlier chunks are a prefix sum, F E numbers per chunk: still linear in the length.
    """
    length = query.shape[-2]
    # The last chunk is filled up by tokens without a value, which count for nothing, and followed by one of them alone:
    # where there is a single chunk, a trace would hold on to that.
    short = -length % BLOCK + BLOCK
    query, key, value = (
        functional.pad(tensor, (0, 0, 0, short)).unflatten(-2, (-1, BLOCK)) for tensor in (query, key, value)
    )
    written = (phi(key).mT @ value).cumsum(-3) + moments[..., None, :, :]
    before = torch.cat((moments[..., None, :, :], written), -3)[..., :-1, :, :]
    sums = phi.read(before, query) + phi.within(query, key) @ value
    # A copy and no view: whether a view is contiguous would depend on the length.
    kept = torch.arange(length, device=query.device)
    return sums.flatten(-3, -2).index_select(-2, kept), written[..., -1, :, :]


def divide(sums: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs (..., E - 1) and denominators (..., 1) of sums (..., E); zeros where the denominator is 0."""
    # A copy: what is kept of the denominators must not keep the sums alive.
    numerator, denominator = sums[..., :-1], sums[..., -1:].clone()
    empty = denominator == 0
    return numerator.masked_fill(empty, 0.0) / denominator.masked_fill(empty, 1.0), denominator


def by_autograd(query: Tensor, key: Tensor, value: Tensor, polynomial: Polynomial, causal: bool) -> Tensor:
    """``attend`` and ``divide``, differentiable operation by operation: keeps O(N D^p) numbers for a backward pass."""
    return divide(attend(query, key, value, FeatureMap(polynomial, query), causal=causal)[0])[0]


def factorised_attention(query: Tensor, key: Tensor, value: Tensor, polynomial: Polynomial, causal: bool) -> Tensor:
    """``by_autograd`` with the gradient of ``_Factorised``, which keeps O(N D) numbers.

    (..., queries, E - 1) from query (..., queries, D), key (..., keys, D) and value (..., keys, E).
    """
    function = _Factorised if torch.compiler.is_compiling() else _FactorisedInEager
    output: Tensor = function.apply(query, key, value, polynomial, causal)[0]
    return output


class _Factorised(torch.autograd.Function):
    """``attend`` and ``divide`` with a backward pass that keeps q, k, v, outputs and denominators only.

    With g_i = (grad_o_i, -grad_o_i . o_i) / den_i, and v with its column of ones,

        grad_v_j = sum_i f(s_ij) g_i
        grad_q_i = sum_j f'(s_ij) (g_i . v_j) k_j,   grad_k_j = sum_i f'(s_ij) (g_i . v_j) q_i

    over the pairs that see each other. The first sum is attention with queries and keys exchanged; the others are the
    derivative of phi' W S v. Moments are built again: of keys and values from left to right for grad_q, of queries
    and g from right to left for grad_k and grad_v.

    Where derivatives of the gradient may be asked for (``create_graph``, and always in ``torch.func``), it is taken
    operation by operation instead, with all that keeps, so that they are right to any order. A batch of ``vmap`` is one
    more leading axis.
    """

    @staticmethod
    def forward(
        query: Tensor, key: Tensor, value: Tensor, polynomial: Polynomial, causal: bool
    ) -> tuple[Tensor, Tensor]:
        with torch.autocast(query.device.type, enabled=False):
            phi = FeatureMap(polynomial, query)
            sums = value.new_empty(*query.shape[:-1], value.shape[-1])
            return divide(attend(query, key, value, phi, causal=causal, out=sums)[0])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*inputs[:3], *output)
        ctx.polynomial, ctx.causal = inputs[3:]
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(
        ctx: Any, grad_output: Tensor, of_denominator: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        query, key, value, output, denominator = ctx.saved_tensors
        if torch.is_grad_enabled():
            again = partial(by_autograd, polynomial=ctx.polynomial, causal=ctx.causal)
            with torch.autocast(query.device.type, enabled=False):
                return *vjp(again, query, key, value)[1](grad_output), None, None
        empty = denominator == 0
        with torch.autocast(query.device.type, enabled=False):
            grad = (grad_output / denominator.masked_fill(empty, 1.0)).masked_fill(empty, 0.0)
            grad = torch.cat((grad, -(grad * output).sum(-1, keepdim=True)), -1)
            phi = FeatureMap(ctx.polynomial, query)
            grad_query = _pull_queries(phi, query, key, value, grad, ctx.causal)
            grad_key, grad_value = _pull_keys(phi, query, key, value, grad, ctx.causal)
        return grad_query, grad_key, grad_value, None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        found: tuple[Tensor, Tensor] = _FactorisedInEager.apply(*batched_first(info.batch_size, in_dims, inputs))
        return found, (0, 0)


class _FactorisedInEager(_Factorised):
    """With what compilers refuse to read."""

    jvp = staticmethod(no_forward_derivative)


def _slopes(phi: FeatureMap, query: Tensor, key: Tensor, value: Tensor, grad: Tensor) -> Tensor:
    """f'(s_ij) (g_i . v_j) inside a chunk, at and below the diagonal."""
    return (phi.polynomial.slope(query @ key.mT) * (grad @ value.mT)).tril()


def _pull_queries(phi: FeatureMap, query: Tensor, key: Tensor, value: Tensor, grad: Tensor, causal: bool) -> Tensor:
    past = key.shape[-2] - query.shape[-2] if causal else key.shape[-2]
    moments = value.new_zeros(*value.shape[:-2], phi.size, value.shape[-1])
    if past:
        for rows in blocks(0, past, phi.chunk):
            moments = phi.write(moments, key[..., rows, :], value[..., rows, :])
    result = torch.empty_like(query)
    for rows in blocks(0, query.shape[-2], BLOCK if causal else phi.chunk):
        q, g = query[..., rows, :], grad[..., rows, :]
        found = phi.pull(moments, q, g)
        if causal:
            here = slice(past + rows.start, past + rows.stop)
            k, v = key[..., here, :], value[..., here, :]
            found += _slopes(phi, q, k, v, g) @ k
            moments = phi.write(moments, k, v)
        result[..., rows, :] = found
    return result


def _pull_keys(
    phi: FeatureMap, query: Tensor, key: Tensor, value: Tensor, grad: Tensor, causal: bool
) -> tuple[Tensor, Tensor]:
    past = key.shape[-2] - query.shape[-2] if causal else key.shape[-2]
    moments = value.new_zeros(*value.shape[:-2], phi.size, value.shape[-1])
    grad_key, grad_value = torch.empty_like(key), torch.empty_like(value)
    for rows in reversed(list(blocks(0, query.shape[-2], BLOCK if causal else phi.chunk))):
        q, g = query[..., rows, :], grad[..., rows, :]
        if causal:
            here = slice(past + rows.start, past + rows.stop)
            k, v = key[..., here, :], value[..., here, :]
            grad_key[..., here, :] = phi.pull(moments, k, v) + _slopes(phi, q, k, v, g).mT @ q
            grad_value[..., here, :] = phi.read(moments, k) + phi.within(q, k).mT @ g
        moments = phi.write(moments, q, g)
    for rows in blocks(0, past, phi.chunk):
        k, v = key[..., rows, :], value[..., rows, :]
        grad_key[..., rows, :] = phi.pull(moments, k, v)
        grad_value[..., rows, :] = phi.read(moments, k)
    return grad_key, grad_value
