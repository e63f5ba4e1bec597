"""Replay recorded runs of reference implementations and compare, output by output.

A recording is a safetensors file: tensors ``state.*``, ``input.*``, ``output.*``, and metadata ``component``,
``config`` and ``call`` (JSON) and ``note``. A paper says how its components run in ``conversion.py``:

    replay = replay_of({"encoder": _encoder, "mechanism": _mechanism})     each: (Run) -> outputs by name
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo import catalogue
from zoo.errors import InputError, PluginError, WeightsError
from zoo.facts import Paper
from zoo.targets import call
from zoo.weights.files import opened

ABSOLUTE = RELATIVE = 1e-4


@dataclass(frozen=True)
class Recording:
    """One recorded run."""

    path: Path
    component: str
    config: dict[str, Any]
    call: dict[str, Any]
    note: str
    state: dict[str, Tensor]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


@dataclass(frozen=True)
class Run:
    """What a component is run with; everything of a recording but its outputs.

    Args:
        config: of the reference's system, in the reference's own words.
        call: further arguments of the recorded call.
        state: parameters and buffers under the reference's names.
        inputs: tensors of the recorded call.
    """

    config: Mapping[str, Any]
    call: Mapping[str, Any]
    state: Mapping[str, Tensor]
    inputs: Mapping[str, Tensor]

    def fields(self, own: Mapping[str, str]) -> dict[str, Any]:
        """Values of the config under our fields' names; what was not recorded keeps our default.

        Args:
            own: the reference's word -> the name of our field.
        """
        return {name: self.config[word] for word, name in own.items() if word in self.config}


def replay_of(
    components: Mapping[str, Callable[[Run], Mapping[str, Tensor]]],
) -> Callable[[str, Mapping[str, Any], Mapping[str, Any], Mapping[str, Tensor], Mapping[str, Tensor]], Any]:
    """A paper's ``replay(component, config, call, state, inputs) -> outputs`` from one function per component.

    What it returns raises InputError, which names the components, where a recording is of another.
    """

    def replay(
        component: str,
        config: Mapping[str, Any],
        call: Mapping[str, Any],
        state: Mapping[str, Tensor],
        inputs: Mapping[str, Tensor],
    ) -> Mapping[str, Tensor]:
        if component not in components:
            number = "is" if len(components) == 1 else "are"
            raise InputError(f"no component {component!r}; there {number}: {', '.join(components)}")
        return components[component](Run(config, call, state, inputs))

    return replay


@dataclass(frozen=True)
class Comparison:
    """One output: the largest differences, and whether all of it lies within the tolerance."""

    recording: str
    output: str
    absolute: float
    relative: float
    agrees: bool
    problem: str = ""


def read_recording(path: str | Path) -> Recording:
    """Read a recording.

    Raises:
        WeightsError: the file is not a safetensors file with a recording's metadata.
    """
    path = Path(path)
    with opened(path) as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    if "component" not in metadata:
        raise WeightsError(f"{path} is not a recording: its metadata names no component")

    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

    try:
        config, call = (json.loads(metadata.get(key) or "{}") for key in ("config", "call"))
    except ValueError as error:
        raise WeightsError(f"{path} is not a recording: its config or call is not JSON ({error})") from error
    return Recording(
        path,
        metadata["component"],
        config,
        call,
        metadata.get("note", ""),
        part("state."),
        part("input."),
        part("output."),
    )


def replay(paper: Paper | str, recording: Recording | str | Path) -> list[Comparison]:
    """Run a recording through a paper's implementation.

    Args:
        paper: a paper or its id.
        recording: a recording or the path of one.

    Returns:
        One comparison per recorded output.
    """
    if isinstance(paper, str):
        paper = catalogue.current().find_paper(paper)[1]
    if paper.replay is None:
        raise PluginError(f"paper {paper.id!r} has no recordings to replay")
    if not isinstance(recording, Recording):
        recording = read_recording(recording)
    with torch.no_grad():
        parts = (recording.component, recording.config, recording.call, recording.state, recording.inputs)
        outputs: Mapping[str, Tensor] = call(paper.replay, *parts, gives=Mapping)
    return [
        compare(recording.path.name, name, outputs.get(name), recorded)
        for name, recorded in sorted(recording.outputs.items())
    ]


def compare(recording: str, name: str, ours: object, recorded: Tensor) -> Comparison:
    """Compare one output: integers, booleans, NaN and infinities equal, floats within the tolerance."""
    if not isinstance(ours, Tensor):
        problem = "missing" if ours is None else f"a {type(ours).__name__}, no tensor"
        return Comparison(recording, name, float("nan"), float("nan"), False, problem)
    if ours.shape != recorded.shape:
        problem = f"shape {list(ours.shape)}, recorded {list(recorded.shape)}"
        return Comparison(recording, name, float("nan"), float("nan"), False, problem)
    exact = not (recorded.is_floating_point() or recorded.is_complex())
    wide = torch.complex128 if recorded.is_complex() else torch.float64
    ours, recorded = ours.detach().cpu().to(wide), recorded.to(wide)
    same = (ours == recorded) | (ours.isnan() & recorded.isnan())
    finite = ours.isfinite() & recorded.isfinite()
    difference = torch.where(same | ~finite, 0.0, (ours - recorded).abs())
    size = torch.where(finite, recorded.abs(), 0.0)
    close = finite & (difference <= ABSOLUTE + RELATIVE * size)
    agrees = bool(same.all()) if exact else bool((same | close).all())
    relative = difference / size.clamp(min=1e-12)
    biggest = [float(value.max()) if value.numel() else 0.0 for value in (difference, relative)]
    problem = "" if agrees else "differs"
    return Comparison(recording, name, biggest[0], biggest[1], agrees, problem)
