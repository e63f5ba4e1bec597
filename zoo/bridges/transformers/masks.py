"""Masks between transformers and the mechanisms.

transformers hands an attention without a mask function of its own no mask at all, and the model then silently looks
into the future and at padding. The mask function here never builds the square mask where it can be avoided: a plain
causal or bidirectional mask is described by the padding alone and by the layer's ``is_causal``. Anything else (packed
sequences, prefixes, sliding windows) becomes the full boolean mask, and so does a mask that the model wants to work
on itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from zoo.bridges.transformers.choice import ATTRIBUTE
from zoo.errors import MaskError
from zoo.nn.masks import KeyPadding, PackedSequences, boolean_mask, read_mask


def mask_function(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: int | Tensor = 0,
    kv_offset: int = 0,
    mask_function: Callable[..., Any] | None = None,
    attention_mask: Tensor | None = None,
    *,
    allow_is_causal_skip: bool = True,
    allow_is_bidirectional_skip: bool = True,
    config: Any = None,
    **kwargs: Any,
) -> Tensor | None:
    """The mask that transformers builds for a zoo attention.

    Args:
        batch_size, q_length, kv_length, q_offset, kv_offset: shape of the mask, and positions of its first query and
            key.
        mask_function: transformers' rule for one query and one key; causal by default.
        attention_mask: padding (batch, keys), True for real tokens.
        allow_is_causal_skip, allow_is_bidirectional_skip: whether the model can do without the full mask; one that
            joins masks or adds to them cannot.
        config: the model's.
        kwargs: passed on to transformers.

    Returns:
        Boolean, True where a query may look: None, where nothing is hidden but what ``is_causal`` hides; padding
        (batch, 1, 1, keys in use), without the free end of a static cache; or the full mask (batch, 1, queries, keys).
        Where the model also has attention of its own, transformers' additive mask.
    """
    from transformers import masking_utils

    rule = mask_function or masking_utils.causal_mask_function
    bidirectional = rule is masking_utils.bidirectional_mask_function
    causal = rule is masking_utils.causal_mask_function
    additive = (getattr(config, ATTRIBUTE, None) or {}).get("masks") == "additive"
    skip = (causal and allow_is_causal_skip) or (bidirectional and allow_is_bidirectional_skip)
    if skip and not additive and not kv_offset and readable(q_offset):
        used = kv_length if bidirectional else int(q_offset) + q_length
        if used <= kv_length:
            return _padding(attention_mask, batch_size, used, kv_length, kwargs.get("device"))
    kwargs |= {"allow_is_causal_skip": False, "allow_is_bidirectional_skip": False}
    build = masking_utils.eager_mask if additive else masking_utils.sdpa_mask
    full: Tensor = build(batch_size, q_length, kv_length, q_offset, kv_offset, rule, attention_mask, **kwargs)
    return full


def _padding(attention_mask: Tensor | None, batch: int, used: int, keys: int, device: Any) -> Tensor | None:
    from transformers import masking_utils

    real = masking_utils.prepare_padding_mask(attention_mask, keys, 0)
    if real is None:
        real = torch.ones(batch, keys, dtype=torch.bool, device=device) if used < keys else None
    elif used == keys and readable(real) and bool(real.all()):
        real = None
    return None if real is None else real[:, None, None, :used].bool()


def readable(value: Any) -> bool:
    """Whether values may be looked at: not while a program is being traced or compiled, nor on the meta device."""
    if not isinstance(value, Tensor):
        return isinstance(value, int)
    from torch._subclasses import FakeTensor

    tracing = torch.compiler.is_compiling() or torch.jit.is_tracing()
    return not (tracing or value.is_meta or isinstance(value, FakeTensor))


@dataclass(frozen=True)
class Sight:
    """What the queries of one call see.

    Args:
        mask: boolean, (batch, 1, 1, keys) or (batch, 1 or heads, queries, keys), or None.
        causal: whether later keys are hidden besides.
        keys: how many keys are in use.
        packed: the sequences of a packed batch; ``mask`` is None then.
    """

    mask: Tensor | None
    causal: bool
    keys: int
    packed: PackedSequences | None = None


def sight(attention_mask: Tensor | None, *, batch: int, queries: int, keys: int, causal: bool) -> Sight:
    """Understand the mask that a model gives to its attention.

    Args:
        attention_mask: boolean or additive, of our ``mask_function`` or of the model's own making; fewer keys than
            there are means that the rest is not in use.
        batch, queries, keys: of the call.
        causal: whether the layer is causal.

    Raises:
        MaskError: a mask of another shape or type, or one that is a bias.
    """
    if attention_mask is None:
        return Sight(None, causal and queries > 1, keys)
    mask = attention_mask[:, None, None] if attention_mask.ndim == 2 else attention_mask
    fits = (
        mask.ndim == 4
        and mask.shape[0] in (1, batch)
        and mask.shape[2] in (1, queries)
        and mask.shape[3] <= keys
        and (mask.dtype == torch.bool or mask.is_floating_point())
    )
    if not fits:
        raise MaskError(
            f"attention_mask of shape {tuple(attention_mask.shape)} and type {attention_mask.dtype}; expected boolean "
            f"or additive ({batch}, 1, 1 or {queries}, {keys}), for {queries} queries and {keys} keys"
        )
    if mask.is_floating_point():
        # Made for code that adds it to the scores, which knows no other order: it says everything.
        mask, causal = (boolean_mask(mask) if readable(mask) else mask == 0), causal and mask.shape[2] == queries
    complete, used = mask.shape[2] == queries, mask.shape[-1]
    if complete and mask.shape[1] == 1 and readable(mask):
        reading = _read(attention_mask, mask[:, 0], causal)
        if isinstance(reading, PackedSequences):
            return Sight(None, True, used, _for_batch(reading, batch))
        if reading is not None:
            real = reading.real.expand(batch, -1)
            shown = None if bool(real.all()) else real[:, None, None]
            return Sight(shown, reading.causal and queries > 1, real.shape[1])
    return Sight(mask.expand(batch, -1, -1, -1), causal and queries > 1 and not complete, used)


def _for_batch(packed: PackedSequences, batch: int) -> PackedSequences:
    return packed if len(packed.bounds) == batch else PackedSequences(packed.bounds * batch)


# A model gives one mask to all of its layers: read it once.
_readings: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def _read(given: Tensor, mask: Tensor, causal: bool) -> KeyPadding | PackedSequences | None:
    if given.is_inference():  # keeps no count of its changes
        return read_mask(mask, causal=causal)
    key = given._version, causal
    if _readings.get(given, (None, None))[0] != key:
        _readings[given] = key, read_mask(mask, causal=causal)
    reading: KeyPadding | PackedSequences | None = _readings[given][1]
    return reading
