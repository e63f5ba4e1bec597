"""Masks as transformers builds them for the mechanisms.

transformers hands an attention without a mask function of its own no mask at all, and the model then silently looks
into the future and at padding. The mask function here never builds the square mask where it can be avoided: a plain
causal or bidirectional mask is described by the padding alone and by the layer's ``is_causal``. Anything else (packed
sequences, prefixes, sliding windows) becomes the full boolean mask, and so does a mask that the model wants to work
on itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from zoo.bridges.choice import ATTRIBUTE
from zoo.nn.tracing import readable


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
        Where the model also has attention of its own, transformers' additive mask; where its ``is_causal`` is not to
        be relied on, always the full one.
    """
    from transformers import masking_utils

    rule = mask_function or masking_utils.causal_mask_function
    bidirectional = rule is masking_utils.bidirectional_mask_function
    causal = rule is masking_utils.causal_mask_function
    expected = (getattr(config, ATTRIBUTE, None) or {}).get("masks")
    skip = (causal and allow_is_causal_skip) or (bidirectional and allow_is_bidirectional_skip)
    if skip and expected is None and not kv_offset and readable(q_offset):
        used = kv_length if bidirectional else int(q_offset) + q_length
        if used <= kv_length:
            return _padding(attention_mask, batch_size, used, kv_length, kwargs.get("device"))
    kwargs |= {"allow_is_causal_skip": False, "allow_is_bidirectional_skip": False}
    build = masking_utils.eager_mask if expected == "additive" else masking_utils.sdpa_mask
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
