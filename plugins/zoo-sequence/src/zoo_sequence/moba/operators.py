"""MoBA as operators of torch: what autograd, autocast and compilers know about its evaluation.

A compiler sees one call, whose tiles it could not trace. The derivative is an operator too, whose own derivative is
that of the definition: right to any order, with the memory of dense attention from the second on.

Padded tokens are absent. On the right they come after everything that a real token may see, and the whole batch runs
together; anywhere else, each example's real tokens are gathered first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial, reduce
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.func import vjp
from torch.utils.flop_counter import register_flop_formula

from zoo.nn.batched import batched_first, no_forward_derivative
from zoo.nn.tracing import has_tangent
from zoo_sequence.moba.config import Routing
from zoo_sequence.moba.definition import moba_masked
from zoo_sequence.moba.evaluation import evaluate, pull_back
from zoo_sequence.moba.routing import work_dtype


def block_sparse_attention(
    query: Tensor, key: Tensor, value: Tensor, routing: Routing, scale: float, visible: Tensor | None = None
) -> Tensor:
    """MoBA, causal; differentiable, the choice of blocks taken as given.

    Args:
        query: (batch, heads, queries, head_dim), of the last positions.
        key: (batch, kv heads, keys, head_dim).
        value: (batch, kv heads, keys, value_dim).
        routing: how blocks are chosen.
        scale: factor on the logits.
        visible: real tokens (batch, keys), or None where all are; rows of the others are zero.

    Returns:
        (batch, heads, queries, value_dim) in the dtype of ``query``. Logits and sums are in at least float32, under
        autocast too. Where derivatives are taken forward, it is the definition that is computed, at the cost of dense
        attention.
    """
    dtype = reduce(torch.promote_types, (query.dtype, key.dtype, value.dtype))
    inputs = query.to(dtype), key.to(dtype), value.to(dtype)
    if any(map(has_tangent, (query, key, value))):
        # An operator passes tangents over without a word.
        return moba_masked(*inputs, routing, scale=scale, visible=visible).to(query.dtype)
    attend = _moba if torch.compiler.is_compiling() else _Attention.apply
    output, _ = attend(*inputs, visible, routing.block_size, routing.topk, routing.gate, scale)
    return output.to(query.dtype)


@torch.library.custom_op("zoo_sequence::moba", mutates_args=())
def _moba(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    visible: Tensor | None,
    block_size: int,
    topk: int,
    gate: str,
    scale: float,
) -> tuple[Tensor, Tensor]:
    """Output and log-sum-exp (batch, heads, queries)."""
    routing = Routing(block_size, topk, gate)
    output = query.new_zeros(*query.shape[:3], value.shape[-1])
    lse = torch.zeros(query.shape[:3], dtype=work_dtype(query), device=query.device)
    with torch.autocast(query.device.type, enabled=False):
        if visible is None or _at_the_end(visible):
            evaluate(query, key, value, routing, scale, output, lse)
            if visible is not None:
                output.masked_fill_(~visible[:, None, visible.shape[1] - query.shape[2] :, None], 0.0)
            return output, lse
        for example, rows, columns in _real(visible, query.shape[2]):
            inputs = _gathered(example, rows, columns, query, key, value)
            part, its_lse = (tensor[example, :, rows][None] for tensor in (output, lse))
            evaluate(*inputs, routing, scale, part, its_lse)
            output[example, :, rows], lse[example, :, rows] = part[0], its_lse[0]
    return output, lse


@torch.library.custom_op("zoo_sequence::moba_backward", mutates_args=())
def _moba_backward(
    grad: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    visible: Tensor | None,
    output: Tensor,
    lse: Tensor,
    block_size: int,
    topk: int,
    gate: str,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query, key and value."""
    routing, inputs = Routing(block_size, topk, gate), (query, key, value)
    grads = [torch.zeros(tensor.shape, dtype=lse.dtype, device=lse.device) for tensor in inputs]
    with torch.autocast(query.device.type, enabled=False):
        if visible is None or _at_the_end(visible):
            if visible is not None:
                grad = grad.masked_fill(~visible[:, None, visible.shape[1] - query.shape[2] :, None], 0.0)
            pull_back(grad.contiguous(), *inputs, output.contiguous(), lse.contiguous(), routing, scale, grads)
        else:
            for example, rows, columns in _real(visible, query.shape[2]):
                some = _gathered(example, rows, columns, *inputs)
                upstream, result, its_lse = (tensor[example, :, rows][None] for tensor in (grad, output, lse))
                parts = [torch.zeros_like(tensor, dtype=lse.dtype) for tensor in some]
                pull_back(upstream, *some, result, its_lse, routing, scale, parts)
                for whole, where, part in zip(grads, (rows, columns, columns), parts, strict=True):
                    whole[example, :, where] = part[0]
    of_query, of_key, of_value = (mine.to(tensor.dtype) for mine, tensor in zip(grads, inputs, strict=True))
    return of_query, of_key, of_value


def _at_the_end(visible: Tensor) -> bool:
    """Whether padding comes after all real tokens in every example."""
    return not bool((~visible[:, :-1] & visible[:, 1:]).any())


def _real(visible: Tensor, queries: int) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Per example that has any, its number, its real queries and its real keys."""
    for example, real in enumerate(visible):
        rows, columns = real[len(real) - queries :].nonzero()[:, 0], real.nonzero()[:, 0]
        if len(rows):
            yield example, rows, columns


def _gathered(
    example: int, rows: Tensor, columns: Tensor, query: Tensor, key: Tensor, value: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Real tokens of one example, as a batch of one."""
    return query[example, :, rows][None], key[example, :, columns][None], value[example, :, columns][None]


@_moba.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    output = query.new_empty(*query.shape[:3], value.shape[-1])
    return output, query.new_empty(query.shape[:3], dtype=work_dtype(query))


@_moba_backward.register_fake
def _(grad: Tensor, query: Tensor, key: Tensor, value: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    return query.new_empty(query.shape), key.new_empty(key.shape), value.new_empty(value.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[:4], *output)
    ctx.settings = inputs[4:]
    ctx.mark_non_differentiable(output[1])


def _first(ctx: Any, grad: Tensor, of_lse: Tensor) -> tuple[Tensor | None, ...]:
    return *_moba_backward(grad, *ctx.saved_tensors, *ctx.settings), *(None,) * 5


def _keep_for_second(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs[:5])
    ctx.settings = inputs[7:]


def _second(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
    *differentiable, visible = ctx.saved_tensors
    block_size, topk, gate, scale = ctx.settings
    attend = partial(moba_masked, routing=Routing(block_size, topk, gate), scale=scale, visible=visible)

    def first(grad: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
        pulled: tuple[Tensor, ...] = vjp(attend, *inputs)[1](grad)
        return pulled

    pulled: tuple[Tensor, ...] = vjp(first, *differentiable)[1](grads)
    return *pulled, *(None,) * 7


_moba.register_autograd(_first, setup_context=_keep)
_moba_backward.register_autograd(_second, setup_context=_keep_for_second)


class _Attention(torch.autograd.Function):
    """The operator where nothing is compiled: ``torch.func`` cannot see through an operator with a derivative."""

    @staticmethod
    def forward(*inputs: Any) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = _moba(*inputs)
        return found

    setup_context = staticmethod(_keep)
    jvp = staticmethod(no_forward_derivative)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, of_lse: Tensor) -> tuple[Tensor | None, ...]:
        return *_Gradients.apply(grad, *ctx.saved_tensors, *ctx.settings), *(None,) * 5

    @staticmethod
    def vmap(info: Any, axes: tuple[int | None, ...], *inputs: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        return _in_one_batch(_Attention, info.batch_size, axes, inputs)


class _Gradients(torch.autograd.Function):
    """The same of the operator of the gradients."""

    @staticmethod
    def forward(*inputs: Any) -> tuple[Tensor, Tensor, Tensor]:
        found: tuple[Tensor, Tensor, Tensor] = _moba_backward(*inputs)
        return found

    setup_context = staticmethod(_keep_for_second)
    backward = staticmethod(_second)
    jvp = staticmethod(no_forward_derivative)

    @staticmethod
    def vmap(info: Any, axes: tuple[int | None, ...], *inputs: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        return _in_one_batch(_Gradients, info.batch_size, axes, inputs)


def _in_one_batch(
    function: type[torch.autograd.Function], size: int, axes: tuple[int | None, ...], inputs: tuple[Any, ...]
) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    """A batch of batches as one: examples do not see each other."""
    flat = [each.flatten(0, 1) if isinstance(each, Tensor) else each for each in batched_first(size, axes, inputs)]
    found = tuple(each.unflatten(0, (size, -1)) for each in function.apply(*flat))
    return found, (0,) * len(found)


@register_flop_formula(torch.ops.zoo_sequence.moba)
def _flops(
    query: Sequence[int],
    key: Sequence[int],
    value: Sequence[int],
    visible: object,
    block_size: int,
    topk: int,
    gate: str,
    *rest: object,
    **output: object,
) -> int:
    """Operations for shapes, all tokens real: logits and mixing of the blocks that are read, and the gate."""
    pairs, scores = _multiplied(query, key, block_size, topk, gate)
    return 2 * pairs * (query[-1] + value[-1]) + 2 * scores * query[-1]


@register_flop_formula(torch.ops.zoo_sequence.moba_backward)
def _flops_backward(
    grad: Sequence[int],
    query: Sequence[int],
    key: Sequence[int],
    value: Sequence[int],
    visible: object,
    output: object,
    lse: object,
    block_size: int,
    topk: int,
    gate: str,
    *rest: object,
    **gradients: object,
) -> int:
    """The same for the gradients: logits are computed again, and so are the choices."""
    pairs, scores = _multiplied(query, key, block_size, topk, gate)
    return 2 * pairs * (3 * query[-1] + 2 * value[-1]) + 2 * scores * query[-1]


def _multiplied(query: Sequence[int], key: Sequence[int], block_size: int, topk: int, gate: str) -> tuple[int, int]:
    """Pairs of a query with a key that it reads, and with a block that it scores.

    A query's own block counts whole, as torch counts what a causal mask hides.
    """
    queries, keys = query[-2], key[-2]
    history = (keys - 1) // block_size
    pairs = 0
    for block in range((keys - queries) // block_size, history + 1):
        start, stop = max(block * block_size, keys - queries), min((block + 1) * block_size, keys)
        pairs += (stop - start) * (stop - block * block_size + min(topk - 1, block) * block_size)
    scores = queries * history if gate == "mean" and topk > 1 else 0
    heads = prod(query[:-2])
    return heads * pairs, heads * scores
