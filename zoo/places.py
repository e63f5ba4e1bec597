"""Places that users name: whether there is a file to read, or one can be written, found out before the work."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from zoo.errors import InputError
from zoo.weights.files import what_stands_at


def to_read(place: str | os.PathLike[str]) -> Path:
    """The path of a file to open. Where nothing is, opening it says so.

    Raises:
        InputError: it is a folder, or a named pipe, a socket or a device, which would be waited for.
    """
    path = Path(place)
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError(f"{str(path)!r} is {what_stands_at(path)}; expected a file")
    return path


def check_file(path: Path) -> None:
    """See that a file can be written, making the folder that it goes into.

    Raises:
        InputError: it cannot, or what is there is no file.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            # It would be replaced: for root a device as well.
            raise InputError(f"{str(path)!r} is a folder or a device; expected the name of the file to write")
        _try_in(path.parent)
        if not os.path.lexists(path):
            # Its name may be too long, for instance.
            path.touch()
            path.unlink()
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be written: {error}") from error


def check_folder(folder: Path) -> None:
    """See that files can be written into a folder, making it where it is not there.

    Raises:
        InputError: they cannot, or what is there is no folder.
    """
    try:
        if os.path.lexists(folder) and not folder.is_dir():
            raise InputError(f"{str(folder)!r} is no folder; expected the name of one to write into")
        _try_in(folder)
    except (OSError, ValueError) as error:
        raise InputError(f"{str(folder)!r} cannot be written into: {error}") from error


def _try_in(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def write_whole(path: Path, content: bytes) -> None:
    """Write a file at once: whoever reads meanwhile, or after an interruption, finds the old one or the new one."""
    draft = path.with_name(f".zoo-{os.getpid()}-{time.monotonic_ns()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
