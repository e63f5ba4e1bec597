"""Put tensors into modules by assignment: strict names, ties kept, nothing copied that already fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from zoo.building import transient_buffers
from zoo.errors import CheckpointMismatch

_SHOWN = 8


def fill(
    module: nn.Module,
    state: Mapping[str, Tensor],
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> nn.Module:
    """Assign ``state`` to the module's parameters and buffers.

    Args:
        module: usually built with its parameters on meta.
        state: tensors under the module's own names. A tied tensor may stand under any of its names.
        dtype: converts floating-point parameters and state-dict buffers; None keeps the file's.
        device: where everything goes, buffers outside the state dict included; None keeps the file's.

    Raises:
        CheckpointMismatch: a readable list of the names that are missing, unexpected, misshapen or of another kind
            of number (integers for floating-point weights). Nothing has been assigned then.
    """
    groups = list(tied_names(module))
    check_names(module, state, groups)
    for names in groups:
        source = next(name for name in names if name in state)
        _assign(module, names, _convert(state[source], dtype, device))
    if device is not None:
        move_transient_buffers(module, device)
    return module


def fill_buffers(
    module: nn.Module, state: Mapping[str, Tensor], *, dtype: torch.dtype | None, device: torch.device | str | None
) -> None:
    """Assign only the buffers of the state dict (names already checked)."""
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    for names in tied_names(module):
        if names[0] not in parameters:
            source = next(name for name in names if name in state)
            _assign(module, names, _convert(state[source], dtype, device))


def move_transient_buffers(module: nn.Module, device: torch.device | str) -> None:
    """Move the buffers outside the state dict; their values and dtypes stay as built."""
    for name, buffer in list(transient_buffers(module)):
        owner, leaf = _locate(module, name)
        owner._buffers[leaf] = buffer.to(device)


def tied_names(module: nn.Module) -> Iterator[list[str]]:
    """Names of the state dict, grouped where they share one tensor."""
    groups: dict[int, list[str]] = {}
    transient = {name for name, _ in transient_buffers(module)}
    tensors = [
        *module.named_parameters(remove_duplicate=False),
        *(item for item in module.named_buffers(remove_duplicate=False) if item[0] not in transient),
    ]
    for name, tensor in tensors:
        groups.setdefault(id(tensor), []).append(name)
    yield from groups.values()


def check_names(module: nn.Module, state: Mapping[str, Tensor], groups: list[list[str]] | None = None) -> None:
    """Raise CheckpointMismatch unless names, shapes and kinds of number of ``state`` are the module's."""
    groups = list(tied_names(module)) if groups is None else groups
    expected = {name: _tensor(module, name) for names in groups for name in names}
    both = [(name, state[name], tensor) for name, tensor in expected.items() if name in state]
    problems = {
        "missing": [_shown(names[0]) for names in groups if not any(name in state for name in names)],
        "unexpected": [_shown(name) for name in state if name not in expected],
        "misshapen": [
            f"{name}: {list(found.shape)} in the file, {list(wanted.shape)} in the module"
            for name, found, wanted in both
            if found.shape != wanted.shape
        ],
        # Integers where numbers of any size are expected are a quantised checkpoint without its scales.
        "of another kind of number": [
            f"{name}: {found.dtype} in the file, {wanted.dtype} in the module"
            for name, found, wanted in both
            if _kind(found.dtype) != _kind(wanted.dtype)
        ],
    }
    if any(problems.values()):
        raise CheckpointMismatch(_report(type(module).__name__, problems))


def _kind(dtype: torch.dtype) -> str:
    if dtype == torch.bool:
        return "boolean"
    if is_quantised(dtype):
        return "quantised"
    return "complex" if dtype.is_complex else "floating" if dtype.is_floating_point else "integer"


def is_quantised(dtype: torch.dtype) -> bool:
    """Whether it is a floating-point dtype of a byte or less: stored beside scales, and nothing computes in it."""
    return dtype.is_floating_point and dtype.itemsize < 2


def _shown(name: str) -> str:
    """A name from a file, on one line."""
    return name if name.isprintable() else ascii(name)


def _report(owner: str, problems: Mapping[str, list[str]]) -> str:
    lines = [f"The checkpoint does not fit {owner}:"]
    for title, items in problems.items():
        if items:
            lines.append(f"  {title} ({len(items)}):")
            lines += [f"    {item}" for item in items[:_SHOWN]]
            if len(items) > _SHOWN:
                lines.append(f"    ... and {len(items) - _SHOWN} more")
    lines.append("Is it the checkpoint of another model or preset? Try the matching preset, or weights=None.")
    return "\n".join(lines)


def _locate(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    owner, _, leaf = name.rpartition(".")
    return module.get_submodule(owner), leaf


def _tensor(module: nn.Module, name: str) -> Tensor:
    owner, leaf = _locate(module, name)
    value: Tensor = getattr(owner, leaf)
    return value


def _convert(tensor: Tensor, dtype: torch.dtype | None, device: torch.device | str | None) -> Tensor:
    return tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None)


def _assign(module: nn.Module, names: list[str], tensor: Tensor) -> None:
    shared: nn.Parameter | Tensor = tensor
    owner, leaf = _locate(module, names[0])
    old = owner._parameters.get(leaf)
    if old is not None:
        shared = nn.Parameter(tensor, requires_grad=old.requires_grad)
    for name in names:
        owner, leaf = _locate(module, name)
        table: dict = owner._parameters if leaf in owner._parameters else owner._buffers
        table[leaf] = shared
