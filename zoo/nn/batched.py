"""What ``torch.func`` asks of a ``torch.autograd.Function``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from zoo.errors import InputError


def batched_first(size: int, axes: Iterable[int | None], inputs: Iterable[Any]) -> list[Any]:
    """Inputs with the batch as their first axis, for the ``vmap`` of a ``torch.autograd.Function``.

    Args:
        size: of the batch.
        axes: where the batch lies in each input; None: it has none.
        inputs: tensors and others; those without a batch get one, without a copy, and what is no tensor stays.
    """
    return [
        (given.expand(size, *given.shape) if axis is None else given.movedim(axis, 0))
        if isinstance(given, Tensor)
        else given
        for axis, given in zip(axes, inputs, strict=True)
    ]


def no_forward_derivative(ctx: Any, *tangents: Any) -> Any:
    """The ``jvp`` of a function that has none of its gradients.

    Raises:
        InputError: always.
    """
    raise InputError(
        "an attention with a backward pass of its own takes forward derivatives of its output and not of its gradient: "
        "in place of torch.func.hessian, take torch.func.jacrev(torch.func.jacrev(...))"
    )
