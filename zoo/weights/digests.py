"""Check a file's size and digest once, and remember what was found.

The memory is a folder of small files. A marker is named after a file's identity (path, size, times, inode) and digest,
so that a changed file is checked again and processes never disturb each other; a note holds the digest that a file
should have, where only somebody far away can tell. Where no folder can be written, everything is checked every time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from pathlib import Path

from zoo.errors import DigestMismatch

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")

# File systems count time in steps, so a file may change within the step in which it was checked: what is younger is
# checked again. In nanoseconds; the coarsest step in use is two seconds (FAT).
SETTLED = 2_000_000_000


def cache_folder() -> Path | None:
    """The zoo's own cache: ``ZOO_CACHE``, or ``zoo`` in the user's cache folder. None for a user without a home."""
    given = os.environ.get("ZOO_CACHE")
    try:
        if given:
            return Path(given).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "zoo"
    except RuntimeError:
        return None


def is_digest(text: str | None) -> bool:
    """Whether a text is one that ``verify`` can hold a file against."""
    return text is not None and bool(_SHA256.fullmatch(text) or _SHA1.fullmatch(text))


def remember(name: str, digest: str) -> None:
    """Keep the digest of what goes by a name, for instance of a file at one commit of a repository."""
    _write(_memory("announced", name), digest)


def recall(name: str) -> str | None:
    """The digest that was kept under a name."""
    try:
        note = _memory("announced", name)
        found = note.read_text(encoding="ascii") if note is not None else None
    except (OSError, ValueError):
        return None
    return found if is_digest(found) else None


def _memory(kind: str, name: str) -> Path | None:
    folder = cache_folder()
    return folder / kind / hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest() if folder else None


def _write(note: Path | None, text: str) -> None:
    """Whole or not at all; a cache that cannot be written costs a second check, nothing else."""
    if note is None:
        return
    draft = note.with_name(f"{note.name}.{os.getpid()}-{time.monotonic_ns()}")
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="ascii")
        draft.replace(note)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()


def sha256_of(path: Path) -> str:
    """Digest of a file's content, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()


def verify(
    path: Path, *, sha256: str | None = None, git: str | None = None, size: int | None = None, origin: str = ""
) -> None:
    """Refuse a file that is not what it should be.

    Args:
        path: the file.
        sha256: digest of its content, hex. None is not checked, as for ``git`` and ``size``.
        git: the sha1 by which git calls it or, as some mirrors of the Hub announce, that of its bare content.
        size: in bytes.
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
    for what, digest, of in (("sha256", sha256, _sha256), ("git id", git, _git_ids)):
        if digest is None:
            continue
        marker, settled = _marker(path, digest)
        if marker is not None and os.path.exists(marker):
            continue
        found = of(path)
        if digest not in found:
            raise DigestMismatch(
                f"{named} has {what} {found[0]}; expected {digest}. It is refused: the file was changed or damaged on "
                "its way."
            )
        if settled:
            _write(marker, "")


def _sha256(path: Path) -> tuple[str, ...]:
    return (sha256_of(path),)


def _git_ids(path: Path) -> tuple[str, ...]:
    content = path.read_bytes()
    return (
        hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest(),
        hashlib.sha1(content).hexdigest(),
    )


def _marker(path: Path, digest: str) -> tuple[Path | None, bool]:
    """The marker of a file that was checked, and whether its times are old enough to tell it from a changed one.

    The time of the last change of the inode is part of it: no program sets that one back.
    """
    real = path.resolve()
    stat = real.stat()
    times = (stat.st_mtime_ns, stat.st_ctime_ns)
    identity = f"{real}|{stat.st_dev}|{stat.st_ino}|{stat.st_size}|{times}|{digest}"
    return _memory("verified", identity), max(times) + SETTLED < time.time_ns()
