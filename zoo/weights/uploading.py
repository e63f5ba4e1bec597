"""Upload a folder to the Hugging Face Hub, as one commit: who loads meanwhile gets the old files or the new ones."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import DownloadError, WeightsError
from zoo.weights.files import CARD_FILE, OWN_WEIGHTS
from zoo.weights.hub import COMMIT, check_repository, endpoint, stays
from zoo.weights.hub_failures import translated


def push_folder(
    folder: Path,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    token: str | None = None,
    card: str | None = None,
) -> str:
    """Upload a folder in one commit, creating the repository where it does not exist.

    Weights of an earlier push that the folder does not replace go with that commit: a repository that held numbered
    files beside a single one would load the wrong ones. Hidden files stay here.

    Args:
        folder: what to upload.
        repo_id: ``owner/repo``.
        private, revision, token: as in ``zoo.push``.
        card: the repository's README, in place of the folder's.

    Returns:
        ``hf://owner/repo@<commit>``.

    Raises:
        WeightsError: ``repo_id`` or ``revision`` is not a name that the Hub can have.
        DownloadError: the Hub refused, which may be for want of a token, or did not answer as a Hub does.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    check_repository(repo_id)
    if revision is not None and not stays(revision):
        raise WeightsError(f"{revision!r} is not the name of a branch")
    api = HfApi(endpoint=endpoint(), token=token)
    place = f"the upload to {repo_id}"
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        files = _files(folder) | ({} if card is None else {CARD_FILE: card.encode()})
        there = api.list_repo_files(repo_id, revision=revision)
        stale = [name for name in there if OWN_WEIGHTS.fullmatch(name) and name not in files]
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            *(CommitOperationDelete(name) for name in stale),
            *(CommitOperationAdd(name, content) for name, content in files.items()),
        ]
        commit = api.create_commit(repo_id, operations, commit_message="Upload from the zoo", revision=revision).oid
    except Exception as error:
        # Of the client, its HTTP and transfer libraries, and of reading an answer that is not a Hub's.
        found = translated(error, place, repo_id, revision or "main")
        raise DownloadError(f"{repo_id}: {found}") from error
    if not (isinstance(commit, str) and COMMIT.fullmatch(commit)):
        raise DownloadError(f"{repo_id}: the answer to the upload names no commit ({commit!r}). Is HF_ENDPOINT a Hub?")
    return f"hf://{repo_id}@{commit}"


def _files(folder: Path) -> dict[str, Path | bytes]:
    """What there is to upload, by its name in the repository."""
    inside = ((path, path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file())
    return {name.as_posix(): path for path, name in inside if not any(part.startswith(".") for part in name.parts)}
