"""Turn a pickle checkpoint into safetensors without running anything that is in it."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import PickleRefused, WeightsError, one_line, printable
from zoo.places import check_file

# Where trainers put the state dict inside what they save.
WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net", "params")
_SHOWN = 100


def convert_pickle(source: Path, target: Path | None = None, *, key: str | None = None) -> Path:
    """Write the tensors of a ``.pth`` file as safetensors: all of them, or none.

    Args:
        source: a file that ``torch.save`` wrote.
        target: the file to write; next to the source by default.
        key: dotted path of the state dict inside the file; by default the first of the usual wrappers, and a
            warning names what lies beside it.

    Returns:
        The written file.

    Raises:
        PickleRefused: the file needs more than ``torch.load(weights_only=True)`` to be read.
        WeightsError: it is no torch file, holds no tensors there, or holds tensors without names of their own.
        InputError: the target cannot be written.
    """
    import torch

    source = Path(source)
    if not source.is_file():
        raise WeightsError(f"{source} {'is no file' if source.exists() else 'does not exist'}")
    target = Path(target) if target is not None else source.with_suffix(".safetensors")
    if target.resolve() == source.resolve():
        raise WeightsError(f"{source} would be written over; name another target")
    check_file(target)
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = re.search(r"Unsupported [^.\n]*[\w.]*\w", str(error))
        raise PickleRefused(
            f"{source} holds more than tensors and plain values, so it is not opened"
            f"{f' ({reason[0]})' if reason else ''}. Save its state dict alone: torch.save(model.state_dict(), ...)"
        ) from error
    except Exception as error:
        # What is no pickle is read as one: any instruction may be the one that fails.
        raise WeightsError(f"{source} is not a file that torch.save wrote ({one_line(error)})") from error
    try:
        chosen, name = _at(content, key) if key is not None else _unwrapped(content)
        tensors = _named(chosen)
    except _Unnameable as error:
        raise WeightsError(f"{source} {error}") from error
    if not tensors:
        raise WeightsError(f"{source} holds no tensors{f' under {name!r}' if name else ''}")
    _write(tensors, target, source)
    return target


def _write(tensors: Mapping[str, Any], target: Path, source: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        # Tensors that share memory are written one by one; a module's ties are found again when it is filled.
        save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, unfinished)
        unfinished.replace(target)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{target} cannot be written: {error}") from error
    except (RuntimeError, KeyError, ValueError) as error:
        # Of a name that is no text of UTF-8 as well.
        raise WeightsError(f"{source} holds a tensor that safetensors cannot hold: {one_line(error)}") from error
    finally:
        unfinished.unlink(missing_ok=True)


class _Unnameable(Exception):
    """Something in the file has no name of its own; the message goes on from the name of the file."""


def _at(content: Any, key: str) -> tuple[Any, str]:
    """What lies under a dotted key."""
    parts = [key] if isinstance(content, Mapping) and key in content else key.split(".")
    for part in parts:
        if not isinstance(content, Mapping) or part not in content:
            held = f"holds: {', '.join(map(str, content))}" if isinstance(content, Mapping) else "holds no names"
            raise _Unnameable(f"has no {key!r}; what is there {held}")
        content = content[part]
    return content, key


def _unwrapped(content: Any) -> tuple[Any, str]:
    """What lies inside the usual wrappers, and the key of that. What is left out on the way is said."""
    key: list[str] = []
    seen: set[int] = set()
    while isinstance(content, Mapping) and id(content) not in seen:
        seen.add(id(content))
        wrapper = next((name for name in WRAPPERS if isinstance(content.get(name), Mapping)), None)
        beside = [str(name) for name, value in content.items() if name != wrapper and _holds_tensors(value)]
        # The second wrapper inside the first may be a part of the model that is called so.
        if wrapper is None or (key and beside):
            break
        if beside:
            warnings.warn(
                printable(
                    f"taking {wrapper!r} and leaving out {', '.join(beside)}, which hold tensors too; "
                    "give key= (on the command line --key) to take another"
                ),
                stacklevel=3,
            )
        content = content[wrapper]
        key.append(wrapper)
    return content, ".".join(key)


def _holds_tensors(value: Any) -> bool:
    return next(_leaves({None: value}), None) is not None


def _named(content: Any) -> dict[str, Any]:
    """Tensors of nested mappings and sequences, by dotted name."""
    import torch

    if isinstance(content, torch.Tensor):
        raise _Unnameable("holds a tensor without a name; save it in a dict: torch.save({'name': tensor}, ...)")
    found: dict[str, Any] = {}
    for name, tensor in _leaves(content):
        if name in found:
            raise _Unnameable(f"holds two tensors that would both be called {name!r}; rename one, or choose by key=")
        if name == "__metadata__":
            raise _Unnameable(f"holds a tensor called {name!r}, a name that safetensors keeps for itself")
        found[name] = tensor
    return found


def _leaves(content: Any) -> Iterator[tuple[str, Any]]:
    """Every tensor under its dotted name. Without recursion: a pickle may be deeper than Python's stack, or endless."""
    import torch

    names: list[str] = []
    path = [_Open(id(content), iter(_items(content)))]
    # Every value met so far, and whether it may be passed over when it is met again: it holds no tensor.
    barren = {id(content): False}
    while path:
        for key, value in path[-1].items:
            if isinstance(value, torch.Tensor):
                path[-1].fruitful = True
                yield ".".join([*names, str(key)]), value
            elif id(value) not in barren:
                names.append(str(key))
                path.append(_Open(id(value), iter(_items(value))))
                barren[id(value)] = False
                break
            elif not barren[id(value)]:
                again = ".".join([*names, str(key)])[:_SHOWN]
                raise _Unnameable(f"holds one container twice, the second time as {again!r}; choose by key=")
        else:
            closed = path.pop()
            barren[closed.number] = not closed.fruitful
            if path:
                path[-1].fruitful |= closed.fruitful
            del names[-1:]


@dataclass
class _Open:
    """A container on the way to the current value: its identity, what is left in it, whether a tensor was found."""

    number: int
    items: Iterator[tuple[Any, Any]]
    fruitful: bool = False


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return value.items()
    if isinstance(value, list | tuple | set | frozenset):
        return enumerate(value)
    return ()
