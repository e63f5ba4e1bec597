"""What the queries of one call see: the masks of other people's models, understood before a mechanism gets them.

A mechanism without a matrix of scores can leave out keys and later tokens, and no more. Most full masks say no more
than that, whether they are boolean or are added to the scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from zoo.errors import MaskError
from zoo.nn.masks import KeyPadding, PackedSequences, boolean_mask, read_mask
from zoo.nn.tracing import readable


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
        attention_mask: (batch, keys), (batch, 1, 1, keys) or (batch, 1 or heads, queries, keys), boolean with True
            for what is seen, or additive. Fewer keys than there are means that the rest is not in use.
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
        mask, causal = boolean_mask(mask), causal and mask.shape[2] == queries
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


def packed_as_told(seen: Sight, lengths: Tensor, batch: int, queries: int) -> Sight:
    """What the queries of one call see where sequences are packed as FlashAttention's kernels are told of it.

    Args:
        seen: what the mask says.
        lengths: (sequences + 1,) integers: where each sequence starts, and the number of tokens.
        batch, queries: of the call.

    Raises:
        MaskError: lengths that do not cover the tokens of one example, or a mask that says something else.
    """
    if not readable(lengths):
        raise MaskError(
            "cu_seq_lens would have to be read, which a program that is compiled or exported cannot do: give "
            "position_ids or a mask instead"
        )
    edges = lengths.tolist()
    if batch != 1 or edges[:1] != [0] or edges[-1] != queries or edges != sorted(edges) or seen.keys != queries:
        raise MaskError(
            f"cu_seq_lens={edges} for {batch} examples of {queries} queries and {seen.keys} keys; expected starts of "
            "sequences that are packed into one example, rising from 0 to its number of tokens"
        )
    bounds = tuple((start, stop) for start, stop in pairwise(edges) if start < stop)
    if len(bounds) < 2 or (seen.packed is not None and seen.packed.bounds == (bounds,)):
        return seen
    if seen.mask is not None or seen.packed is not None:
        raise MaskError(f"cu_seq_lens={edges}, but the mask says otherwise; give one of the two, or both alike")
    if seen.causal:
        return Sight(None, True, queries, PackedSequences((bounds,)))
    number = torch.searchsorted(lengths, torch.arange(queries, device=lengths.device), right=True)
    return Sight((number[:, None] == number)[None, None], False, queries)


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
