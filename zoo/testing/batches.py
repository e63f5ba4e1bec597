"""Batches: the same numbers for the same call, alone or in company, and for no example at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from zoo.catalogue import Offer
from zoo.testing.specimens import build_small, call, example_of, rows, small_instance, stir
from zoo.testing.visibility import every_form


def check_determinism(offer: Offer) -> None:
    """Two calls in eval mode give the same numbers."""
    entry = offer.entry
    built, inputs = build_small(entry), example_of(entry, small_instance(entry))
    with torch.no_grad():
        first, second = call(built, inputs), call(built, inputs)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def check_batch_independence(offer: Offer) -> None:
    """An example gives the same output alone and in a batch."""
    entry = offer.entry
    built = stir(build_small(entry))
    inputs = example_of(entry, small_instance(entry), batch_size=3)
    batched = all(isinstance(value, Tensor) and value.ndim and value.shape[0] == 3 for value in inputs.values())
    assert batched, "every example input must have the batch on axis 0"
    with torch.no_grad():
        together = call(built, inputs)
        shapes = [tuple(output.shape) for output in together]
        assert any(shape[:1] == (3,) for shape in shapes), f"no output has the batch of 3 on axis 0: {shapes}"
        assert all(shape[:1] in ((3,), ()) for shape in shapes), f"an output has no batch on axis 0: {shapes}"
        for index in range(3):
            alone = call(built, rows(inputs, slice(index, index + 1)))
            for whole, single in zip(together, alone, strict=True):
                if whole.ndim:
                    torch.testing.assert_close(whole[index : index + 1], single, atol=2e-5, rtol=2e-4)


def check_empty(offer: Offer) -> None:
    """A batch of no examples gives outputs for none, and a layer fed with no token gives none."""
    entry = offer.entry
    if entry.kind != "attention":
        _check_no_examples(build_small(entry), example_of(entry, small_instance(entry)))
        return
    for form in every_form(entry):
        _check_no_examples(form.module, form.inputs)
        if "x" in form.inputs:
            x = form.inputs["x"][:, :0]
            with torch.no_grad():
                (output, *_) = call(form.module, {**form.inputs, "x": x})
            assert output.shape == x.shape, (
                f"{form.changes}: no tokens: shape {tuple(output.shape)}, expected {tuple(x.shape)}"
            )


@torch.no_grad()
def _check_no_examples(built: nn.Module, inputs: Mapping[str, Any]) -> None:
    usual, empty = call(built, inputs), call(built, rows(inputs, slice(0)))
    for some, none in zip(usual, empty, strict=True):
        expected = (0, *some.shape[1:]) if some.ndim else ()
        assert tuple(none.shape) == expected, f"no examples: shape {tuple(none.shape)}, expected {expected}"
