"""Turn a pickle checkpoint into safetensors without running anything that is in it."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import PickleRefused, WeightsError

# Where trainers put the state dict inside what they save.
WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net", "params")


def convert_pickle(source: Path, target: Path | None = None, *, key: str | None = None) -> Path:
    """Write the tensors of a ``.pth`` file as safetensors.

    Args:
        source: a file that ``torch.save`` wrote.
        target: the file to write; next to the source by default.
        key: dotted path of the state dict inside the file; by default the first of the usual wrappers.

    Returns:
        The written file.

    Raises:
        PickleRefused: the file needs more than ``torch.load(weights_only=True)`` to be read.
        WeightsError: it is no torch file, or holds no tensors there.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    source = Path(source)
    if not source.is_file():
        raise WeightsError(f"{source} does not exist")
    target = Path(target) if target is not None else source.with_suffix(".safetensors")
    if target == source:
        raise WeightsError(f"{source} would be written over; name another target")
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = re.search(r"Unsupported [^.\n]*[\w.]*\w", str(error))
        raise PickleRefused(
            f"{source} holds more than tensors and plain values, so it is not opened"
            f"{f' ({reason[0]})' if reason else ''}. Save its state dict alone: torch.save(model.state_dict(), ...)"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise WeightsError(f"{source} is not a file that torch.save wrote ({type(error).__name__}: {error})") from error
    tensors = _tensors(_inside(content, key, source))
    if not tensors:
        raise WeightsError(f"{source} holds no tensors{f' under {key!r}' if key else ''}")
    try:
        # Tensors that share memory are written one by one; a module's ties are found again when it is filled.
        save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, target)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{target} cannot be written: {error}") from error
    except (RuntimeError, KeyError) as error:
        raise WeightsError(f"{source} holds a tensor that safetensors cannot hold: {error}") from error
    return target


def _inside(content: Any, key: str | None, source: Path) -> Any:
    if key is not None:
        for part in key.split("."):
            if not isinstance(content, Mapping) or part not in content:
                raise WeightsError(f"{source} has no {key!r}; its top level holds: {', '.join(map(str, content))}")
            content = content[part]
        return content
    while isinstance(content, Mapping):
        wrapper = next((name for name in WRAPPERS if isinstance(content.get(name), Mapping)), None)
        if wrapper is None:
            break
        content = content[wrapper]
    return content


def _tensors(content: Any, prefix: str = "") -> dict[str, Any]:
    """Tensors of nested mappings and lists, by dotted name."""
    import torch

    if isinstance(content, torch.Tensor):
        return {prefix: content}
    items = content.items() if isinstance(content, Mapping) else enumerate(content) if isinstance(content, list) else ()
    found: dict[str, Any] = {}
    for name, value in items:
        found |= _tensors(value, f"{prefix}.{name}" if prefix else str(name))
    return found
