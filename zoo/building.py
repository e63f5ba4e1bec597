"""Build entries from configs, for real or with their parameters on the meta device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from zoo import catalogue, configuration
from zoo.errors import ConfigError, PluginError
from zoo.facts import Entry
from zoo.targets import require, resolve


def build(entry: Entry, instance: Any) -> Any:
    """Call an entry's ``build`` with a checked config instance.

    Raises:
        MissingDependency: a package in the entry's ``requires`` is not installed.
    """
    for requirement in entry.requires:
        require(requirement, needed_by=entry.id)
    return resolve(entry.build)(instance)


class _EmptyOnMeta(TorchFunctionMode):
    """Sends ``torch.empty`` to the meta device and leaves every other factory alone.

    Modules allocate parameters with ``torch.empty`` and compute buffers with ``arange``, ``zeros``,
    ``tensor``: this is how parameters cost nothing while buffers keep their real values.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.empty and kwargs.get("device") is None:
            kwargs = {**kwargs, "device": "meta"}
        target = kwargs["tensor"] if "tensor" in kwargs else args[0] if args else None
        if isinstance(target, torch.Tensor) and target.is_meta and _initialises(func):
            # Nothing to initialise, and torch would import its compiler (a second) to do that nothing.
            return target
        return func(*args, **kwargs)


def _initialises(func: Any) -> bool:
    return getattr(func, "__module__", None) == "torch.nn.init" or getattr(func, "__name__", "") in _RANDOM


_RANDOM = {"normal_", "uniform_", "bernoulli_", "exponential_", "log_normal_", "cauchy_", "geometric_", "random_"}


@contextmanager
def on_meta() -> Iterator[None]:
    """Within the context new modules have parameters on meta and buffers with real values."""
    register = nn.Module.register_parameter

    def register_on_meta(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
        if param is not None and param.device.type != "meta":
            param = nn.Parameter(param.detach().to("meta"), requires_grad=param.requires_grad)
        register(self, name, param)

    nn.Module.register_parameter = register_on_meta  # type: ignore[method-assign]
    try:
        with _EmptyOnMeta():
            yield
    finally:
        nn.Module.register_parameter = register  # type: ignore[method-assign]


def build_on_meta(make: Callable[[], nn.Module]) -> nn.Module:
    """Build with parameters on meta; every buffer that a state dict would not fill has its real value."""
    with on_meta():
        module = make()
    lost = [name for name, buffer in transient_buffers(module) if buffer.is_meta]
    if lost:
        # A buffer computed in place on torch.empty: only a real build knows its value.
        real = dict(make().named_buffers())
        for name in lost:
            owner, _, leaf = name.rpartition(".")
            module.get_submodule(owner)._buffers[leaf] = real[name]
    return module


def transient_buffers(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """The buffers that are outside the state dict, by dotted name."""
    for prefix, child in module.named_modules():
        for name in child._non_persistent_buffers_set:
            buffer = child._buffers.get(name)
            if buffer is not None:
                yield (f"{prefix}.{name}" if prefix else name), buffer


def count_parameters(entry: Entry, instance: Any) -> int | None:
    """Number of parameters of a configuration, each shared tensor once; None for objects without any.

    Counted on the meta device, so that any scale takes a second or two.
    """
    with on_meta():
        built = build(entry, instance)
    if not isinstance(built, nn.Module):
        return None
    return sum(parameter.numel() for parameter in built.parameters())


def attention_layer(
    name: str, *, dim: int, num_heads: int, causal: bool, max_length: int | None = None, **options: Any
) -> nn.Module:
    """Any drop-in attention layer by name, for a host network.

    Args:
        name: ``[plugin:]entry[/preset]`` of kind ``attention``.
        dim, num_heads, causal, max_length: the host's; passed where the layer's schema has the field.
        options: further config overrides of the layer.

    Raises:
        ConfigError: the entry is not a drop-in layer, or it cannot be what the host needs (for example
            causal).
    """
    target = catalogue.current().find(name)
    entry = target.offer.entry
    if entry.kind != "attention":
        raise ConfigError(f"{name!r} is a {entry.kind}, not a drop-in attention layer", field="attention")
    known = configuration.schema_of(entry).__dataclass_fields__  # type: ignore[attr-defined]
    absent = [field for field in ("dim", "causal") if field not in known]
    if absent:
        raise ConfigError(
            f"{name!r} cannot be placed in a sequence model: no {' and '.join(absent)}", field="attention"
        )
    host = {"dim": dim, "num_heads": num_heads, "causal": causal}
    if max_length is not None:
        host["max_length"] = max_length
    overrides = {key: value for key, value in host.items() if key in known} | options
    layer = build(entry, configuration.merge(entry, target.preset, None, overrides).instance)
    if not isinstance(layer, nn.Module):
        raise PluginError(f"{name!r} built a {type(layer).__name__}, expected an nn.Module")
    return layer
