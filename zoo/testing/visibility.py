"""Who may see whom: causality, padding and masks, under every kind of an entry's config.

A layer is tried in its causal and in its bidirectional form, a model where its tags or its config call it causal; what
is hidden is changed, and nothing that may not see it moves.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from zoo import configuration
from zoo.catalogue import Offer
from zoo.errors import ConfigError, MaskError
from zoo.facts import Entry
from zoo.testing.forms import Form, forms
from zoo.testing.specimens import call

# What a sequence that is looked at is called in an example; the first of these that it has.
STREAMS = ("target_ids", "input_ids", "x", "inputs", "key")
# The mask of a model, and what it hides tokens of.
MASKS = {"attn_mask": STREAMS, "attention_mask": STREAMS, "source_mask": ("source_ids",)}


def check_masks(offer: Offer) -> None:
    """Changing what a mask hides from a layer changes nothing visible; a mask of a wrong kind is an error."""
    for form in every_form(offer.entry):
        stream = form.inputs[_layer_stream(form.inputs)]
        mask = torch.ones(stream.shape[:2], dtype=torch.bool)
        with torch.no_grad():
            _check_hidden(form, "attn_mask", _layer_stream(form.inputs))
            blind = call(form.module, {**form.inputs, "attn_mask": torch.zeros_like(mask)})
            assert all(output.isfinite().all() for output in blind), f"{form.changes}: nothing visible gave NaN"
            single = call(form.module, _cut(form.inputs, stream.shape[1], 1))
            assert all(output.isfinite().all() for output in single), f"{form.changes}: length 1 gave NaN"
            for wrong in (mask[:, :-1], mask[:1].expand(mask.numel() + 1, -1), mask.float()):
                with pytest.raises(MaskError):
                    form.module(**form.inputs, attn_mask=wrong)


def check_padding(offer: Offer) -> None:
    """Changing what a mask hides from a model changes nothing visible."""
    for form in forms(offer.entry):
        known = {*inspect.signature(form.module.forward).parameters, *form.inputs}
        streams = {mask: _first(streams, form) for mask, streams in MASKS.items() if mask in known}
        if not any(streams.values()):
            pytest.skip("takes no mask over a sequence")
        for mask, stream in streams.items():
            if stream:
                with torch.no_grad():
                    _check_hidden(form, mask, stream)


def check_causality(offer: Offer) -> None:
    """What is causal does not look ahead."""
    entry = offer.entry
    tried = 0
    for form in every_form(entry):
        causal = _is_causal(entry, form)
        name = _first(STREAMS, form)
        if name is None or not (causal or _has_causal_field(entry)):
            break
        if causal:
            tried += 1
            with torch.no_grad():
                _check_later(form, name)
    if not tried:
        pytest.skip("has no form that is causal over a sequence")


def _first(streams: Sequence[str], form: Form) -> str | None:
    return next((name for name in streams if name in form.inputs), None)


def _check_later(form: Form, name: str) -> None:
    stream = form.inputs[name]
    half = stream.shape[1] // 2
    later = (torch.arange(stream.shape[1]) >= half).expand(stream.shape[:2])
    changed = {**form.inputs, name: _changed(stream, later)}
    pairs = list(zip(call(form.module, form.inputs), call(form.module, changed), strict=True))
    along = [(before, after) for before, after in pairs if before.shape[:2] == stream.shape[:2]]
    assert along, f"{form.changes}: no output goes along with {name}, so nothing shows that it is causal"
    for before, after in along:
        _assert_unmoved(form, "what comes later", before[:, :half], after[:, :half])


def _has_causal_field(entry: Entry) -> bool:
    return "causal" in configuration.schema_of(entry).__dataclass_fields__  # type: ignore[attr-defined]


def _is_causal(entry: Entry, form: Form) -> bool:
    """By its config, else by its tags; what is fed with targets must not see the next one, unless it says so."""
    if hasattr(form.instance, "causal") and "target_ids" not in form.inputs:
        return bool(form.instance.causal)
    return "causal" in entry.tags or ("target_ids" in form.inputs and "non-autoregressive" not in entry.tags)


def every_form(entry: Entry) -> Iterator[Form]:
    """Every kind of config of an entry, the causal ones and the bidirectional ones, where its mechanism has both."""
    if not _has_causal_field(entry):
        yield from forms(entry)
        return
    exist = 0
    for causal in (False, True):
        try:
            yield from forms(entry, causal=causal)
            exist += 1
        except ConfigError as error:
            if error.field != "causal":
                raise
    assert exist, f"{entry.id} can be neither causal nor bidirectional"


def _layer_stream(inputs: Mapping[str, Any]) -> str:
    """What an attention layer looks at: ``x``, or ``key`` with a query and values."""
    names = ("x",) if "x" in inputs else ("query", "key", "value")
    shapes = {name: tuple(value.shape) for name, value in inputs.items() if isinstance(value, Tensor)}
    assert all(len(shapes.get(name, ())) == 3 for name in names), (
        f"the example of an attention layer is x (batch, length, dim), or query, key and value, not {shapes}"
    )
    return "x" if "x" in inputs else "key"


def _cut(inputs: Mapping[str, Any], whole: int, length: int) -> dict[str, Any]:
    """The call with that many tokens only."""
    return {
        name: value[:, :length] if isinstance(value, Tensor) and value.shape[1:2] == (whole,) else value
        for name, value in inputs.items()
    }


def _changed(stream: Tensor, where: Tensor) -> Tensor:
    """Other tokens in some places (batch, length); where they are ids, ids that occur in the stream."""
    other = (
        stream + 3
        if stream.is_floating_point()
        else torch.where(stream == stream.flip(1), stream.max(), stream.flip(1))
    )
    changed = torch.where(where.reshape(*where.shape, *[1] * (stream.ndim - 2)), other, stream)
    assert not torch.equal(changed, stream), "the example's tokens are all the same"
    return changed


def _check_hidden(form: Form, mask_name: str, name: str) -> None:
    """Hide the end of one sequence and the start of the other: a causal form never looks at what lies behind."""
    stream = form.inputs[name]
    mask = torch.ones(stream.shape[:2], dtype=torch.bool)
    mask[0, -3:] = False
    mask[1, :2] = False
    given = form.inputs[mask_name].dtype if mask_name in form.inputs else torch.bool
    masked = {**form.inputs, mask_name: mask.to(given)}
    hidden = ("key", "value") if name == "key" else (name,)
    changed = {**masked, **{each: _changed(form.inputs[each], ~mask) for each in hidden}}
    for before, after in zip(call(form.module, masked), call(form.module, changed), strict=True):
        if name in ("key", "source_ids"):
            _assert_unmoved(form, "what is hidden", before, after)
        elif before.shape[:2] == mask.shape:
            _assert_unmoved(form, "what is hidden", before[mask], after[mask])
        elif before.ndim == 2:
            # Pooled, perhaps from the first token, which is hidden in the second sequence.
            _assert_unmoved(form, "what is hidden", before[:1], after[:1])


def _assert_unmoved(form: Form, cause: str, before: Tensor, after: Tensor) -> None:
    torch.testing.assert_close(
        after, before, atol=1e-5, rtol=1e-4, msg=lambda text: f"{form.changes}: {cause} changes the output. {text}"
    )
