"""safetensors files: checked before anything is allocated, then mapped into memory.

A file is eight bytes of header length N (little endian), N bytes of JSON naming each tensor's dtype, shape and
[begin, end) within the data, then the data. Everything the header says is held against the real file first.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import PickleRefused, WeightsError

if TYPE_CHECKING:
    from torch import Tensor

CONFIG_FILE = "config.json"
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"


class NoWeights(WeightsError):
    """A folder or repository exists and holds no weights."""


# The limit of the format's own library; a longer header is damage or an attack.
MAX_HEADER = 100_000_000

# What torch can count.
MAX_ELEMENTS = 2**63 - 1

BITS = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}

_FOREIGN = (
    (b"PK\x03\x04", "a zip archive, as torch.save writes", True),
    (b"\x80\x02", "a pickle", True),
    (b"\x80\x03", "a pickle", True),
    (b"\x80\x04", "a pickle", True),
    (b"\x80\x05", "a pickle", True),
    (b"version https://git-lfs", "a git-lfs pointer; fetch the real file (git lfs pull)", False),
    (b"<!DOCTYPE", "a web page", False),
    (b"<!doctype", "a web page", False),
    (b"<html", "a web page", False),
    (b"GGUF", "a GGUF file", False),
    (b"\x89HDF", "an HDF5 file", False),
)


def read_header(path: Path) -> dict[str, Any]:
    """The checked header of a file.

    Raises:
        PickleRefused: it is a pickle or a torch checkpoint.
        WeightsError: it is truncated, damaged or something else altogether.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(64)
        # Where a header begins there is a brace, whatever the eight bytes of its length look like.
        if start[8:9] != b"{":
            _refuse_foreign(path, start)
        if len(start) < 8:
            raise WeightsError(f"{path} has {size} bytes: too short for a safetensors file")
        (length,) = struct.unpack("<Q", start[:8])
        if length > MAX_HEADER or length > size - 8:
            raise WeightsError(
                f"{path} announces a header of {length:,} bytes in a file of {size:,}: "
                "it is truncated, damaged or no safetensors file"
            )
        file.seek(8)
        raw = file.read(length)
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path} has a header that is not JSON: it is damaged or no safetensors file") from error
    if not isinstance(header, dict):
        raise WeightsError(f"{path} has a header that is not a JSON object")
    _check_tensors(path, header, size - 8 - length)
    return header


def _refuse_foreign(path: Path, start: bytes) -> None:
    for magic, what, pickle in _FOREIGN:
        if start.lstrip()[: len(magic)] == magic or start[: len(magic)] == magic:
            if pickle:
                raise PickleRefused(
                    f"{path} is {what}; pickles can run code and are never opened here. "
                    f"Run: zoo convert {path} to make a safetensors file of it"
                )
            raise WeightsError(f"{path} is {what}, not a safetensors file")


def _check_tensors(path: Path, header: Mapping[str, Any], data: int) -> None:
    spans = []
    for name, facts in header.items():
        if name == "__metadata__":
            continue
        try:
            dtype, sizes, (begin, end) = facts["dtype"], facts["shape"], facts["data_offsets"]
            proper = isinstance(dtype, str) and all(type(number) is int for number in (*sizes, begin, end))
        except (KeyError, TypeError, ValueError):
            proper = False
        if not proper:
            raise WeightsError(f"{path}: tensor {name!r} has no proper dtype, shape and data_offsets")
        if dtype not in BITS:
            raise WeightsError(f"{path}: tensor {name!r} has unknown dtype {dtype!r}")
        if math.prod(max(side, 1) for side in sizes) > MAX_ELEMENTS:
            raise WeightsError(f"{path}: tensor {name!r} has the absurd shape {sizes}: the file is damaged")
        if any(side < 0 for side in sizes) or not 0 <= begin <= end <= data:
            raise WeightsError(
                f"{path}: tensor {name!r} of shape {sizes} lies at bytes {begin:,} to {end:,} of {data:,}: "
                "the file is truncated or damaged"
            )
        if math.prod(sizes) * BITS[dtype] // 8 != end - begin:
            raise WeightsError(f"{path}: tensor {name!r} of shape {sizes}, {dtype} does not fill {end - begin:,} bytes")
        spans.append((begin, end, name))
    reached = 0
    for begin, end, name in sorted(spans):
        if begin != reached:
            raise WeightsError(f"{path}: tensor {name!r} overlaps another or leaves a gap before it")
        reached = end
    if reached != data:
        raise WeightsError(f"{path} has {data - reached:,} bytes that belong to no tensor: it is damaged")


def read_metadata(path: Path) -> dict[str, str]:
    """The free-form metadata of a file."""
    metadata: dict[str, str] = read_header(path).get("__metadata__") or {}
    return metadata


def open_state(paths: Sequence[Path]) -> dict[str, Tensor]:
    """All tensors of some files, memory-mapped: nothing is read before a tensor is used.

    Raises:
        WeightsError: a file is damaged, or two files hold one name.
    """
    from safetensors import SafetensorError, safe_open

    state: dict[str, Tensor] = {}
    for path in paths:
        header = read_header(path)
        repeated = [name for name in header if name in state]
        if repeated:
            raise WeightsError(f"{path} repeats tensors of another shard: {', '.join(repeated[:5])}")
        try:
            with safe_open(path, framework="pt", device="cpu") as file:
                state |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        except SafetensorError as error:
            raise WeightsError(f"{path} is not a readable safetensors file: {error}") from error
    return state


def shard_names(index: Path) -> list[str]:
    """File names of an index, in order, each once.

    Raises:
        WeightsError: the index is damaged, or a name leads out of its folder.
    """
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        found = list(dict.fromkeys(str(name) for name in weight_map.values()))
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{index} is not an index of shards (a JSON object with a weight_map)") from error
    for name in found:
        check_relative(name, str(index))
    return found


def shards_of(index: Path) -> list[Path]:
    """The files that an index on the disk names.

    Raises:
        WeightsError: the index is damaged, or a shard is missing.
    """
    shards = [index.parent / name for name in shard_names(index)]
    missing = [shard.name for shard in shards if not shard.is_file()]
    if missing:
        raise WeightsError(f"{index.parent} lacks shards that its index names: {', '.join(missing)}")
    return shards


def check_relative(name: str, owner: str) -> None:
    """Refuse a file name that leads out of its folder.

    Raises:
        WeightsError: it is absolute, has a drive, or climbs with "..".
    """
    parts = name.replace("\\", "/").split("/")
    if not name or name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        raise WeightsError(f"{owner} names the file {name!r}, which leads out of its folder: refused")


def files_in(folder: Path) -> list[Path]:
    """The safetensors files of a folder: the single one, the sharded ones, or the only one there is.

    Raises:
        WeightsError: there is none, several that belong to no index, or a shard is missing.
    """
    if (folder / INDEX).is_file():
        return shards_of(folder / INDEX)
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    found = sorted(folder.glob("*.safetensors"))
    if len(found) == 1:
        return found
    if found:
        raise WeightsError(f"{folder} holds several files ({', '.join(f.name for f in found)}); name one of them")
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in {".bin", ".pth", ".pt", ".ckpt"})
    if pickles:
        raise PickleRefused(f"{folder} holds only pickles ({', '.join(pickles)}). Run: zoo convert {pickles[0]}")
    raise NoWeights(f"{folder} holds no {SINGLE}, no {INDEX} and no other safetensors file")
