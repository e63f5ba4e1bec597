"""Replace what a folder holds, whole: killed between any two steps, it is the old save or the new one.

1. The new files are written into ``.zoo-saving-...`` inside the folder. Nothing else has changed.
2. That folder is renamed to ``.zoo-saved``: from here on it is the save, and readers look there first.
3. Its files are linked to their places, stale ones are removed, and ``.zoo-saved`` goes.

A save that was interrupted in step 1 leaves a folder that the next one removes; in step 3, one that the next finishes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo import origin
from zoo.errors import InputError
from zoo.weights.files import CARD_FILE, COMMITTED, CONFIG_FILE, OWN_WEIGHTS

_TEMPORARY = ".zoo-saving-"


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """An empty folder to write a save into. Once the block has ended without an error, it is what ``folder`` holds.

    Saves into one folder wait for one another.

    Raises:
        InputError: ``folder`` is a file, or holds files of these names that ``zoo.save`` did not write.
        OSError: something cannot be written; the earlier save is whole.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{str(folder)!r} is a file; expected the name of a folder")
    folder.mkdir(parents=True, exist_ok=True)
    with _alone_in(folder):
        _settle(folder)
        _refuse_to_replace(folder)
        fresh = Path(tempfile.mkdtemp(dir=folder, prefix=_TEMPORARY))
        try:
            yield fresh
            fresh.rename(folder / COMMITTED)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        _settle(folder)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder that dies with the process. Where there is no such lock, go on without."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _settle(folder: Path) -> None:
    """Remove what interrupted saves left, and finish the one that was committed."""
    for left in folder.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    committed = folder / COMMITTED
    if not committed.is_dir():
        return
    names = {path.name for path in committed.iterdir()}
    for stale in weights_in(folder):
        if stale.name not in names:
            stale.unlink()
    for name in sorted(names, key=lambda name: name == CONFIG_FILE):
        _put(committed / name, folder / name)
    # Gone at once, not file by file: readers look there first.
    done = committed.rename(folder / f"{_TEMPORARY}done")
    shutil.rmtree(done)


def _put(source: Path, target: Path) -> None:
    """The content of ``source`` under the name ``target``, at once."""
    if target.exists() and target.samefile(source):
        return
    beside = target.with_name(f"{_TEMPORARY}{target.name}")
    try:
        os.link(source, beside)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, beside)
    beside.replace(target)


def weights_in(folder: Path) -> list[Path]:
    """The files in a folder that bear the names of saved weights."""
    return [path for path in folder.iterdir() if OWN_WEIGHTS.fullmatch(path.name)]


def _refuse_to_replace(folder: Path) -> None:
    """Only what an earlier save wrote may be replaced."""
    named = [folder / CARD_FILE, folder / CONFIG_FILE, *weights_in(folder)]
    found = [path.name for path in named if path.exists()]
    if found and not origin.is_saved(folder):
        raise InputError(
            f"{str(folder)!r} holds {', '.join(found)}, which zoo.save did not write and would replace; "
            "choose another folder"
        )
