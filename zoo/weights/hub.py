"""The Hugging Face Hub, through huggingface_hub: its cache, locks, resume and tokens, plus what it leaves out.

Left out there and done here: the digest that the Hub announces is held against the content (the client never checks,
and where its cache holds files instead of links it keeps no digest), names in the Hub's answers that would lead out of
the cache are refused, a server error on the body is retried, and a fallback to the cache says so.
"""

from __future__ import annotations

import contextlib
import os
import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from zoo.errors import DigestMismatch, DownloadError, PickleRefused, WeightsError, printable
from zoo.weights.digests import is_digest, recall, remember, sha256_of, verify
from zoo.weights.files import INDEX, SINGLE, NoWeights, check_regular, check_relative, leads_out, shard_names
from zoo.weights.hub_failures import NoSuchFile, Unreachable, patiently

COMMIT = re.compile(r"[0-9a-f]{40}")
_LOCATION = re.compile(r"hf://(?P<repo>[^/@]+/[^/@]+)(@(?P<revision>refs/(pr|convert)/[^/]+|[^/]+))?(/(?P<file>.+))?")
_LONGEST_NAME = 200


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
        WeightsError: it is not of that form, names what cannot be a repository or a revision, or its file leads out
            of the repository.
    """
    match = _LOCATION.fullmatch(uri.rstrip("/")) if uri.isprintable() else None
    if match is None:
        raise WeightsError(f"{uri!r} is not of the form hf://owner/repo[@revision][/file]")
    check_repository(match["repo"])
    revision, file = match["revision"] or "main", match["file"]
    if not stays(revision):
        raise WeightsError(f"{uri!r}: {revision!r} is not the name of a branch, a tag or a commit")
    if file is not None:
        check_relative(file, uri)
    return Location(match["repo"], revision, file)


def check_repository(repo: str) -> None:
    """Refuse what is no ``owner/repo``.

    Raises:
        WeightsError: the Hub has no repository of such a name.
        DownloadError: a variable of the environment is of no use to the client.
    """
    try:
        # It reads its environment as it is imported.
        import huggingface_hub.file_download
    except ValueError as error:
        raise DownloadError(f"the client of the Hub does not start ({error}); correct the HF_ variables") from error
    try:
        huggingface_hub.utils.validate_repo_id(repo)
    except huggingface_hub.utils.HFValidationError as error:
        raise WeightsError(f"{repo!r} is not a repository name (owner/repo): {error}") from error
    if not isinstance(repo, str) or "/" not in repo:
        raise WeightsError(f"{repo!r} is not a repository name: expected owner/repo")


def stays(name: str) -> bool:
    """Whether the cache can make a file or a folder of a name, inside of itself."""
    return name.isprintable() and len(name) <= _LONGEST_NAME and not leads_out(name)


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


class NotCached(DownloadError):
    """The Hub cannot be asked, and the cache lacks the file."""


def fetch_one(location: Location) -> Path:
    """One file, downloaded or from the cache, held against the digest that the Hub announced for it.

    Raises:
        DownloadError: it cannot be had; the message says what is missing and what to do.
        DigestMismatch: its content is not what the Hub announces; nothing bad stays in the cache.
    """
    at_hand = _at_hand(location)
    if at_hand is not None and COMMIT.fullmatch(location.revision):
        return _checked(at_hand, location)
    if _offline():
        return _from_cache(at_hand, location, "HF_HUB_OFFLINE is set")
    try:
        path, announced = patiently(lambda: _download(location), str(location), location.repo, location.revision)
    except Unreachable as error:
        return _from_cache(at_hand, location, str(error))
    return _checked(path, location, announced)


def _at_hand(location: Location) -> Path | None:
    """The file in the cache."""
    import huggingface_hub

    cached = huggingface_hub.try_to_load_from_cache(
        location.repo, location.file or "", cache_dir=_cache(), revision=location.revision
    )
    return Path(cached) if isinstance(cached, str) else None


class _Announced(NamedTuple):
    """What the Hub says of a file: the commit that a revision stands for, and the digest, or something else."""

    commit: str
    etag: str


def _download(location: Location) -> tuple[Path, _Announced]:
    import huggingface_hub

    # First, also because a Hub that does not answer must not look like an empty cache.
    announced = _ask(location)
    path = Path(
        huggingface_hub.hf_hub_download(
            location.repo,
            location.file or "",
            revision=location.revision,
            cache_dir=_cache(),
            endpoint=endpoint(),
        )
    )
    return path, announced


def _ask(location: Location) -> _Announced:
    """The Hub's metadata of a file.

    Raises:
        Unreachable: the answer is not a Hub's.
        DownloadError: the answer names a commit or a digest that would be written outside of the cache, or the file
            is larger than the disk.
    """
    import huggingface_hub

    url = huggingface_hub.hf_hub_url(
        location.repo, location.file or "", revision=location.revision, endpoint=endpoint()
    )
    metadata = huggingface_hub.get_hf_file_metadata(url, token=None, timeout=_timeout(), endpoint=endpoint())
    commit, etag = metadata.commit_hash, metadata.etag
    if not commit or not etag:
        raise Unreachable(f"what answers at {endpoint() or 'the Hub'} is no Hub")
    if not stays(etag) or not stays(commit) or "/" in commit:
        raise DownloadError(
            f"{location}: the Hub answered with the ETag {etag!r} and the commit {commit!r}, of which one would lead "
            "out of the cache: refused"
        )
    if metadata.size is not None:
        _check_space(metadata.size, location)
    return _Announced(commit, etag)


def _from_cache(path: Path | None, location: Location, why: str) -> Path:
    if path is None:
        raise NotCached(
            f"{location} is not in the cache ({_cache()}), and {why}. Connect and run: zoo pull, or give weights=PATH"
        )
    warnings.warn(printable(f"{why}; using the cached copy of {location}"), stacklevel=4)
    return _checked(path, location)


def _checked(path: Path, location: Location, announced: _Announced | None = None) -> Path:
    """Hold the content against its digest in the Hub's metadata: of now, of an earlier time, or kept by the client."""
    check_regular(path)
    pinned = replace(location, revision=commit_of(path, location))
    fresh = announced.etag if announced is not None and announced.commit == pinned.revision else None
    kept = recall(str(pinned))
    digest = fresh if is_digest(fresh) else kept or _blob_name(path) or _ask_again(pinned, fresh)
    try:
        digest = digest or _first_seen(path, pinned)
        if len(digest) == 64:
            verify(path, sha256=digest, origin=str(location))
        else:
            verify(path, git=digest, origin=str(location))
    except DigestMismatch as error:
        _discard(path)
        raise DigestMismatch(f"{error} It was removed from the cache; load again to fetch it anew.") from error
    except OSError as error:
        raise DownloadError(f"{location} went from the cache while it was read ({error}); load it again") from error
    if digest != kept:
        remember(str(pinned), digest)
    return path


def _blob_name(path: Path) -> str | None:
    """The digest in a cache of links: the client names the file that it links to after the Hub's metadata."""
    try:
        blob = Path(os.readlink(path))
    except OSError:
        return None
    return blob.name if blob.parent.name == "blobs" and is_digest(blob.name) else None


def _ask_again(pinned: Location, known: str | None) -> str | None:
    """The digest of a file that came here in some other way."""
    if known is not None or _offline():
        return None
    try:
        etag = _ask(pinned).etag
    except Exception:
        # Nothing is wrong with the file because the Hub cannot be asked.
        return None
    return etag if is_digest(etag) else None


_SAID: set[str] = set()


def _first_seen(path: Path, pinned: Location) -> str:
    """The digest of the content as it lies here, after having said that nobody can check it."""
    if str(pinned) not in _SAID:
        _SAID.add(str(pinned))
        warnings.warn(
            printable(
                f"{pinned} cannot be checked: no digest of it is to be had from the Hub. "
                "From now on it is held against the content that it has now"
            ),
            stacklevel=5,
        )
    return sha256_of(path)


def _discard(path: Path) -> None:
    """Remove a file of the cache, and what its links lead to within the cache."""
    blob = path.resolve()
    link = path.parent / os.readlink(path) if path.is_symlink() else path
    for file in (path, link, blob):
        if file.resolve().parent.is_relative_to(_cache().resolve()) or file == path:
            with contextlib.suppress(OSError):
                file.unlink()


def _check_space(size: int, location: Location) -> None:
    import shutil

    folder = _cache()
    while not os.path.exists(folder):
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DownloadError(
            f"the disk is full: {location} needs {size:,} bytes, {folder} has {free:,} free. "
            "Free some space or set HF_HUB_CACHE"
        )


# huggingface_hub reads its environment once, at import; these follow it as it is now.


def _cache() -> Path:
    given = os.environ.get("HF_HUB_CACHE")
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    try:
        return Path(given or os.path.join(home, "hub")).expanduser().absolute()
    except RuntimeError as error:
        raise DownloadError(
            "there is no home folder here to keep downloads in; set HF_HOME or HF_HUB_CACHE to a folder of yours"
        ) from error


def endpoint() -> str | None:
    """The Hub to ask, where it is not huggingface.co."""
    return os.environ.get("HF_ENDPOINT")


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}


def _timeout() -> float:
    return float(os.environ.get("HF_HUB_ETAG_TIMEOUT") or 10)
