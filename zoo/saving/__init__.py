"""``zoo.save`` and ``zoo.push``: the Hub layout, config.json + model.safetensors + README.md.

``zoo.bridges.switches`` finds the config that builds the object as it is now, or refuses with what
``zoo.bridges.changes`` says; ``writing`` puts the tensors into files; ``folder`` replaces an earlier save as a whole.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from torch import Tensor, nn

from zoo import origin
from zoo.errors import InputError, WeightsError, ZooError
from zoo.filling import tied_names
from zoo.saving.folder import replacing
from zoo.saving.writing import MAX_SHARD_SIZE, Piece, Plan, assist, plan, write
from zoo.targets import resolve
from zoo.weights.files import CARD_FILE, CONFIG_FILE
from zoo.weights.sources import local_path

# Cards are made of evidence, which the core knows nothing of: named here, and imported when one is written.
_HUB_CARD = "zoo.evidence.hub_card:render"
_NAME_REPOSITORY = "zoo.evidence.hub_card:name_repository"

T = TypeVar("T")


@dataclass(frozen=True)
class _Content:
    """What a save is made of: the origin whose config builds the object as it is, and the plan of its files."""

    facts: origin.Origin
    plan: Plan

    def write(self, pieces: Iterable[Piece], folder: Path, repository: str | None = None) -> None:
        """Write into an empty folder, and see that ``zoo.load`` takes it.

        Raises:
            InputError: it does not.
        """
        from zoo.bridges.drawing import OwnNumbers
        from zoo.loading import load

        write(pieces, self.plan.index, folder)
        (folder / CARD_FILE).write_text(resolve(_HUB_CARD)(self.facts, repository), encoding="utf-8")
        (folder / CONFIG_FILE).write_text(origin.to_json(self.facts), encoding="utf-8")
        try:
            # Files are mapped, so that this reads no tensor; a build may draw random numbers that are not ours.
            with OwnNumbers():
                load(folder)
        except ZooError as error:
            raise InputError(f"what zoo.save wrote could not be loaded again, so nothing is saved: {error}") from error


def save(
    obj: Any,
    folder: str | os.PathLike[str],
    *,
    max_shard_size: int | str = MAX_SHARD_SIZE,
    license: str | None = None,
) -> Path:
    """Write an object that ``zoo.load`` made so that ``zoo.load(folder)`` gives it back bit for bit.

    What was changed since (``layer.mode = "full"``) is saved where the config can say it, and refused where it cannot.
    Wrappers such as ``torch.compile`` are left out. A module sharded over a mesh is saved by calling this on every
    rank; the mesh's first rank writes, one file at a time.

    Args:
        obj: any loaded object; modules are written with their weights (tied tensors once), other objects with their
            config alone.
        folder: created where it does not exist. Files of an earlier save in it are replaced together once the new ones
            are complete: a process that is killed leaves the one save or the other.
        max_shard_size: bytes of one file, as a number or like "5GB"; beyond it there are numbered files and an index.
        license: of the weights, an SPDX identifier; by default that of the weights which were loaded.

    Returns:
        The folder.

    Raises:
        InputError: the object does not come from ``zoo.load``, has no values to save, or is no longer what any config
            builds (the message says what differs and what to do); or ``folder`` is a file, or holds files of these
            names that ``zoo.save`` did not write.
        WeightsError: the files cannot be written.
    """
    path = _place(folder)

    def into_place(content: _Content, pieces: Iterable[Piece]) -> Path:
        try:
            with replacing(path) as fresh:
                content.write(pieces, fresh)
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"{type(obj).__name__} cannot be saved to {str(path)!r}: {error}") from error
        return path

    return _from_every_rank(obj, max_shard_size, license, into_place)


def push(
    obj: Any,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    token: str | None = None,
    max_shard_size: int | str = MAX_SHARD_SIZE,
    license: str | None = None,
) -> str:
    """Upload an object in the Hub layout; ``zoo.load("hf://owner/repo")`` gives it back.

    Args:
        obj: an object that ``zoo.load`` made, or a folder that ``zoo.save`` wrote.
        repo_id: ``owner/repo``; created where it does not exist.
        private: whether a new repository is private.
        revision: a branch; by default ``main``.
        token: a Hub token with write access; by default the logged-in one.
        max_shard_size, license: as in ``zoo.save``; a folder was saved with its own.

    Returns:
        ``hf://owner/repo@<commit>`` of the upload, which is one commit.

    Raises:
        InputError: as ``zoo.save``.
        WeightsError: the Hub refused, or cannot be reached.
    """
    from zoo.weights import push_folder
    from zoo.weights.hub import check_repository

    check_repository(repo_id)
    upload = partial(push_folder, repo_id=repo_id, private=private, revision=revision, token=token)
    if isinstance(obj, str | os.PathLike):
        if license is not None or max_shard_size != MAX_SHARD_SIZE:
            raise InputError(f"{os.fspath(obj)!r} is saved already: give license= and max_shard_size= to zoo.save")
        folder = Path(origin.read(os.fspath(obj)).place)
        card = folder / CARD_FILE
        if not card.is_file():
            return upload(folder)
        return upload(folder, card=resolve(_NAME_REPOSITORY)(card.read_text(encoding="utf-8"), repo_id))

    def to_the_hub(content: _Content, pieces: Iterable[Piece]) -> str:
        with tempfile.TemporaryDirectory() as fresh:
            content.write(pieces, Path(fresh), repo_id)
            return upload(Path(fresh))

    return _from_every_rank(obj, max_shard_size, license, to_the_hub)


def _place(folder: str | os.PathLike[str]) -> Path:
    if not isinstance(folder, str | os.PathLike) or not os.fspath(folder) or "\0" in os.fspath(folder):
        raise InputError(f"folder={folder!r} is not the name of a folder")
    place = os.fspath(folder)
    if "://" in place and not place.startswith("file://"):
        raise InputError(f"{place!r} is no folder here; zoo.push uploads to the Hub")
    return local_path(place)


def _from_every_rank(
    obj: Any, max_shard_size: int | str, license: str | None, put: Callable[[_Content, Iterable[Piece]], T]
) -> T:
    """Put what an object is made of where it belongs: from this process, or from the first rank of its mesh."""
    from zoo.bridges import changes

    if license is not None and not (isinstance(license, str) and license.strip()):
        raise InputError(f'license={license!r} names no licence; expected one like "Apache-2.0"')
    obj = changes.unwrapped(obj)
    if not isinstance(obj, nn.Module):
        return put(_content_of(obj, license, lambda built: Plan()), ())
    if not changes.is_sharded(obj):
        content = _content_of(obj, license, lambda built: plan(_once(changes.tensors(obj), built), max_shard_size))
        return put(content, content.plan.pieces)
    from zoo.bridges import sharding

    state = sharding.sharded_state(obj)
    mesh = sharding.mesh_of(state)
    prepare = partial(_content_of, obj, license, lambda built: plan(_once(state, built), max_shard_size))
    content = sharding.agreed(mesh, prepare, key=lambda content: origin.to_json(content.facts))
    return sharding.first_rank_puts(mesh, content.plan.pieces, partial(put, content), assist)


def _content_of(obj: Any, license: str | None, plan_of: Callable[[Any], Plan]) -> _Content:
    from zoo.bridges import switches

    facts = origin.find(obj)
    facts, built = switches.as_it_is(obj, replace(facts, license=license or facts.license))
    return _Content(facts, plan_of(built))


def _once(state: Mapping[str, Tensor], built: nn.Module) -> dict[str, Tensor]:
    """The tensors to write: tied ones once, under the first of their names."""
    return {names[0]: state[names[0]] for names in tied_names(built)}
