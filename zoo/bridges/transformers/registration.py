"""Attention mechanisms of the zoo as attention implementations of ``transformers``.

Every entry that is a function of (query, key, value) becomes ``attn_implementation="zoo-<id>"``. It is
registered together with a mask function: transformers hands an attention without one no mask at all, and the
model then silently looks into the future and at padding.

The mask function never builds the square mask where it can be avoided. A plain causal or bidirectional mask
is described by the padding alone, (B, 1, 1, K) or None, and by the layer's ``is_causal``; anything else
(packed sequences, prefixes, sliding windows, static caches) becomes the full boolean (B, 1, Q, K).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from zoo import catalogue, configuration
from zoo.errors import InputError, UnknownName
from zoo.facts import Entry
from zoo.targets import require, resolve

PREFIX = "zoo-"


def register_transformers(options: Mapping[str, Mapping[str, Any]] | None = None) -> tuple[str, ...]:
    """Register every functional attention entry with transformers.

    Args:
        options: entry id -> config overrides, for instance ``{"moba": {"block_size": 64, "topk": 4}}``.
            Calling again with other options replaces the registration.

    Returns:
        The names for ``attn_implementation``.

    Raises:
        MissingDependency: transformers is not installed.
        UnknownName: ``options`` names something that is not a functional attention entry.
    """
    utils = require("transformers.modeling_utils", needed_by="zoo.register_transformers")
    masking = require("transformers.masking_utils", needed_by="zoo.register_transformers")
    entries = {
        offer.entry.id: offer.entry for offer in catalogue.current().offers if offer.entry.functional is not None
    }
    for name in options or {}:
        if name not in entries:
            raise UnknownName(f"{name!r} is not a functional attention entry; there are: {', '.join(entries)}")
    for entry in entries.values():
        config = configuration.merge(entry, None, None, (options or {}).get(entry.id)).instance
        utils.AttentionInterface.register(PREFIX + entry.id, _adapter(entry, config))
        masking.AttentionMaskInterface.register(PREFIX + entry.id, mask_function)
    return tuple(PREFIX + name for name in entries)


def _adapter(entry: Entry, config: Any) -> Callable[..., tuple[Tensor, None]]:
    function = resolve(entry.functional or "")

    def attend(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        dropout: float = 0.0,
        scaling: float | None = None,
        is_causal: bool | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, None]:
        if dropout:
            raise InputError(
                f"{PREFIX}{entry.id} has no dropout on attention weights, but the model asks for {dropout}; "
                "set its attention dropout to 0"
            )
        unsupported = [name for name in ("softcap", "position_bias", "s_aux") if kwargs.get(name) is not None]
        if unsupported:
            raise InputError(f"{PREFIX}{entry.id} does not implement this model's {', '.join(unsupported)}")
        queries = query.shape[2]
        covers_queries = attention_mask is not None and attention_mask.shape[2] == queries
        causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
        # A mask with a row per query already contains the causal order.
        causal = bool(causal) and queries > 1 and not covers_queries
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        output = function(query, key, value, attention_mask, causal=causal, scale=scale, config=config)
        return output.transpose(1, 2).contiguous(), None

    attend.__name__ = f"zoo_{entry.id.replace('-', '_')}_attention"
    return attend


def mask_function(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: int = 0,
    kv_offset: int = 0,
    mask_function: Callable[..., Any] | None = None,
    attention_mask: Tensor | None = None,
    **kwargs: Any,
) -> Tensor | None:
    """The boolean mask that transformers builds for a zoo attention, True where a query may look.

    Returns:
        None, padding (B, 1, 1, K), or the full mask (B, 1, Q, K): see the module's text.
    """
    from transformers import masking_utils

    plain = mask_function in (None, masking_utils.causal_mask_function, masking_utils.bidirectional_mask_function)
    # With a static cache there are keys beyond the last query: only the full mask says which.
    aligned = isinstance(q_offset, int) and kv_offset == 0 and kv_length == q_offset + q_length
    bidirectional = mask_function is masking_utils.bidirectional_mask_function
    if plain and (aligned or bidirectional):
        padding = masking_utils.prepare_padding_mask(attention_mask, kv_length, kv_offset)
        if padding is None or bool(padding.all()):
            return None
        return padding.bool()[:, None, None, kv_offset : kv_offset + kv_length]
    kwargs |= {"allow_is_causal_skip": False, "allow_is_bidirectional_skip": False}
    full: Tensor = masking_utils.sdpa_mask(
        batch_size,
        q_length,
        kv_length,
        q_offset,
        kv_offset,
        mask_function or masking_utils.causal_mask_function,
        attention_mask,
        **kwargs,
    )
    return full
