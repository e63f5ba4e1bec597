"""Number types: double, half, and the mixed precision that everybody trains in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from zoo.catalogue import Offer
from zoo.testing.gradients import scalar
from zoo.testing.specimens import as_real, build_small, call, cast, example_of, small_instance, stir, with_gradients

# The most that mixed precision may move outputs and gradients, as parts of their norm, in units of the type's spacing.
OUTPUTS, GRADIENTS = 8.0, 16.0
# float16 underflows where float32 does not: everybody scales the loss, by less where it overflows.
LOSS_SCALES = (1024.0, 1.0)
# Brings logits of default-initialised projections beyond 65504, the largest float16.
LOUD = 1000.0


def check_dtypes(offer: Offer) -> None:
    """float64 runs and agrees with float32; bfloat16 runs and stays finite."""
    entry = offer.entry
    inputs = example_of(entry, small_instance(entry))
    with torch.no_grad():
        plain = call(build_small(entry), inputs)
        exact = call(build_small(entry).double(), cast(inputs, torch.float64))
        rough = call(build_small(entry).to(torch.bfloat16), cast(inputs, torch.bfloat16))
    for usual, wide, narrow in zip(plain, exact, rough, strict=True):
        if wide.is_floating_point():
            assert wide.dtype == torch.float64
            torch.testing.assert_close(usual.double(), wide, atol=1e-4, rtol=1e-3)
            assert narrow.isfinite().all()


def check_autocast(offer: Offer) -> None:
    """Under autocast, outputs and gradients are those of float32 within half precision, in both half types."""
    entry = offer.entry
    inputs = example_of(entry, small_instance(entry))
    module = stir(build_small(entry))
    outputs, gradients = _run(module, inputs, None)
    for dtype in (torch.bfloat16, torch.float16):
        spacing = torch.finfo(dtype).eps
        rough, steep = _run(module, inputs, dtype)
        for exact, half in zip(outputs, rough, strict=True):
            moved = _distance(exact, half)
            assert moved <= OUTPUTS * spacing, f"{dtype}: an output moves by {moved:.3g} of its norm"
        if gradients is not None:
            assert steep is not None, f"{dtype}: nothing gets a gradient"
            moved = _distance(gradients, steep)
            assert moved <= GRADIENTS * spacing, f"{dtype}: the gradients move by {moved:.3g} of their norm"


def _run(module: nn.Module, inputs: Mapping[str, Any], dtype: torch.dtype | None) -> tuple[list[Tensor], Tensor | None]:
    """Outputs, and all gradients in one vector; under autocast unless ``dtype`` is None."""
    inputs = with_gradients(inputs)
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        outputs = call(module, inputs)
    loss = scalar(outputs)
    found = [as_real(output.detach()).double() for output in outputs]
    if not loss.requires_grad:
        return found, None
    leaves = [*module.parameters(), *(value for value in inputs.values() if isinstance(value, Tensor))]
    leaves = [leaf for leaf in leaves if leaf.requires_grad]
    for scale in LOSS_SCALES:
        reached = torch.autograd.grad(
            loss * scale, leaves, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        gradients = torch.cat([as_real(gradient).double().flatten() for gradient in reached]) / scale
        if gradients.isfinite().all():
            break
    return found, gradients


def _distance(exact: Tensor, other: Tensor) -> float:
    """|exact - other| / |exact|, infinite where the other is not finite."""
    assert exact.shape == other.shape, f"an output of shape {tuple(exact.shape)} has shape {tuple(other.shape)}"
    if not other.isfinite().all():
        return float("inf")
    return float((exact - other).norm() / exact.norm().clamp(min=1e-12)) if exact.numel() else 0.0


def check_overflow(offer: Offer) -> None:
    """Logits beyond float16's largest number are no harm: outputs that float16 can hold are finite in it."""
    entry = offer.entry
    inputs = {
        name: value * LOUD if isinstance(value, Tensor) and value.is_floating_point() else value
        for name, value in example_of(entry, small_instance(entry)).items()
    }
    largest = torch.finfo(torch.float16).max / 2
    with torch.no_grad():
        exact = call(build_small(entry).double(), cast(inputs, torch.float64))
        half = call(build_small(entry).half(), cast(inputs, torch.float16))
        with torch.autocast("cpu", torch.float16):
            mixed = call(build_small(entry), inputs)
    for how, outputs in (("in float16", half), ("under autocast in float16", mixed)):
        for true, output in zip(exact, outputs, strict=True):
            if as_real(true).abs().max() < largest:
                assert as_real(output).isfinite().all(), (
                    f"{how}: an output is not finite, but at most {true.abs().max():.3g}"
                )
