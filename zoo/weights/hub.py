"""The Hugging Face Hub, through huggingface_hub: its cache, locks, resume and tokens, plus what it leaves out.

Left out there and done here: the digest of a large file is compared with its content (the client names the cached
file after the digest and never checks), a server error on the body is retried, and a fallback to the cache says so.
"""

from __future__ import annotations

import errno
import os
import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from zoo.errors import DigestMismatch, DownloadError, PickleRefused, WeightsError
from zoo.weights.digests import verify, verify_git
from zoo.weights.files import CONFIG_FILE, INDEX, SINGLE, NoWeights, check_relative, shard_names

ATTEMPTS = 4
_RETRIED = {408, 429, 500, 502, 503, 504}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")
_LOCATION = re.compile(r"hf://(?P<repo>[^/@]+/[^/@]+)(@(?P<revision>refs/(pr|convert)/[^/]+|[^/]+))?(/(?P<file>.+))?")

T = TypeVar("T")


@dataclass(frozen=True)
class Location:
    """A place on the Hub: ``hf://owner/repo[@revision][/file]``."""

    repo: str
    revision: str
    file: str | None

    def __str__(self) -> str:
        tail = f"/{self.file}" if self.file else ""
        return f"hf://{self.repo}@{self.revision}{tail}"


def parse(uri: str) -> Location:
    """Read a URI.

    Raises:
        WeightsError: it is not of that form, or its file leads out of the repository.
    """
    match = _LOCATION.fullmatch(uri.rstrip("/"))
    if match is None:
        raise WeightsError(f"{uri!r} is not of the form hf://owner/repo[@revision][/file]")
    file = match["file"]
    if file is not None:
        check_relative(file, uri)
    return Location(match["repo"], match["revision"] or "main", file)


def fetch(location: Location) -> list[Path]:
    """Local safetensors files of a repository or of one file in it."""
    if location.file is not None:
        if not location.file.endswith((".safetensors", ".json")):
            raise PickleRefused(
                f"{location} is not a safetensors file; download it and run: zoo convert {Path(location.file).name}"
            )
        if location.file.endswith(".index.json"):
            return _fetch_shards(location)
        return [fetch_one(location)]
    index = replace(location, file=INDEX)
    try:
        return [fetch_one(replace(location, file=SINGLE))]
    except NoSuchFile:
        pass
    except NotCached:
        if _at_hand(index) is None:
            raise
    try:
        return _fetch_shards(index)
    except NoSuchFile as error:
        raise NoWeights(f"{location} holds neither {SINGLE} nor {INDEX}; name the file after the repository") from error


def _fetch_shards(location: Location) -> list[Path]:
    index = fetch_one(location)
    folder, slash, _ = (location.file or "").rpartition("/")
    # All shards from the commit of the index, whatever the branch does meanwhile.
    commit = commit_of(index, location)
    return [fetch_one(replace(location, revision=commit, file=f"{folder}{slash}{name}")) for name in shard_names(index)]


def commit_of(path: Path, location: Location) -> str:
    """The commit that a fetched file belongs to: the name of its snapshot's folder in the cache."""
    return path.parents[(location.file or "").count("/")].name


def prefetch(location: Location) -> list[Path]:
    """All that loading from a place needs: its weights, and what ``zoo.save`` wrote beside them."""
    if location.file is not None:
        return fetch(location)
    config = replace(location, file=CONFIG_FILE)
    try:
        path = fetch_one(config)
    except NoSuchFile:
        return fetch(location)
    try:
        return [path, *fetch(replace(location, revision=commit_of(path, config)))]
    except NoWeights:
        return [path]


class NoSuchFile(DownloadError):
    """The repository exists and lacks the file."""


class NotCached(DownloadError):
    """The Hub cannot be asked, and the cache lacks the file."""


def fetch_one(location: Location) -> Path:
    """One file, downloaded or from the cache, its Hub digest checked.

    Raises:
        DownloadError: it cannot be had; the message says what is missing and what to do.
        DigestMismatch: its content is not what the Hub announces; nothing bad stays in the cache.
    """
    from huggingface_hub.errors import EntryNotFoundError

    at_hand = _at_hand(location)
    if at_hand is not None and _SHA1.fullmatch(location.revision):
        return _checked(at_hand, location)
    if _offline():
        return _from_cache(at_hand, location, "HF_HUB_OFFLINE is set")
    try:
        path = _patiently(lambda: _download(location), location)
    except _Unreachable as error:
        return _from_cache(at_hand, location, f"the Hub cannot be reached ({error})")
    except EntryNotFoundError as error:
        raise NoSuchFile(f"{location}: the repository has no such file at that revision") from error
    return _checked(path, location)


def _at_hand(location: Location) -> Path | None:
    """The file in the cache."""
    import huggingface_hub

    cached = huggingface_hub.try_to_load_from_cache(
        location.repo, location.file or "", cache_dir=_cache(), revision=location.revision
    )
    return Path(cached) if isinstance(cached, str) else None


def _download(location: Location) -> Path:
    import huggingface_hub

    _ask(location)
    return Path(
        huggingface_hub.hf_hub_download(
            location.repo,
            location.file or "",
            revision=location.revision,
            cache_dir=_cache(),
            endpoint=_endpoint(),
        )
    )


def _ask(location: Location) -> None:
    """Ask for the file's metadata first: a Hub that does not answer must not look like an empty cache."""
    import huggingface_hub

    url = huggingface_hub.hf_hub_url(
        location.repo, location.file or "", revision=location.revision, endpoint=_endpoint()
    )
    metadata = huggingface_hub.get_hf_file_metadata(url, token=None, timeout=_timeout(), endpoint=_endpoint())
    if metadata.size is not None:
        _check_space(metadata.size, location)


class _Unreachable(Exception):
    """No connection, or a server that keeps failing."""


def _patiently(action: Callable[[], T], location: Location) -> T:
    """Run, and run again after errors that pass; translate the others."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    for attempt in range(ATTEMPTS):
        last = attempt == ATTEMPTS - 1
        try:
            return action()
        except WeightsError:
            raise
        except GatedRepoError as error:
            raise DownloadError(
                f"{location.repo} is gated: accept its terms on the Hub, then give a token of that account in "
                "HF_TOKEN, or run: hf auth login"
            ) from error
        except RepositoryNotFoundError as error:
            raise DownloadError(
                f"there is no repository {location.repo!r} on the Hub, or it is private and no token with access "
                "was given. Set HF_TOKEN, or run: hf auth login"
            ) from error
        except RevisionNotFoundError as error:
            raise DownloadError(f"{location.repo} has no revision {location.revision!r}") from error
        except LocalEntryNotFoundError as error:
            if last:
                raise _Unreachable(_reason(error)) from error
        except EntryNotFoundError:
            raise
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status in (401, 403):
                raise DownloadError(
                    f"the Hub refused {location} ({status}): the token in HF_TOKEN or of hf auth login has no access"
                ) from error
            if status not in _RETRIED:
                raise DownloadError(f"the Hub answered {status} for {location}") from error
            if last:
                raise _Unreachable(f"status {status} after {ATTEMPTS} attempts") from error
            _wait(attempt, error.response.headers.get("Retry-After"))
            continue
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                _remove_incomplete(location)
                raise DownloadError(
                    f"the disk is full: {location} does not fit into {_cache()}. Free some space or set HF_HUB_CACHE"
                ) from error
            if last:
                raise DownloadError(f"{location} could not be downloaded: {error}") from error
        except Exception as error:
            if not _transient(error):
                raise DownloadError(f"{location} could not be downloaded: {error}") from error
            if last:
                raise _Unreachable(_reason(error)) from error
        _wait(attempt, None)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _transient(error: BaseException) -> bool:
    """Whether an error of the HTTP client may pass: connections, time-outs, broken bodies."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"TransportError", "TimeoutException", "NetworkError", "ProtocolError", "OfflineModeIsEnabled"})


def _reason(error: BaseException) -> str:
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}".splitlines()[0]


def _wait(attempt: int, retry_after: str | None) -> None:
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else 0.5 * 2**attempt
    time.sleep(min(seconds, 60.0))


def _from_cache(path: Path | None, location: Location, why: str) -> Path:
    if path is None:
        raise NotCached(
            f"{location} is not in the cache ({_cache()}), and {why}. Connect and run: zoo pull, or give weights=PATH"
        )
    warnings.warn(f"{why}; using the cached copy of {location}", stacklevel=4)
    return _checked(path, location)


def _checked(path: Path, location: Location) -> Path:
    """Compare content with the Hub's digest, which is the name of the cached blob: sha256 in LFS, else git's own."""
    blob = path.resolve()
    try:
        if _SHA256.fullmatch(blob.name):
            verify(blob, sha256=blob.name, origin=str(location))
        elif _SHA1.fullmatch(blob.name):
            verify_git(blob, blob.name, origin=str(location))
    except DigestMismatch as error:
        path.unlink(missing_ok=True)
        blob.unlink(missing_ok=True)
        raise DigestMismatch(f"{error} It was removed from the cache; load again to fetch it anew.") from error
    return path


def _check_space(size: int, location: Location) -> None:
    import shutil

    folder = _cache()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DownloadError(
            f"the disk is full: {location} needs {size:,} bytes, {folder} has {free:,} free. "
            "Free some space or set HF_HUB_CACHE"
        )


def _remove_incomplete(location: Location) -> None:
    for partial in (_cache() / f"models--{location.repo.replace('/', '--')}" / "blobs").glob("*.incomplete"):
        partial.unlink(missing_ok=True)


# huggingface_hub reads its environment once, at import; these follow it as it is now.


def _cache() -> Path:
    given = os.environ.get("HF_HUB_CACHE")
    if given:
        return Path(given).expanduser()
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(home).expanduser() / "hub"


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT")


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}


def _timeout() -> float:
    return float(os.environ.get("HF_HUB_ETAG_TIMEOUT") or 10)


def push_folder(
    folder: Path, repo_id: str, *, private: bool = False, revision: str | None = None, token: str | None = None
) -> str:
    """Upload a folder, creating the repository where it does not exist.

    Returns:
        ``hf://owner/repo@<commit>``.

    Raises:
        DownloadError: the Hub refused; the message says whether a token is missing.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    api = HfApi(endpoint=_endpoint(), token=token)
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id, folder_path=folder, revision=revision, commit_message="Upload from the zoo"
        )
    except HFValidationError as error:
        raise WeightsError(f"{repo_id!r} is not a repository name (owner/repo): {error}") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        hint = " Set HF_TOKEN to a token with write access, or run: hf auth login" if status in (401, 403) else ""
        raise DownloadError(f"the Hub refused the upload to {repo_id} ({status}): {error}.{hint}") from error
    except Exception as error:
        if not _transient(error):
            raise
        raise DownloadError(f"{repo_id}: the Hub cannot be reached ({_reason(error)})") from error
    return f"hf://{repo_id}@{commit.oid}"
