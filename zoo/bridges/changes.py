"""What other people's tools, or a hand, have made of a loaded object, beside what its config builds.

A save is a config and tensors: whatever else makes an object what it is would be lost. So the object is compared, part
by part, with a fresh build of its config: the modules and their classes, the names, shapes and ties of their tensors,
the plain attributes that switch their behaviour, and the buffers that no state dict holds.
"""

from __future__ import annotations

import enum
import functools
import inspect
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from itertools import pairwise
from pathlib import PurePath
from typing import Any

import torch
from torch import Tensor, nn

from zoo import origin

# Wrappers that compute what their module computes, and where they keep it.
_WRAPPERS = {
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
    "torch.nn.parallel.distributed.DistributedDataParallel": "module",
    "torch.nn.parallel.data_parallel.DataParallel": "module",
    "torch.optim.swa_utils.AveragedModel": "module",
    "torch.distributed.algorithms._checkpoint.checkpoint_wrapper.CheckpointWrapper": "_checkpoint_wrapped_module",
}
_PLAIN = (bool, int, float, complex, str, bytes, enum.Enum, torch.dtype, torch.Size, range, set, frozenset, PurePath)
_OF_MODULES = {*vars(nn.Module()), *dir(nn.Module)}
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
NOT_PLAIN = object()


@dataclass(frozen=True)
class Change:
    """One difference.

    Args:
        path: dotted name of the part.
        text: what it was and what it is.
        value: what it is now, where that is a plain value; else ``NOT_PLAIN``.
    """

    path: str
    text: str
    value: Any = NOT_PLAIN

    def __str__(self) -> str:
        return f"{self.path or 'it'} {self.text}"


def unwrapped(obj: Any) -> Any:
    """The module inside ``torch.compile``, data parallelism, weight averaging and activation checkpointing."""
    while isinstance(obj, nn.Module) and (inside := _WRAPPERS.get(_name_of(type(obj)))):
        obj = getattr(obj, inside)
    return obj


def tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers of the state dict under the module's own names, wrappers left out, ties repeated."""
    found: dict[str, Tensor] = {}
    for path, part in _parts(module):
        kept = [name for name in part._buffers if name not in part._non_persistent_buffers_set]
        for name, tensor in (*part._parameters.items(), *((name, part._buffers[name]) for name in kept)):
            if tensor is not None:
                found[_join(path, name)] = tensor
    return found


def is_sharded(module: nn.Module) -> bool:
    """Whether some of its tensors, or all, are spread over a mesh."""
    for _, part in _parts(module):
        if own_class(part) is not type(part) or any(_is_spread(tensor) for tensor in part._parameters.values()):
            return True
    return False


def _is_spread(tensor: Tensor | None) -> bool:
    return hasattr(tensor, "device_mesh")


def changes(now: Any, built: Any) -> Iterator[Change]:
    """How ``now`` differs from a fresh build, whose parameters may be on meta."""
    if not isinstance(built, nn.Module):
        yield from _in_attributes("", now, built)
        return
    found = list(_in_module("", now, built))
    yield from found
    if not found:
        # Only where every name is the same do ties compare.
        yield from _in_ties(tensors(now), tensors(built))


def hooks(now: nn.Module, built: nn.Module) -> Iterator[str]:
    """Forward hooks that a fresh build does not have, as "part: function"; those of sharding left out."""
    parts = dict(_parts(built))
    for path, part in _parts(now):
        for table in ("_forward_pre_hooks", "_forward_hooks"):
            own = {_hook_name(hook) for hook in getattr(parts[path], table).values()}
            for name in map(_hook_name, getattr(part, table).values()):
                if name not in own and not name.startswith("torch.distributed."):
                    yield f"{path or type(part).__name__}: {name}"


def _hook_name(hook: Any) -> str:
    named = hook if hasattr(hook, "__qualname__") else type(hook)
    return f"{named.__module__}.{named.__qualname__}"


def in_properties(names: Iterable[str], now: Any, built: Any) -> Iterator[Change]:
    """How the plain values of some properties differ, which an object computes from its parts."""
    for name in names:
        if isinstance(inspect.getattr_static(type(built), name, None), property):
            yield from _in_value(name, getattr(now, name), getattr(built, name))


def _in_module(path: str, now: Any, built: nn.Module) -> Iterator[Change]:
    now = unwrapped(now)
    if own_class(now) is not type(built):
        yield Change(path, f"is a {_name_of(type(now))}, and was built as a {_name_of(type(built))}")
        return
    yield from _in_attributes(path, now, built)
    if type(now).get_extra_state is not nn.Module.get_extra_state:
        yield Change(path, "keeps extra state that is no tensor")
    outside = built._non_persistent_buffers_set
    for kind, ours, theirs in (
        ("parameter", now._parameters, built._parameters),
        ("buffer", now._buffers, built._buffers),
    ):
        for name in {**theirs, **ours}:
            yield from _in_tensor(_join(path, name), kind, ours.get(name), theirs.get(name), values=name in outside)
    for name in {**built._modules, **now._modules}:
        mine, fresh = now._modules.get(name), built._modules.get(name)
        if mine is None and fresh is None:
            continue
        if mine is None or fresh is None:
            yield Change(_join(path, name), "is a part that was added" if fresh is None else "was taken away")
        else:
            yield from _in_module(_join(path, name), mine, fresh)


def _in_tensor(path: str, kind: str, now: Tensor | None, built: Tensor | None, *, values: bool) -> Iterator[Change]:
    if now is None and built is None:
        return
    if now is None or built is None:
        yield Change(path, f"is a {kind} that was added" if built is None else f"is a {kind} that was taken away")
    elif not _is_ordinary(now):
        kinds = f"{_name_of(type(now))} ({_short(now.layout)}, {_short(now.dtype)})"
        yield Change(path, f"is a {kinds}, which no safetensors file holds")
    elif now.shape != built.shape:
        yield Change(path, f"has shape {list(now.shape)}, and was built with {list(built.shape)}")
    elif now.is_floating_point() != built.is_floating_point() or now.is_complex() != built.is_complex():
        yield Change(path, f"is {_short(now.dtype)}, and was built as {_short(built.dtype)}")
    elif values and not _equal(now, built):
        yield Change(path, "is a buffer outside the state dict, and its values have changed")


def _in_ties(now: Mapping[str, Tensor], built: Mapping[str, Tensor]) -> Iterator[Change]:
    expected = _ties(built)
    for group in _ties(now):
        if group not in expected and len(group) > 1:
            yield Change(" and ".join(sorted(group)), "are one tensor, and were built as several")
    for group in expected:
        if len({id(now[name]) for name in group}) > 1:
            yield Change(" and ".join(sorted(group)), "were built as one tensor, and are several")
    for name in _sharing(now):
        yield Change(name, "has memory in common with another tensor, and was built apart")


def _ties(found: Mapping[str, Tensor]) -> list[frozenset[str]]:
    groups: dict[int, set[str]] = {}
    for name, tensor in found.items():
        groups.setdefault(id(tensor), set()).add(name)
    return [frozenset(group) for group in groups.values()]


def _sharing(found: Mapping[str, Tensor]) -> Iterator[str]:
    """Tensors that have elements in common with another one. Views of one storage without any are harmless."""
    by_storage: dict[int, dict[int, tuple[str, Tensor]]] = {}
    for name, tensor in found.items():
        local = tensor.to_local() if hasattr(tensor, "to_local") else tensor
        if local.numel() and not local.is_meta:
            by_storage.setdefault(local.untyped_storage().data_ptr(), {}).setdefault(id(tensor), (name, local))
    for group in by_storage.values():
        ordered = sorted(group.values(), key=lambda item: item[1].data_ptr())
        if any(_end(one) > other.data_ptr() for (_, one), (_, other) in pairwise(ordered)):
            taken = torch.zeros(ordered[0][1].untyped_storage().nbytes(), dtype=torch.bool)
            for name, tensor in ordered:
                mine = _bytes_of(tensor, taken)
                if mine.any():
                    yield name
                mine.fill_(True)


def _end(tensor: Tensor) -> int:
    """The address after the last element."""
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.data_ptr() + (last + 1) * tensor.element_size()


def _bytes_of(tensor: Tensor, storage: Tensor) -> Tensor:
    """The places of a tensor's bytes, from one element for every byte of its storage."""
    width = tensor.element_size()
    strides = [stride * width for stride in tensor.stride()]
    return storage.as_strided([*tensor.shape, width], [*strides, 1], tensor.storage_offset() * width)


def _in_attributes(path: str, now: Any, built: Any) -> Iterator[Change]:
    mine, fresh = _attributes(now), _attributes(built)
    for name in {**fresh, **mine}:
        # Recurrent layers list their parameters a second time.
        if isinstance(built, nn.RNNBase) and name in ("_flat_weights", "_flat_weight_refs"):
            continue
        if _is_internal(name) or isinstance(inspect.getattr_static(type(built), name, None), functools.cached_property):
            continue
        if name not in mine:
            yield Change(_join(path, name), "was taken away")
        elif hasattr(built, name):
            # What the class itself says counts too: a method, or a default, that the object was given anew.
            yield from _in_value(_join(path, name), mine[name], getattr(built, name))


def _is_internal(name: str) -> bool:
    """What every module has, but for what it computes, and what ``zoo.load`` has put there."""
    return (name in _OF_MODULES and name != "forward") or name == origin.ATTRIBUTE


def _attributes(obj: Any) -> dict[str, Any]:
    if is_dataclass(obj) and not hasattr(obj, "__dict__"):
        return {field.name: getattr(obj, field.name) for field in fields(obj)}
    return dict(getattr(obj, "__dict__", {}))


def _in_value(path: str, now: Any, built: Any) -> Iterator[Change]:
    """Plain values, and containers and dataclasses of them. Other objects count by their class alone."""
    if now is built or isinstance(now, nn.Module):
        return
    if isinstance(built, Tensor):
        if not isinstance(now, Tensor) or now.shape != built.shape or built.is_meta or not _equal(now, built):
            yield Change(path, "is a tensor outside the state dict, and its values have changed")
    elif isinstance(now, _FUNCTIONS) or isinstance(built, _FUNCTIONS):
        if _code(now) is not _code(built):
            yield Change(path, f"is now {_shown(now)}, and was {_shown(built)}")
    elif isinstance(now, functools.partial) and isinstance(built, functools.partial):
        yield from _in_value(path, (now.func, now.args, now.keywords), (built.func, built.args, built.keywords))
    elif is_dataclass(now) and type(now) is type(built):
        for field in fields(now):
            yield from _in_value(_join(path, field.name), getattr(now, field.name), getattr(built, field.name))
    elif isinstance(now, dict) and isinstance(built, dict) and now.keys() == built.keys():
        for key in now:
            yield from _in_value(_join(path, str(key)), now[key], built[key])
    elif _is_plain(now) and _is_plain(built):
        if not _same(now, built):
            yield Change(path, f"is {_shown(now)}, and was built as {_shown(built)}", now)
    elif isinstance(now, list | tuple) and type(now) is type(built) and len(now) == len(built):
        for index, (mine, fresh) in enumerate(zip(now, built, strict=True)):
            yield from _in_value(_join(path, str(index)), mine, fresh)
    elif type(now) is not type(built) and built is not None:
        # Where nothing was, an object may have been remembered: the maps of the last call, say.
        yield Change(path, f"is {_shown(now)}, and was built as {_shown(built)}")


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, _PLAIN)


def _same(now: Any, built: Any) -> bool:
    numbers = isinstance(now, int | float) and isinstance(built, int | float)
    both_bool = isinstance(now, bool) == isinstance(built, bool)
    if now != now and built != built:
        return True
    return bool(now == built) and both_bool and (numbers or type(now) is type(built))


def _code(function: Any) -> Any:
    """What a method or a decorated function comes down to: a wrapper for autocast computes the same function."""
    while inside := getattr(function, "__func__", None) or getattr(function, "__wrapped__", None):
        function = inside
    return getattr(function, "__code__", function)


def _parts(
    module: nn.Module, path: str = "", above: frozenset[nn.Module] = frozenset()
) -> Iterator[tuple[str, nn.Module]]:
    """Every part under each of its names; a part inside itself ends there."""
    module = unwrapped(module)
    if module in above:
        return
    yield path, module
    for name, child in module._modules.items():
        if child is not None:
            yield from _parts(child, _join(path, name), above | {module})


def own_class(obj: Any) -> type:
    """The class of an object; of what FSDP2 has turned into a class of its own, the class before."""
    kind = type(obj)
    if kind.__name__.startswith("FSDP") and any(_name_of(base).endswith(".FSDPModule") for base in kind.__bases__):
        return next(base for base in kind.__bases__ if not _name_of(base).endswith(".FSDPModule"))
    return kind


def _is_ordinary(tensor: Tensor) -> bool:
    known = type(tensor) in (Tensor, nn.Parameter, nn.Buffer) or _is_spread(tensor)
    return known and tensor.layout is torch.strided and not tensor.is_quantized


def _equal(now: Tensor, built: Tensor) -> bool:
    """Equal in the precision that the module has been converted to."""
    return torch.equal(now.detach().cpu(), built.detach().cpu().to(now.dtype))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _short(kind: torch.dtype | torch.layout) -> str:
    return str(kind).removeprefix("torch.")


def _shown(value: Any) -> str:
    text = repr(value) if _is_plain(value) else getattr(value, "__qualname__", None) or f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
