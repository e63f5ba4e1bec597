"""What the checks of conformance run on: small objects of an entry, and one call of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from zoo import building, configuration
from zoo.facts import Entry
from zoo.targets import resolve

# Presets made for tests, in order of preference; without one the schema's defaults serve.
SMALL = ("test", "tiny", "golden", "digits", "char")


def small_preset(entry: Entry) -> str | None:
    """The preset that the checks run on."""
    return next((name for name in SMALL if name in entry.presets), None)


def small_instance(entry: Entry, **overrides: Any) -> Any:
    """A checked config of that preset."""
    return configuration.merge(entry, small_preset(entry), None, overrides).instance


def build_small(entry: Entry, **overrides: Any) -> Any:
    """The entry in that preset, freshly initialised from a fixed seed, modules in eval mode."""
    torch.manual_seed(0)
    built = building.build(entry, small_instance(entry, **overrides))
    return built.eval() if isinstance(built, nn.Module) else built


def stir(module: nn.Module) -> nn.Module:
    """A module with every parameter moved a little: what is initialised to zero hides faults behind it."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise.to(parameter), alpha=0.05)
    return module


def example_of(entry: Entry, instance: Any, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """The entry's example call."""
    assert entry.example is not None, f"{entry.id} has no example"
    found: dict[str, Any] = resolve(entry.example)(instance, batch_size=batch_size, seed=seed)
    return found


def tensors(value: Any) -> list[Tensor]:
    """All tensors in nested mappings, sequences and dataclasses."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        return [tensor for item in value.values() for tensor in tensors(item)]
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in tensors(item)]
    # A size may be a symbol while a compiler traces, which can be asked for its type alone.
    if not isinstance(value, int | torch.SymInt) and hasattr(value, "__dataclass_fields__"):
        return [tensor for name in value.__dataclass_fields__ for tensor in tensors(getattr(value, name))]
    return []


def call(built: nn.Module, inputs: Mapping[str, Any]) -> list[Tensor]:
    """Output tensors of one call; what is drawn is drawn from a fixed seed."""
    torch.manual_seed(0)
    found = tensors(built(**inputs))
    assert found, f"{type(built).__name__} returned no tensor"
    return found


def as_real(tensor: Tensor) -> Tensor:
    """A complex tensor as pairs of real numbers, any other as it is."""
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def cast(inputs: Mapping[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    """The same call with its floating-point inputs in another type."""
    return {
        name: value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value
        for name, value in inputs.items()
    }


def rows(inputs: Mapping[str, Any], chosen: slice) -> dict[str, Any]:
    """The same call with some examples of the batch only."""
    return {
        name: value[chosen] if isinstance(value, Tensor) and value.ndim else value for name, value in inputs.items()
    }


def with_gradients(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The same call with floating-point inputs that ask for a gradient."""
    return {
        name: value.clone().requires_grad_() if isinstance(value, Tensor) and value.is_floating_point() else value
        for name, value in inputs.items()
    }
