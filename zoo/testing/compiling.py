"""Compilers: what runs eagerly runs compiled without a break, and exported at other sizes; or says why not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from zoo import errors
from zoo.catalogue import Offer
from zoo.errors import ZooError
from zoo.testing.specimens import build_small, call, example_of, small_instance, stir, tensors


def check_compile(offer: Offer) -> None:
    """``torch.compile(fullgraph=True)`` gives the numbers of the module, or the call raises a ZooError."""
    entry = offer.entry
    module, inputs = stir(build_small(entry)), example_of(entry, small_instance(entry))
    torch._dynamo.reset()
    with torch.no_grad():
        try:
            found = tensors(torch.compile(module, fullgraph=True, backend="aot_eager")(**inputs))
        except Exception as error:
            if (refusal := _refusal(error)) is None:
                raise
            pytest.skip(f"refuses to be compiled: {refusal}")
        finally:
            torch._dynamo.reset()
        _check_close(call(module, inputs), found)


def check_export(offer: Offer) -> None:
    """``torch.export`` with a dynamic batch, and length in a layer, gives the module's numbers at another size."""
    entry = offer.entry
    instance = small_instance(entry)
    module = stir(build_small(entry))
    inputs = example_of(entry, instance, batch_size=3)
    shapes = _dynamic(inputs, with_length=entry.kind == "attention")
    try:
        with torch.no_grad():
            program = torch.export.export(module, (), dict(inputs), dynamic_shapes=shapes, strict=False)
    except Exception as error:
        if (refusal := _refusal(error)) is None:
            raise
        pytest.skip(f"refuses to be exported: {refusal}")
    other = example_of(entry, instance, batch_size=2, seed=1)
    if entry.kind == "attention" and "x" in other:
        other = {**other, "x": other["x"][:, :-1]}
    with torch.no_grad():
        _check_close(call(module, other), tensors(program.module()(**other)))


def _refusal(error: BaseException | None) -> str | None:
    """The words of the ZooError behind an error; of what traced code raises the compiler hands on the words alone."""
    while error is not None:
        if isinstance(error, ZooError):
            return str(error)
        raised = re.fullmatch(r"raised exception (\w+)\((.*)\)", str(error), re.DOTALL)
        if raised and issubclass(getattr(errors, raised[1], Exception), ZooError):
            return raised[2].strip("'\"")
        error = error.__cause__ or error.__context__
    return None


def _dynamic(inputs: Mapping[str, Any], with_length: bool) -> dict[str, Any]:
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
    shapes: dict[str, Any] = {}
    for name, value in inputs.items():
        if isinstance(value, Tensor):
            shapes[name] = {0: batch, 1: length} if with_length and name == "x" else {0: batch}
        else:
            shapes[name] = None
    return shapes


def _check_close(expected: list[Tensor], found: list[Tensor]) -> None:
    for ours, theirs in zip(expected, found, strict=True):
        torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=1e-3)
