"""Tensors to safetensors files: one, or numbered ones with an index once they are too large for one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.weights.files import INDEX, SINGLE

MAX_SHARD_SIZE = "5GB"


@dataclass(frozen=True)
class Piece:
    """One file to be: its name and its tensors, sharded ones not gathered yet."""

    name: str
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class Plan:
    """The files of a module, in order, and their index where there are several."""

    pieces: Sequence[Piece] = ()
    index: Mapping[str, object] | None = None


def plan(tensors: Mapping[str, Tensor], max_shard_size: int | str = MAX_SHARD_SIZE) -> Plan:
    """Which tensor goes into which file. Nothing is gathered or copied yet.

    Args:
        tensors: under the names of the files; tied ones once.
        max_shard_size: bytes of a file, as a number or like "5GB"; a larger tensor has a file of its own.

    Raises:
        InputError: the size is none.
    """
    from huggingface_hub import split_torch_state_dict_into_shards

    if not tensors:
        # An empty file: a module whose file is missing is an error.
        return Plan([Piece(SINGLE, {})])
    shapes = {name: torch.empty(tensor.shape, dtype=tensor.dtype, device="meta") for name, tensor in tensors.items()}
    try:
        if isinstance(max_shard_size, bool) or (isinstance(max_shard_size, int) and max_shard_size < 1):
            raise ValueError("it must be positive")
        split = split_torch_state_dict_into_shards(shapes, max_shard_size=max_shard_size)
    except (TypeError, ValueError) as error:
        raise InputError(f'max_shard_size={max_shard_size!r} is no number of bytes and no size like "5GB"') from error
    files = split.filename_to_tensors.items()
    pieces = [Piece(file, {name: tensors[name] for name in names}) for file, names in files]
    index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
    return Plan(pieces, index if split.is_sharded else None)


def write(pieces: Iterable[Piece], index: Mapping[str, object] | None, folder: Path) -> None:
    """Write the files, holding the gathered tensors of one at a time."""
    from safetensors.torch import save_file

    for piece in pieces:
        # No variable for the gathered tensors: it would keep them while the next ones come.
        save_file(_gathered(piece), folder / piece.name, metadata={"format": "pt"})
    if index is not None:
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def assist(piece: Piece) -> None:
    """Take part in gathering a piece that another rank writes, keeping none of it."""
    for tensor in piece.tensors.values():
        _whole(tensor)


def _gathered(piece: Piece) -> dict[str, Tensor]:
    return {name: _whole(tensor) for name, tensor in piece.tensors.items()}


def _whole(tensor: Tensor) -> Tensor:
    """All of a tensor on the CPU; a sharded one is gathered, every rank of its mesh taking part."""
    full = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return full.detach().resolve_conj().resolve_neg().cpu().contiguous()
