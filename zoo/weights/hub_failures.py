"""What can go wrong between here and the Hub, as one table, and the patience that some of it deserves.

Connections that break within a body and rate limits are retried by huggingface_hub itself. Retried here is what it
gives up at once: the first question, which its own back-off would repeat for half a minute although a copy may lie in
the cache, and server errors on the body.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from zoo.errors import DownloadError, ZooError, one_line

ATTEMPTS = 4
LONGEST_PAUSE = 60.0

T = TypeVar("T")


class NoSuchFile(DownloadError):
    """The repository exists and lacks the file."""


class Unreachable(DownloadError):
    """No connection, or a server that keeps failing."""


@dataclass(frozen=True)
class Failure:
    """One row of the table.

    Args:
        message: what to say; ``{place}``, ``{repo}``, ``{revision}``, ``{status}`` and ``{reason}`` are filled in.
        may_pass: whether another attempt makes sense.
        becomes: the error that is raised in the end.
    """

    message: str
    may_pass: bool = False
    becomes: type[DownloadError] = DownloadError


_REFUSED = Failure(
    "the Hub refused {place} ({status}): {reason}. Set HF_TOKEN to a token with access, or run: hf auth login"
)
_FULL = Failure("the disk is full: {place} does not fit. Free some space or set HF_HUB_CACHE")
_DISK = Failure("{place} cannot be written to the cache: {reason}. Set HF_HUB_CACHE to a folder of yours")
_BUSY = Failure("the Hub cannot be reached (status {status})", may_pass=True, becomes=Unreachable)
_AWAY = Failure("the Hub cannot be reached ({reason})", may_pass=True, becomes=Unreachable)
_ODD = Failure("{place}: {reason}. Is HF_ENDPOINT a Hub?")

# By the names of an error's classes, so that no HTTP client is imported for them; by status; by the system's own code.
_FAILURES = {
    "GatedRepoError": Failure(
        "{repo} is gated: accept its terms on the Hub, then give a token of that account in HF_TOKEN, or run: "
        "hf auth login"
    ),
    "RepositoryNotFoundError": Failure(
        "there is no repository {repo!r} on the Hub, or it is private and no token with access was given. "
        "Set HF_TOKEN, or run: hf auth login"
    ),
    "RevisionNotFoundError": Failure("{repo} has no revision {revision!r}"),
    "RemoteEntryNotFoundError": Failure(
        "{place}: the repository has no such file at that revision", becomes=NoSuchFile
    ),
    **dict.fromkeys(("401", "403"), _REFUSED),
    **dict.fromkeys(("408", "429", "500", "502", "503", "504"), _BUSY),
    "HfHubHTTPError": Failure("the Hub answered {status} for {place}: {reason}"),
    **dict.fromkeys(("ENOSPC", "EDQUOT"), _FULL),
    **dict.fromkeys(("PermissionError", "NotADirectoryError", "IsADirectoryError", "FileExistsError"), _DISK),
    **dict.fromkeys(
        ("LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectionError", "TransportError", "TimeoutError"), _AWAY
    ),
    # A body of the wrong size, for instance.
    "OSError": Failure("{place}: {reason}", may_pass=True),
}


def _names(error: BaseException) -> Iterator[str]:
    """What an error is called in the table, from the most particular to the most general."""
    if isinstance(error, OSError):
        yield errno.errorcode.get(error.errno or 0, "OSError of no code")
    for kind in type(error).__mro__:
        if kind.__name__ == "HfHubHTTPError":
            yield str(_status(error))
        yield kind.__name__


def _status(error: BaseException) -> int | None:
    status: int | None = getattr(getattr(error, "response", None), "status_code", None)
    return status


def _failure(error: BaseException) -> Failure:
    return next((_FAILURES[name] for name in _names(error) if name in _FAILURES), _ODD)


def translated(error: Exception, place: str, repo: str, revision: str = "main") -> ZooError:
    """The error to raise instead of one of huggingface_hub, its HTTP client or the system."""
    failure = _failure(error)
    facts = {"place": place, "repo": repo, "revision": revision, "status": _status(error)}
    return failure.becomes(failure.message.format(**facts, reason=one_line(error.__cause__ or error).rstrip(".")))


def patiently(action: Callable[[], T], place: str, repo: str, revision: str) -> T:
    """Run, and run again after errors that may pass.

    Raises:
        DownloadError: the last error, translated; ``Unreachable`` where a cached copy would do instead.
    """
    for attempt in range(ATTEMPTS):
        try:
            return action()
        except ZooError:
            raise
        except Exception as error:
            if attempt == ATTEMPTS - 1 or not _failure(error).may_pass:
                raise translated(error, place, repo, revision) from error
            time.sleep(_pause(attempt, error))
    raise AssertionError("unreachable: the last attempt returns or raises")


def _pause(attempt: int, error: BaseException) -> float:
    asked = getattr(getattr(error, "response", None), "headers", {}).get("Retry-After", "")
    return min(float(asked) if asked.isdecimal() else 0.5 * 2**attempt, LONGEST_PAUSE)
