"""Check a file's size and sha256 once, and remember that it was checked.

The memory is a folder of empty marker files, named after the file's identity (path, size, modification time,
inode) and digest, so that a changed file is checked again and processes never disturb each other.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from zoo.errors import DigestMismatch


def cache_folder() -> Path:
    """The zoo's own cache: ``ZOO_CACHE``, or ``zoo`` in the user's cache folder."""
    given = os.environ.get("ZOO_CACHE")
    if given:
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "zoo"


def sha256_of(path: Path) -> str:
    """Digest of a file's content, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()


def verify(path: Path, *, sha256: str | None = None, size: int | None = None, origin: str = "") -> None:
    """Refuse a file that is not what it should be.

    Args:
        path: the file.
        sha256, size: what is expected; None is not checked.
        origin: names the source in messages.

    Raises:
        DigestMismatch: naming both sizes or both digests. The file stays where it is.
    """
    named = origin or str(path)
    actual = path.stat().st_size
    if size is not None and actual != size:
        raise DigestMismatch(
            f"{named} has {actual:,} bytes; expected {size:,}. It was cut, replaced or never complete."
        )
    if sha256 is None:
        return
    marker = _marker(path, sha256)
    if marker.exists():
        return
    found = sha256_of(path)
    if found != sha256:
        raise DigestMismatch(
            f"{named} has sha256 {found}; expected {sha256}. It is refused: the file was changed or damaged on its way."
        )
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    except OSError:
        # A cache that cannot be written costs a second check, nothing else.
        return


def verify_git(path: Path, oid: str, *, origin: str = "") -> None:
    """Refuse a small file that is not the git object it should be.

    Args:
        path: the file.
        oid: git's id of it, or (as some mirrors of the Hub announce) the sha1 of the bare content.
        origin: names the source in messages.

    Raises:
        DigestMismatch: naming both. The file stays where it is.
    """
    content = path.read_bytes()
    found = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
    if oid not in (found, hashlib.sha1(content).hexdigest()):
        raise DigestMismatch(
            f"{origin or path} has git id {found}; expected {oid}. It is refused: the file was changed or damaged on "
            "its way."
        )


def _marker(path: Path, sha256: str) -> Path:
    real = path.resolve()
    stat = real.stat()
    identity = f"{real}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ino}|{sha256}"
    return cache_folder() / "verified" / hashlib.sha256(identity.encode()).hexdigest()
