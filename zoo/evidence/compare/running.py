"""All layers on all tasks from all seeds, one after the other; what is done is kept and not done again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, InputError, ZooError, one_line
from zoo.evidence.bench import causal_if_possible, drop_in_layers
from zoo.evidence.compare.tasks import Task
from zoo.evidence.compare.training import BASELINE, Layer, Run, Settings, train
from zoo.names import suggestion

RUNS = "runs.jsonl"
# Tokens for which a layer is built to see whether it can take part.
_TRIAL = 64


@dataclass(frozen=True)
class Problem:
    """Why a layer has no score on a task."""

    layer: str
    task: str
    text: str


def layers_of(names: Sequence[str], options: Sequence[str]) -> list[Layer]:
    """The baseline, and drop-in layers (all of the catalogue where none is named) with "LAYER.FIELD=VALUE" of theirs.

    What is named is built once for nothing, so that a mistake is told before anything is trained.

    Raises:
        InputError: an option has another form, or is for a layer that does not take part.
        UnknownName, ConfigError: there is no such layer, or it cannot stand in the host with these options.
    """
    from omegaconf import OmegaConf

    found: dict[str, dict[str, Any]] = {name: {} for name in names or drop_in_layers()}
    for option in options:
        place, equals, _ = option.partition("=")
        layer, dot, _ = place.rpartition(".")
        owners = [name for name in found if layer in (name, name.rpartition(":")[2])]
        if not (equals and dot and owners):
            raise InputError(
                f"--option {option!r} is not LAYER.FIELD=VALUE of a layer that takes part{suggestion(layer, found)}"
            )
        given = OmegaConf.to_container(OmegaConf.from_dotlist([option[len(layer) + 1 :]]))
        assert isinstance(given, dict)
        for owner in owners:
            found[owner] |= {str(field): value for field, value in given.items()}
    for name, own in found.items():
        if names or own:
            _require_fit(name, own, Settings())
    return [Layer(BASELINE), *(Layer(name, own) for name, own in found.items())]


def _require_fit(name: str, options: dict[str, Any], settings: Settings) -> None:
    try:
        causal_if_possible(name, settings.dim, settings.num_heads, _TRIAL, options)
    except ZooError:
        raise
    except Exception:  # of somebody's layer, which is alone with it when its turn comes
        return


def run(
    layers: Sequence[Layer],
    tasks: Sequence[Task],
    seeds: Sequence[int],
    settings: Settings,
    *,
    folder: Path | None = None,
    log: Callable[[str], object] = lambda line: None,
) -> Iterator[Run | Problem]:
    """Train and score.

    A layer that fails, or has no causal form where a task needs one, is a problem of its own; the others go on.

    Args:
        layers, tasks, seeds: all combinations.
        settings: of every run.
        folder: where finished runs are kept, one per line, and from where they are taken the next time.
        log: takes lines of progress.

    Raises:
        InputError: the folder's runs were made with other settings, or are damaged.
    """
    known = {(done.layer, done.task, done.seed): done for done in _kept(folder, settings, tasks)}
    left = sum((layer.label, task.name, seed) not in known for layer in layers for task in tasks for seed in seeds)
    begun, trained = time.monotonic(), 0
    for layer in layers:
        for task in tasks:
            for seed in seeds:
                if (done := known.get((layer.label, task.name, seed))) is not None:
                    yield done
                    continue
                found = _run(layer, task, seed, settings)
                yield found
                if isinstance(found, Problem):
                    left -= len(seeds)
                    break
                _keep(folder, found, settings, tasks)
                trained, left = trained + 1, left - 1
                scores = " ".join(f"{score:.3f}" for score in found.scores.values())
                minutes = (time.monotonic() - begun) / trained * left / 60
                log(f"{layer.label}, {task.name}, seed {seed}: {scores} ({left} runs left, {minutes:.0f} minutes)")


def _run(layer: Layer, task: Task, seed: int, settings: Settings) -> Run | Problem:
    try:
        causal = layer.name == BASELINE or causal_if_possible(
            layer.name, settings.dim, settings.num_heads, task.length, layer.options
        )
        if task.causal and not causal:
            return Problem(layer.label, task.name, "it has no causal form, and the inputs hold the answers")
        return train(layer, task, seed, settings, causal=causal)
    except ConfigError as error:
        return Problem(layer.label, task.name, str(error))
    except Exception as error:  # of somebody's layer
        return Problem(layer.label, task.name, one_line(error))


def _facts(settings: Settings, tasks: Sequence[Task]) -> dict[str, Any]:
    """What must be the same for runs to be compared."""
    return asdict(settings) | {"data": {task.name: [list(task.levels), task.identity] for task in tasks}}


def _keep(folder: Path | None, found: Run, settings: Settings, tasks: Sequence[Task]) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / RUNS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"settings": _facts(settings, tasks), "run": asdict(found)}) + "\n")


def _kept(folder: Path | None, settings: Settings, tasks: Sequence[Task]) -> Iterator[Run]:
    if folder is None or not (folder / RUNS).exists():
        return
    expected = _facts(settings, tasks)
    # A run that was cut off in the middle of its line is made again.
    lines = (folder / RUNS).read_text(encoding="utf-8").splitlines(keepends=True)
    for line in lines:
        if not line.endswith("\n"):
            (folder / RUNS).write_text("".join(lines[:-1]), encoding="utf-8")
            return
        try:
            content = json.loads(line)
            made, found = content["settings"], Run(**content["run"])
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"{folder / RUNS} is damaged ({one_line(error)}); remove it, or choose a folder"
            ) from error
        data = made.pop("data")
        differ = [name for name, value in expected.items() if name != "data" and made.get(name) != value]
        differ += [name for name, value in expected["data"].items() if data.get(name, value) != value]
        if differ:
            raise InputError(
                f"{folder / RUNS} holds runs with other {', '.join(differ)}: not to be compared; choose another folder"
            )
        yield found
