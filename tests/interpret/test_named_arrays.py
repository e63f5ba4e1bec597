from __future__ import annotations

import csv
import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

import zoo
from zoo_interpret.named_arrays import NamedArrays, array


@dataclass(frozen=True)
class Scores(NamedArrays):
    table: Tensor = array("layer", "head")
    curve: Tensor = array("lag")
    missing: Tensor | None = array("layer", default=None)
    tokens: tuple[str, ...] = ("a", "b")


SCORES = Scores(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([0.5]))


def test_results_say_what_their_axes_are():
    assert SCORES.axes() == {"table": ("layer", "head"), "curve": ("lag",), "missing": ("layer",)}
    assert SCORES.to_dict() == {
        "table": [[1.0, 2.0], [3.0, 4.0]],
        "curve": [0.5],
        "tokens": ["a", "b"],
        "axes": {"table": ["layer", "head"], "curve": ["lag"]},
    }


def test_every_format_holds_the_numbers(tmp_path):
    assert json.loads(SCORES.save(tmp_path / "a.json").read_text()) == SCORES.to_dict()
    with np.load(SCORES.save(tmp_path / "a.npz")) as kept:
        assert kept["table"].tolist() == SCORES.table.tolist()
        assert json.loads(str(kept["facts"]))["tokens"] == ["a", "b"]
    with safe_open(SCORES.save(tmp_path / "a.safetensors"), framework="pt") as file:
        assert torch.equal(file.get_tensor("table"), SCORES.table)
        assert json.loads(file.metadata()["facts"])["axes"]["curve"] == ["lag"]
    rows = list(csv.reader(SCORES.save(tmp_path / "a.csv").open()))
    assert rows[0] == ["array", "layer", "head", "lag", "value"]
    assert rows[3] == ["table", "1", "0", "", "3.0"]
    assert rows[5] == ["curve", "", "", "0", "0.5"]
    with pytest.raises(zoo.InputError, match=r"no format '\.txt'"):
        SCORES.save(tmp_path / "a.txt")
