"""Walls and answers, the published data, and its mixing."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import DownloadError, InputError
from zoo.places import to_read
from zoo.targets import require

# Draws of whole sets of mixed walls before some are left out.
SET_DRAWS = 50


@dataclass(frozen=True)
class Group:
    """Four words, what connects them, and whether the human team found the group and its connection."""

    words: tuple[str, ...]
    connection: str
    human_grouping: bool | None = None
    human_connection: bool | None = None


@dataclass(frozen=True)
class Wall:
    """One wall: the words as shown, and its four groups."""

    wall_id: str
    words: tuple[str, ...]
    groups: tuple[Group, ...]
    season: int | None = None
    episode: int | None = None
    herrings: tuple[str, ...] = ()

    @property
    def gold(self) -> list[list[str]]:
        """The four groups of words."""
        return [list(group.words) for group in self.groups]


@dataclass(frozen=True)
class Answer:
    """A prediction: groups of words, and optionally what connects each."""

    groups: tuple[tuple[str, ...], ...]
    connections: tuple[str, ...] = ()


def read_walls(path: str | os.PathLike[str]) -> list[Wall]:
    """Read walls of the published JSON format.

    Raises:
        InputError: the file is not of that format.
    """
    try:
        content = json.loads(to_read(path).read_text(encoding="utf-8"))
        records = content["dataset"] if isinstance(content, dict) else content
        return [_wall(record) for record in records]
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not in the format of the Only Connect Wall data: {error!r}") from error


def _wall(record: Mapping[str, Any]) -> Wall:
    groups = []
    for name in sorted(record["groups"]):
        group = record["groups"][name]
        human = group.get("human_performance") or {}
        groups.append(
            Group(
                tuple(group["gt_words"]),
                group["gt_connection"],
                _flag(human.get("grouping")),
                _flag(human.get("connection")),
            )
        )
    if len(groups) != 4 or any(len(group.words) != 4 for group in groups):
        raise ValueError(f"wall {record.get('wall_id')!r} has not four groups of four")
    return Wall(
        str(record["wall_id"]), tuple(record["words"]), tuple(groups), record.get("season"), record.get("episode")
    )


def _flag(value: Any) -> bool | None:
    return None if value is None else bool(int(value))


def published_walls(split: str = "test", repository: str = "TaatiTeam/OCW", revision: str | None = None) -> list[Wall]:
    """A split of a published data set, from the Hub or its cache.

    Raises:
        DownloadError: neither reaches it, or it has no file for the split.
    """
    hub = require("huggingface_hub", needed_by="the published walls")
    elsewhere = "Download the walls elsewhere and give source=PATH, or use source=synthetic"
    try:
        folder = hub.snapshot_download(
            repository,
            repo_type="dataset",
            revision=revision,
            allow_patterns="*.json",
            endpoint=os.environ.get("HF_ENDPOINT"),
        )
    except Exception as error:
        raise DownloadError(
            f"the data set {repository} could not be fetched ({type(error).__name__}). {elsewhere}"
        ) from error
    files = sorted(Path(folder).rglob("*.json"))
    fitting = [path for path in files if path.name == f"{split}.json"]
    if not fitting:
        known = ", ".join(path.name for path in files) or "none"
        raise DownloadError(f"the data set {repository} has no {split}.json; its JSON files: {known}. {elsewhere}")
    return read_walls(fitting[0])


def human_scores(walls: Sequence[Wall]) -> dict[str, int]:
    """What the teams of the programme reached: walls solved, groups found, connections named."""
    groups = [group for wall in walls for group in wall.groups]
    return {
        "full_wall": sum(all(group.human_grouping for group in wall.groups) for wall in walls),
        "correct_groups": sum(bool(group.human_grouping) for group in groups),
        "connections": sum(bool(group.human_connection) for group in groups),
    }


def randomize(walls: Sequence[Wall], seed: int = 0) -> list[Wall]:
    """Keep the first group of every wall and take the other three from other walls, none used twice.

    The groups of one new wall come from different walls and share no clue word and no connection: what made the words
    of a wall compete is left behind. Where no draw serves every wall, some are left out.
    """
    generator = random.Random(seed)
    best: list[Wall] = []
    for _ in range(SET_DRAWS):
        mixed = _mixed(walls, generator)
        best = max(best, mixed, key=len)
        if len(best) == len(walls):
            break
    return best


def _mixed(walls: Sequence[Wall], generator: random.Random) -> list[Wall]:
    pool = [(wall.wall_id, group) for wall in walls for group in wall.groups[1:]]
    generator.shuffle(pool)
    mixed = []
    for wall in walls:
        chosen, origins = [wall.groups[0]], {wall.wall_id}
        for origin, group in list(pool):
            taken = {word.lower() for kept in chosen for word in kept.words}
            known = {kept.connection for kept in chosen}
            new = origin not in origins and group.connection not in known
            if len(chosen) < 4 and new and taken.isdisjoint(word.lower() for word in group.words):
                chosen.append(group)
                origins.add(origin)
                pool.remove((origin, group))
        if len(chosen) == 4:
            words = [word for group in chosen for word in group.words]
            mixed.append(Wall(f"{wall.wall_id}-r", tuple(generator.sample(words, 16)), tuple(chosen)))
    return mixed
