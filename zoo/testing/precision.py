"""Number types: double, half, and the mixed precision that everybody trains in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from zoo import building
from zoo.catalogue import Offer
from zoo.testing.forms import Form
from zoo.testing.gradients import scalar
from zoo.testing.specimens import as_real, build_small, call, cast, example_of, small_instance, stir, with_gradients
from zoo.testing.visibility import every_form

# The most that mixed precision may move outputs and gradients, as parts of their norm, in units of the type's spacing.
OUTPUTS, GRADIENTS = 8.0, 16.0
# Forms of models are many, small and deep: one unit in a hundred whose sign rounding turns is more than the spacing.
LENIENCE = 2.0
# Parameters of the largest form that is tried.
LARGEST = 2_000_000
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


def check_autocast_forms(offer: Offer) -> None:
    """The same for every kind of config: a hard choice is made before rounding, whatever switches it on.

    Each output of a layer counts; those of a model count together, for one of them may be a single number near zero.
    float16 is left out where float32 passes its largest number on the way, as untrained backbones do.
    """
    layer = offer.entry.kind == "attention"
    lenience = 1.0 if layer else LENIENCE
    for form in every_form(offer.entry):
        module = _natural(offer, form)
        if sum(parameter.numel() for parameter in module.parameters()) > LARGEST:
            continue
        with _Peak(module) as peak:
            outputs, gradients = _run(module, form.inputs, None)
        for dtype in (torch.bfloat16, torch.float16):
            if not layer and peak.largest > torch.finfo(dtype).max / 2:
                continue
            rough, steep = _run(module, form.inputs, dtype)
            pairs = zip(outputs, rough, strict=True)
            moved = max(_distance(*pair) for pair in pairs) if layer else _distance(_joined(outputs), _joined(rough))
            where = f"{form.changes} in {dtype}"
            assert moved <= lenience * OUTPUTS * torch.finfo(dtype).eps, f"{where}: outputs move by {moved:.3g}"
            if gradients is not None:
                assert steep is not None, f"{where}: nothing gets a gradient"
                # Where rounding turns the sign of a unit, its whole gradient moves, in whatever half type.
                moved = _distance(gradients, steep)
                bound = lenience * GRADIENTS * torch.finfo(torch.bfloat16).eps
                assert moved <= bound, f"{where}: the gradients move by {moved:.3g} of their norm"


def _natural(offer: Offer, form: Form) -> nn.Module:
    """A form's module as it is initialised, with what begins at zero moved: no wider than its inputs make it."""
    torch.manual_seed(0)
    module: nn.Module = building.build(offer.entry, form.instance).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            inputs = parameter[0].numel() if parameter.ndim > 1 else 1
            noise = torch.randn(parameter.shape, generator=generator).to(parameter)
            parameter.add_(noise, alpha=min(0.05, 0.5 / math.sqrt(max(inputs, 1))))
    return module


class _Peak:
    """The largest number that leaves a submodule while this is open."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.largest = module, 0.0

    def __enter__(self) -> _Peak:
        self.handles = [each.register_forward_hook(self._look) for each in self.module.modules()]
        return self

    def _look(self, module: nn.Module, arguments: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.is_floating_point() and output.numel():
            self.largest = max(self.largest, float(output.detach().abs().max()))

    def __exit__(self, *error: object) -> None:
        for handle in self.handles:
            handle.remove()


def _joined(tensors: list[Tensor]) -> Tensor:
    return torch.cat([each.flatten() for each in tensors])


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
