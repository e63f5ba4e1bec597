"""Gradients: finite, there where something trains, and right or refused when they are differentiated again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from zoo.catalogue import Offer
from zoo.errors import ZooError
from zoo.testing.specimens import as_real, build_small, call, cast, example_of, small_instance, stir, with_gradients

# Of finite differences. A gradient jumps where a ReLU or a choice of top k turns over: the fewer the smaller the step.
STEPS = (1e-6, 1e-8)


def check_forward_and_backward(offer: Offer) -> None:
    """Outputs and gradients are finite, and what can be trained gets some."""
    entry = offer.entry
    built = stir(build_small(entry))
    inputs = with_gradients(example_of(entry, small_instance(entry)))
    outputs = call(built, inputs)
    assert all(as_real(output).isfinite().all() for output in outputs), "an output is not finite"
    trained = [parameter for parameter in built.parameters() if parameter.requires_grad]
    loss = scalar(outputs)
    if not loss.requires_grad:
        assert not trained, "has parameters that train, but no output depends on them"
        pytest.skip("has no parameters, and its outputs are no differentiable function of its inputs")
    loss.backward()
    reached = [parameter.grad for parameter in trained if parameter.grad is not None]
    assert reached or not trained, "no parameter got a gradient"
    reached += [value.grad for value in inputs.values() if isinstance(value, Tensor) and value.grad is not None]
    assert reached, "nothing got a gradient"
    assert all(as_real(gradient).isfinite().all() for gradient in reached), "a gradient is not finite"
    assert not trained or any(p.grad is not None and p.grad.any() for p in trained), "every gradient is zero"


def check_double_backward(offer: Offer) -> None:
    """Second derivatives are right, or an error; never incomplete in silence.

    The squared gradient's derivative along a random direction is compared with finite differences, in float64.
    """
    entry = offer.entry
    built = stir(build_small(entry)).double()
    inputs = with_gradients(cast(example_of(entry, small_instance(entry), batch_size=1), torch.float64))
    leaves: list[Tensor] = [parameter for parameter in built.parameters() if parameter.requires_grad]
    leaves += [value for value in inputs.values() if isinstance(value, Tensor) and value.requires_grad]

    def penalty(graph: bool) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):
            first = torch.autograd.grad(scalar(call(built, inputs)), leaves, create_graph=graph, allow_unused=True)
        return sum((as_real(g).square().sum() for g in first if g is not None), torch.zeros(()))

    if not leaves or not scalar(call(built, inputs)).requires_grad:
        pytest.skip("has no gradient")
    try:
        second = _gradients(penalty(graph=True), leaves)
    except (RuntimeError, ZooError):
        return
    generator = torch.Generator().manual_seed(1)
    along = [torch.randn(leaf.shape, generator=generator, dtype=torch.float64).to(leaf.dtype) for leaf in leaves]
    analytic = sum(float((g.conj() * step).real.sum()) for g, step in zip(second, along, strict=True))
    close = 1e-3 * max(abs(analytic), float(penalty(graph=False)), 1e-9)
    numeric: list[float] = []
    for step in STEPS:
        numeric.append(_difference(lambda: float(penalty(graph=False)), leaves, along, step))
        if abs(numeric[-1] - analytic) <= close:
            return
    raise AssertionError(
        f"autograd gives {analytic:.6g} and finite differences {numeric}: a backward whose gradient "
        "cannot be differentiated again has to raise where torch.is_grad_enabled() (create_graph was asked for)"
    )


def scalar(outputs: Sequence[Tensor]) -> Tensor:
    """A loss that has no stationary point at zero: the mean of every output's square and of a random part of it."""
    generator = torch.Generator().manual_seed(2)
    total = torch.zeros(())
    for output in outputs:
        if output.requires_grad:
            real = as_real(output)
            real = real if real.dtype == torch.float64 else real.float()
            total = total + (real.square() + real * torch.randn(real.shape, generator=generator)).mean()
    return total


def _gradients(value: Tensor, leaves: Sequence[Tensor]) -> list[Tensor]:
    found = torch.autograd.grad(value, leaves, allow_unused=True)
    return [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, found, strict=True)]


def _difference(value: Callable[[], float], leaves: Sequence[Tensor], along: Sequence[Tensor], step: float) -> float:
    """Central difference of a function of some leaves, which are put back."""
    kept = [leaf.detach().clone() for leaf in leaves]
    found = []
    for sign in (1, -1):
        with torch.no_grad():
            for leaf, start, direction in zip(leaves, kept, along, strict=True):
                leaf.copy_(start + sign * step * direction)
        found.append(value())
    with torch.no_grad():
        for leaf, start in zip(leaves, kept, strict=True):
            leaf.copy_(start)
    return (found[0] - found[1]) / (2 * step)
