"""safetensors files, mapped into memory, and the folders that hold them.

A file is eight bytes of header length N (little endian), N bytes of JSON naming each tensor's dtype, shape and
[begin, end) within the data, then the data. safetensors' own reader refuses what is malformed.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import PickleRefused, WeightsError, one_line

if TYPE_CHECKING:
    from torch import Tensor

CONFIG_FILE = "config.json"
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
CARD_FILE = "README.md"
# What ``zoo.save`` and ``zoo.push`` call weights, and replace.
OWN_WEIGHTS = re.compile(rf"model(-\d+-of-\d+)?\.safetensors|{re.escape(INDEX)}")
# A folder inside a saved folder: a save that is whole, and was interrupted before its files came to their places.
COMMITTED = ".zoo-saved"


# No index and no config comes near this; reading more of a file that is none would fill the memory.
LARGEST_JSON = 64 << 20


class NoWeights(WeightsError):
    """A folder or repository exists and holds no weights."""


_FOREIGN = (
    (b"PK\x03\x04", "a zip archive, as torch.save writes", True),
    *((bytes([0x80, protocol]), "a pickle", True) for protocol in (2, 3, 4, 5)),
    (b"version https://git-lfs", "a git-lfs pointer; fetch the real file (git lfs pull)", False),
    (b"<!DOCTYPE", "a web page", False),
    (b"<!doctype", "a web page", False),
    (b"<html", "a web page", False),
    (b"GGUF", "a GGUF file", False),
    (b"\x89HDF", "an HDF5 file", False),
)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """safetensors' own reader of a file, which holds everything that the header says against the file.

    What is refused before it: a file that is none (a named pipe would be waited for, for ever), and those that users
    have instead of safetensors, for which there is something better to say than that the header is too large.

    Raises:
        PickleRefused: it is a pickle or a torch checkpoint.
        WeightsError: it is truncated, damaged or something else altogether.
    """
    from safetensors import SafetensorError, safe_open

    check_regular(path)
    _refuse_foreign(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file
    except (SafetensorError, RuntimeError, TypeError, ValueError) as error:
        # Shapes that torch cannot count come as its own errors.
        raise WeightsError(f"{path} is damaged or no safetensors file: {one_line(error)}") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error


def check_regular(path: Path) -> None:
    """Refuse what stands where a file should and is none.

    Raises:
        WeightsError: nothing is there, or a broken link, a folder, a named pipe, a socket or a device.
    """
    if os.path.isfile(path):
        return
    if os.path.islink(path) and not os.path.exists(path):
        raise WeightsError(f"{path} is a link to {os.readlink(path)}, which does not exist")
    if not os.path.exists(path):
        raise WeightsError(f"{path} does not exist")
    raise WeightsError(f"{path} is {what_stands_at(path)}; expected a file")


def what_stands_at(path: Path) -> str:
    """What there is in place of a file."""
    mode = os.stat(path).st_mode
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a named pipe", stat.S_ISSOCK: "a socket"}
    return next((name for is_kind, name in kinds.items() if is_kind(mode)), "a device")


def _refuse_foreign(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
    # Where a header begins there is a brace, whatever the eight bytes of its length look like.
    if start[8:9] == b"{":
        return
    for magic, what, pickle in _FOREIGN:
        if start.startswith(magic) or start.lstrip().startswith(magic):
            if pickle:
                raise PickleRefused(
                    f"{path} is {what}; pickles can run code and are never opened here. "
                    f"Run: zoo convert {path} to make a safetensors file of it"
                )
            raise WeightsError(f"{path} is {what}, not a safetensors file")


def read_metadata(path: Path) -> dict[str, str]:
    """The free-form metadata of a file."""
    with opened(path) as file:
        metadata: dict[str, str] = file.metadata() or {}
    return metadata


def open_state(paths: Sequence[Path]) -> dict[str, Tensor]:
    """All tensors of some files, memory-mapped: nothing is read before a tensor is used.

    Raises:
        WeightsError: a file is damaged, or two files hold one name.
    """
    state: dict[str, Tensor] = {}
    for path in paths:
        with opened(path) as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        repeated = [name for name in found if name in state]
        if repeated:
            raise WeightsError(f"{path} repeats tensors of another shard: {', '.join(repeated[:5])}")
        state |= found
    return state


def read_json(path: Path) -> Any:
    """The content of a small JSON file.

    Raises:
        ValueError: it is no JSON, or larger or nested deeper than any config or index is.
        OSError: it cannot be read.
        WeightsError: it is no file.
    """
    check_regular(path)
    size = path.stat().st_size
    if size > LARGEST_JSON:
        raise ValueError(f"it has {size:,} bytes, more than {LARGEST_JSON:,}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def shard_names(index: Path) -> list[str]:
    """File names of an index, in order, each once.

    Raises:
        WeightsError: the index is damaged, or a name leads out of its folder.
    """
    try:
        weight_map = read_json(index)["weight_map"]
        found = list(dict.fromkeys(str(name) for name in weight_map.values()))
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise WeightsError(f"{index} is not an index of shards (a JSON object with a weight_map)") from error
    for name in found:
        check_relative(name, str(index))
    return found


def shards_of(index: Path) -> list[Path]:
    """The files that an index on the disk names.

    Raises:
        WeightsError: the index is damaged, or a shard is missing.
    """
    index = settled(index.parent) / index.name
    shards = [index.parent / name for name in shard_names(index)]
    missing = [shard.name for shard in shards if not os.path.lexists(shard)]
    if missing:
        raise WeightsError(f"{index.parent} lacks shards that its index names: {', '.join(missing)}")
    return shards


def leads_out(name: str) -> bool:
    """Whether a name would leave the folder it is put into: absolute, with a drive, or climbing with ".."."""
    parts = name.replace("\\", "/").split("/")
    return not name or not parts[0] or ".." in parts or ":" in parts[0] or "\0" in name


def check_relative(name: str, owner: str) -> None:
    """Refuse a file name that leads out of its folder.

    Raises:
        WeightsError: it does.
    """
    if leads_out(name):
        raise WeightsError(f"{owner} names the file {name!r}, which leads out of its folder: refused")


def settled(folder: Path) -> Path:
    """The folder, or the one inside it where an interrupted save lies whole."""
    committed = folder / COMMITTED
    return committed if committed.is_dir() else folder


def files_in(folder: Path) -> list[Path]:
    """The safetensors files of a folder: the single one, the sharded ones, or the only one there is.

    Raises:
        WeightsError: there is none, several that belong to no index, or a shard is missing.
    """
    folder = settled(folder)
    # By their names alone: what is no file of that name is an error later, not a file of another name.
    if os.path.lexists(folder / INDEX):
        return shards_of(folder / INDEX)
    if os.path.lexists(folder / SINGLE):
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
