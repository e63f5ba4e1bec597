"""Build entries from configs, for real or with their parameters on the meta device.

Nothing here is seen by another thread: what a build needs to know about the tensors that its modules make comes from
torch's function modes, which belong to the thread that enters them, where a patched ``nn.Module`` would reach every
thread of the process.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from zoo import configuration
from zoo.errors import ConfigError, PluginError, ZooError, message_of, one_line
from zoo.facts import Entry
from zoo.foreign import failing_as
from zoo.targets import require, resolve

# More tensors than any published network has; a config that asks for more would build until memory ends.
MOST_TENSORS = 1 << 16


def build(entry: Entry, instance: Any) -> Any:
    """Call an entry's ``build`` with a checked config instance.

    Raises:
        MissingDependency: a package in the entry's ``requires`` is not installed.
        ConfigError: nothing can be built from these values, for instance because no machine could hold it.
        PluginError: nothing can be built from the entry's own defaults.
    """
    for requirement in entry.requires:
        require(requirement, needed_by=entry.id)
    make = resolve(entry.build)

    def broken(error: BaseException) -> ZooError:
        changed = configuration.changes(instance)
        reason = "it asks for a tensor larger than the memory" if _is_size(error) else one_line(error)
        if not changed:
            return PluginError(f"{entry.id} cannot be built from its own defaults: {reason}")
        values = ", ".join(f"{name}={value!r}" for name, value in changed.items())
        field = next(iter(changed)) if len(changed) == 1 else None
        return ConfigError(f"{entry.id} cannot be built from this config: {reason} ({values})", field=field)

    with failing_as(broken):
        _refuse_endless(entry, make, instance)
        return make(instance)


def _is_size(error: BaseException) -> bool:
    """Whether torch says, in one of its ways, that nothing can hold a tensor."""
    return re.search("allocate memory|out of memory|[Oo]verflow", message_of(error)) is not None


def _refuse_endless(entry: Entry, make: Callable[[Any], Any], instance: Any) -> None:
    """Raise ConfigError where a large number in a config is one of parts that are built one by one.

    Found out by building with two and with four of them: the tensors that the difference makes, as often as the number
    says. A width or a length, however large, makes none.
    """
    large = {place: value for place, value in configuration.integers(instance) if value > _LARGE}
    if not large:
        return
    two = _tensors(make, configuration.replaced(instance, dict.fromkeys(large, 2)))
    for place, value in large.items():
        four = _tensors(make, configuration.replaced(instance, {**dict.fromkeys(large, 2), place: 4}))
        tensors = (four - two) * value // 2 if two is not None and four is not None else 0
        if tensors > MOST_TENSORS:
            name = ".".join(map(str, place))
            raise ConfigError(
                f"{entry.id}: {name}={value:,} would make {tensors:,} parameter tensors; the most that are built is "
                f"{MOST_TENSORS:,}",
                field=str(place[0]),
            )


# With so many parts of sixteen tensors each a network has the most that are built.
_LARGE = MOST_TENSORS // 16


def _tensors(make: Callable[[Any], Any], instance: Any) -> int | None:
    """How many parameters a build has; None where there is none, or none of these numbers."""
    try:
        with on_meta():
            built = make(instance)
    except Exception:
        return None
    return len(list(built.parameters())) if isinstance(built, nn.Module) else None


@dataclass(frozen=True)
class Limit:
    """How much a build may take, and the error of one that asks for more.

    Args:
        size: bytes of parameters.
        tensors: number of parameters.
        error: raised as soon as the modules made so far hold more.
    """

    size: int
    tensors: int
    error: Exception


class _Building(TorchFunctionMode):
    """Hears of every parameter that a module takes, while the module is built.

    ``nn.Module.register_parameter`` asks a parameter for its ``grad_fn``, and function modes hear that question.
    """

    _ASKS_FOR_GRAD_FN = vars(torch._C.TensorBase)["grad_fn"].__get__

    def __init__(self, limit: Limit | None = None) -> None:
        super().__init__()
        self._limit = limit
        self._size = 0
        self._known: set[int] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func == self._ASKS_FOR_GRAD_FN and isinstance(args[0], nn.Parameter):
            self.take(args[0])
        return func(*args, **(kwargs or {}))

    def take(self, parameter: nn.Parameter) -> None:
        """Count a parameter once, whichever modules share it."""
        if id(parameter) in self._known:
            return
        self._known.add(id(parameter))
        self._size += parameter.numel() * parameter.element_size()
        if len(self._known) > MOST_TENSORS:
            raise MemoryError(f"it would have more than {MOST_TENSORS:,} parameter tensors")
        if self._limit is not None and (self._size > self._limit.size or len(self._known) > self._limit.tensors):
            raise self._limit.error


class _OnMeta(_Building):
    """Sends ``torch.empty`` and every parameter to the meta device and leaves every other factory alone.

    Modules allocate parameters with ``torch.empty`` and compute buffers with ``arange``, ``zeros``, ``tensor``: this
    is how parameters cost nothing while buffers keep their real values. A parameter that was made of real numbers
    becomes a meta tensor, the same object, when its module takes it.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if kwargs.get("device") is None and (func is torch.empty or _is_huge(func, args, kwargs)):
            kwargs = {**kwargs, "device": "meta"}
        target = kwargs["tensor"] if "tensor" in kwargs else args[0] if args else None
        if isinstance(target, torch.Tensor) and target.is_meta and _initialises(func):
            # Nothing to initialise, and torch would import its compiler (a second) to do that nothing.
            return target
        return super().__torch_function__(func, types, args, kwargs)

    def take(self, parameter: nn.Parameter) -> None:
        """Count the parameter, and let go of its numbers."""
        super().take(parameter)
        if not parameter.is_meta:
            empty = nn.Parameter(torch.empty_like(parameter, device="meta"), requires_grad=parameter.requires_grad)
            torch.utils.swap_tensors(parameter, empty)


# A buffer of so many numbers is not worth its gigabytes to whoever counts; loading finds out that it has no values.
_HUGE = 1 << 28
_FACTORIES = {torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange, torch.linspace}


def _is_huge(factory: Any, args: Any, kwargs: Any) -> bool:
    return factory in _FACTORIES and factory(*args, **{**kwargs, "device": "meta"}).numel() > _HUGE


def _initialises(func: Any) -> bool:
    return getattr(func, "__module__", None) == "torch.nn.init" or getattr(func, "__name__", "") in _RANDOM


_RANDOM = {"normal_", "uniform_", "bernoulli_", "exponential_", "log_normal_", "cauchy_", "geometric_", "random_"}


@contextmanager
def on_device(device: torch.device) -> Iterator[None]:
    """Within the context new modules have values on a device; more than the machine's memory is a MemoryError."""
    memory = _memory() if device.type == "cpu" else None
    limit = None
    if memory is not None:
        words = f"its parameters take more than the {memory / 1e9:.0f} GB of memory that this machine has"
        limit = Limit(memory, MOST_TENSORS, MemoryError(words))
    with device, _Building(limit):
        yield


def _memory() -> int | None:
    """Bytes of memory of the machine, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


@contextmanager
def on_meta(limit: Limit | None = None) -> Iterator[None]:
    """Within the context new modules of this thread have parameters on meta and buffers with real values.

    Args:
        limit: gives up a build that grows beyond it.
    """
    with _OnMeta(limit):
        yield


def build_on_meta(make: Callable[[], nn.Module], *, limit: Limit | None = None) -> nn.Module:
    """Build with parameters on meta; every buffer that a state dict would not fill has its real value.

    Args:
        make: builds the module.
        limit: gives up a build that grows beyond it.
    """
    with on_meta(limit):
        module = make()
    lost = [name for name, buffer in transient_buffers(module) if buffer.is_meta]
    if lost:
        # A buffer computed in place on torch.empty: only a real build knows its value.
        with on_device(torch.device("cpu")):
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
