"""Where a loaded object came from, and how that is written next to saved weights.

``config.json`` of a saved folder (and of a repository on the Hub)::

    {"model_type": "attention-zoo",
     "zoo": {"plugin": "sequence", "entry": "moba-lm", "preset": "tiny",
             "distribution": "zoo-sequence", "version": "0.1.0", "license": "apache-2.0"},
     "config": {...}}

``model_type`` tells transformers' Auto classes whose file this is; what else they write into it is left alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import catalogue
from zoo.errors import InputError, PluginError, WeightsError
from zoo.weights.files import CONFIG_FILE, read_json, settled
from zoo.weights.sources import local_path

if TYPE_CHECKING:
    from omegaconf import DictConfig

ATTRIBUTE = "zoo_origin"
MODEL_TYPE = "attention-zoo"


@dataclass(frozen=True)
class Origin:
    """The facts of ``config.json``; ``config`` is the complete merged config.

    ``license`` is that of the weights, where it is known.
    """

    plugin: str
    entry: str
    preset: str | None
    distribution: str
    version: str
    config: Mapping[str, Any]
    license: str | None = None


@dataclass(frozen=True)
class Saved:
    """A saved folder, or a repository at one commit, and the origin of what it holds."""

    place: str
    origin: Origin

    @property
    def config(self) -> Mapping[str, Any]:
        """The saved config."""
        return self.origin.config


def of(target: catalogue.Target, config: DictConfig, license: str | None = None) -> Origin:
    """The origin of an object built from a target and a merged config, and the licence of its weights."""
    from omegaconf import OmegaConf

    plugin = catalogue.current().plugin(target.offer.plugin)
    plain = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
    assert isinstance(plain, dict)
    return Origin(
        target.offer.plugin,
        target.offer.entry.id,
        target.preset,
        plugin.distribution,
        plugin.version,
        {str(key): value for key, value in plain.items()},
        license or None,
    )


def mark(built: object, origin: Origin) -> None:
    """Remember the origin on the object (frozen dataclasses included).

    Raises:
        PluginError: it can remember nothing, as None, numbers and texts cannot.
    """
    try:
        object.__setattr__(built, ATTRIBUTE, origin)
    except (AttributeError, TypeError) as error:
        raise PluginError(
            f"{origin.plugin}:{origin.entry} builds a {type(built).__name__}; expected an object that keeps attributes"
        ) from error


def find(built: object) -> Origin:
    """The origin that ``zoo.load`` left on an object.

    Raises:
        InputError: the object does not come from ``zoo.load``.
    """
    origin = getattr(built, ATTRIBUTE, None)
    if not isinstance(origin, Origin):
        raise InputError(
            f"this {type(built).__name__} was not made by zoo.load, so its entry and config are unknown; "
            "load it through the zoo, then copy your weights into it"
        )
    return origin


def to_json(origin: Origin) -> str:
    """The text of ``config.json``."""
    facts = asdict(origin)
    config = facts.pop("config")
    return json.dumps({"model_type": MODEL_TYPE, "zoo": facts, "config": config}, indent=2) + "\n"


def read(place: str) -> Saved:
    """Read a folder that ``zoo.save`` wrote, or a repository that ``zoo.push`` filled.

    Raises:
        WeightsError: there is no such folder, or its ``config.json`` is not ours.
    """
    if place.startswith("hf://"):
        from zoo.weights import hub

        repository = hub.parse(place)
        if repository.file is not None:
            raise InputError(f"{place} is a file; load an entry by name with weights={place!r}")
        config = replace(repository, file=CONFIG_FILE)
        try:
            path = hub.fetch_one(config)
        except hub.NoSuchFile as error:
            raise WeightsError(
                f"{place} has no {CONFIG_FILE} that zoo.push wrote; load an entry by name with weights={place!r}"
            ) from error
        # Config and weights from one commit, whatever the branch does meanwhile.
        pinned = replace(repository, revision=hub.commit_of(path, config))
        return Saved(str(pinned), _parse(path, place))
    folder = local_path(place)
    if os.path.isfile(folder):
        raise InputError(f"{place!r} is a file; load an entry by name with weights={place!r}")
    if not os.path.isdir(folder):
        raise WeightsError(f"{place!r} is neither the name of an entry nor a folder that zoo.save wrote")
    folder = settled(folder)
    path = folder / CONFIG_FILE
    if not os.path.isfile(path):
        raise WeightsError(f"folder {place!r} has no {CONFIG_FILE}; expected one that zoo.save wrote")
    return Saved(str(folder), _parse(path, place))


def is_saved(folder: Path) -> bool:
    """Whether ``zoo.save`` wrote the folder."""
    try:
        read(str(folder))
    except WeightsError:
        return False
    return True


def _parse(path: Path, place: str) -> Origin:
    try:
        content = read_json(path)
        facts = content["zoo"]
        known = {key: facts[key] for key in ("plugin", "entry", "preset", "distribution", "version")}
        known["license"] = facts.get("license")
        odd = [
            key
            for key, value in known.items()
            if not isinstance(value, str) and not (key in ("preset", "license") and value is None)
        ]
        if odd:
            raise TypeError(f"{odd[0]} is no string")
        config = dict(content["config"])
        if "${" in json.dumps(config):
            # zoo.save writes values. An interpolation of OmegaConf could read this machine's environment.
            raise ValueError("its config holds an interpolation")
        return Origin(**known, config=config)
    except (KeyError, TypeError, ValueError, RecursionError, OSError) as error:
        raise WeightsError(
            f"{place}: its {CONFIG_FILE} was not written by zoo.save ({type(error).__name__}: {error}); "
            "to use its weights alone, load an entry by name with weights set to this place"
        ) from error
