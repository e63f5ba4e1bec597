"""What is no module: methods, probes, benchmarks and taxonomies keep what their kinds promise."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.catalogue import Offer
from zoo.testing.specimens import build_small, example_of, small_instance, tensors


def check_method(offer: Offer) -> None:
    """Attaching undoes itself, after an error too: the model computes the same before and after."""
    entry = offer.entry
    method, inputs = build_small(entry), example_of(entry, small_instance(entry))
    model, arguments = inputs["model"], inputs["inputs"]
    state, before = _state(model), _outputs(model, arguments)
    assert before, "the example's model returns no tensor"
    with method.attach(model):
        _outputs(model, arguments)
    _check_as_before(model, arguments, state, before)
    with pytest.raises(_OfOurs), method.attach(model):
        raise _OfOurs
    _check_as_before(model, arguments, state, before)


class _OfOurs(Exception):
    pass


def _state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def _outputs(model: nn.Module, arguments: dict[str, Any]) -> list[Tensor]:
    torch.manual_seed(0)
    with torch.no_grad():
        return tensors(dict(model(**arguments)))


def _check_as_before(
    model: nn.Module, arguments: dict[str, Any], state: dict[str, Tensor], before: list[Tensor]
) -> None:
    after = _state(model)
    assert state.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in state.items()), "the model's state has changed"
    pairs = zip(before, _outputs(model, arguments), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs), "the model computes something else than before"


def check_probe(offer: Offer) -> None:
    """A probe's result is plain and the same for the same call, and the probe leaves the model as it was."""
    entry = offer.entry
    inputs = example_of(entry, small_instance(entry))
    state = _state(inputs["model"])
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        found.append(json.dumps(build_small(entry)(**inputs).to_dict(), sort_keys=True))
    assert found[0] == found[1], "the same call gave another result"
    assert found[0] not in ("{}", "[]"), "the result is empty"
    after = inputs["model"].state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in state.items()), "the model's state has changed"


def check_plot(offer: Offer) -> None:
    """A probe's result draws itself into a file."""
    entry = offer.entry
    pytest.importorskip("matplotlib")
    result = build_small(entry)(**example_of(entry, small_instance(entry)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plot.png"
        result.plot(path)
        assert path.is_file(), "plot(path) wrote no file"
        assert path.read_bytes().startswith(b"\x89PNG"), "plot(path) wrote something else than the PNG it was asked for"


def check_benchmark(offer: Offer) -> None:
    """A benchmark yields cases, and scores its own example system with the same finite numbers every time."""
    entry = offer.entry
    scores = []
    for seed in range(2):
        benchmark, inputs = build_small(entry), example_of(entry, small_instance(entry))
        assert next(iter(benchmark.cases()), None) is not None, "there are no cases"
        torch.manual_seed(seed)
        scores.append(benchmark.run(inputs["system"]))
    numbers = [value for value in scores[0].values() if isinstance(value, int | float)]
    assert numbers, "run returned no numbers"
    assert all(math.isfinite(value) for value in numbers), f"a score is not finite: {scores[0]}"
    assert scores[0] == scores[1], "the same system got other scores the second time"


def check_taxonomy(offer: Offer) -> None:
    """Every term of a tree is found by its name."""
    tree = build_small(offer.entry)
    terms = list(tree.walk())
    assert len(terms) > 1, "the tree has no terms"
    for term in terms:
        assert tree.find(term.name).name == term.name
