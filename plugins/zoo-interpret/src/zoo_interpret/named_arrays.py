"""Results of probes and methods: named arrays with axes that are written down, and files of them.

::

    @dataclass(frozen=True)
    class Scores(NamedArrays):
        induction: Tensor = array("layer", "head")
        tokens: tuple[str, ...] = ()

    scores.arrays()                  # name -> tensor; scores.axes() name -> ("layer", "head")
    scores.save("scores.csv")        # one line per number; .json, .npz and .safetensors keep the arrays

An axis whose name lists its places, ``array("head", "b_enc, b_rec, g")``, or that ``place_names`` knows, has names
instead of numbers in the CSV.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.errors import InputError


def array(*axes: str, **options: Any) -> Any:
    """A field of a result that is a tensor (or None), with the names of its axes."""
    return field(metadata={"axes": axes}, **options)


@dataclass(frozen=True)
class NamedArrays:
    """A result: arrays with named axes, and plain facts beside them."""

    @classmethod
    def axes(cls) -> dict[str, tuple[str, ...]]:
        """Name of every array -> names of its axes."""
        return {each.name: each.metadata["axes"] for each in fields(cls) if "axes" in each.metadata}

    def arrays(self) -> dict[str, Tensor]:
        """Name -> tensor, those that there are."""
        return {name: value for name in self.axes() if (value := getattr(self, name)) is not None}

    def place_names(self) -> dict[str, tuple[str, ...]]:
        """Name of an axis -> names of its places, where places have names; the others count from 0."""
        listed = {axis for axes in self.axes().values() for axis in axes if ", " in axis}
        return {axis: tuple(axis.split(", ")) for axis in listed}

    def facts(self) -> dict[str, Any]:
        """What is no array, ready for JSON."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self) if "axes" not in each.metadata}

    def to_dict(self) -> dict[str, Any]:
        """Nested lists and facts, ready for JSON, with the axes' names."""
        found = self.arrays()
        lists = {name: value.tolist() for name, value in found.items()}
        return {**lists, **self.facts(), "axes": {name: list(self.axes()[name]) for name in found}}

    def save(self, path: str | Path) -> Path:
        """Write the arrays, in the format of the suffix.

        Args:
            path: ``.json``, ``.npz`` and ``.safetensors`` hold everything; ``.csv`` one line per number: the array's
                name, its place on every axis (see ``place_names``), the number.

        Raises:
            InputError: another suffix.
        """
        path = Path(path)
        writers = {".json": self._json, ".csv": self._csv, ".npz": self._npz, ".safetensors": self._safetensors}
        if path.suffix not in writers:
            raise InputError(f"no format {path.suffix!r}; results are written as {', '.join(writers)}")
        writers[path.suffix](path)
        return path

    def _json(self, path: Path) -> None:
        path.write_text(json.dumps(self.to_dict(), indent=1), encoding="utf-8")

    def _csv(self, path: Path) -> None:
        names = list(dict.fromkeys(axis for name in self.arrays() for axis in self.axes()[name]))
        known = self.place_names()
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["array", *names, "value"])
            for name, values in self.arrays().items():
                flat = values.flatten().tolist()
                for index, value in zip(product(*map(range, values.shape)), flat, strict=True):
                    place = {
                        axis: known[axis][at] if axis in known else at
                        for axis, at in zip(self.axes()[name], index, strict=True)
                    }
                    writer.writerow([name, *(place.get(axis, "") for axis in names), value])

    def _npz(self, path: Path) -> None:
        import numpy as np

        arrays: dict[str, Any] = {name: value.cpu().numpy() for name, value in self.arrays().items()}
        np.savez(path, **arrays, facts=np.array(json.dumps(self._described())))

    def _safetensors(self, path: Path) -> None:
        from safetensors.torch import save_file

        arrays = {name: value.detach().cpu().contiguous() for name, value in self.arrays().items()}
        save_file(arrays, path, {"facts": json.dumps(self._described())})

    def _described(self) -> dict[str, Any]:
        return {**self.facts(), "axes": {name: list(self.axes()[name]) for name in self.arrays()}}


def _plain(value: Any) -> Any:
    if isinstance(value, NamedArrays):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
