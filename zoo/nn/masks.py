"""Attention masks, one meaning everywhere: boolean, True where a query may look at a key.

Every attention layer of the zoo takes ``attn_mask`` in one of these shapes and passes it through
``expand_mask`` (mechanisms that see the whole score matrix) or ``padding_mask`` (mechanisms that never
form it and can only leave keys out). A mask that does not fit is an error, never ignored.

==============  ===================  =============================================
shape           meaning              accepted by
==============  ===================  =============================================
(B, K)          key padding          ``expand_mask``, ``padding_mask``
(Q, K)          one mask for all     ``expand_mask``
(B, Q, K)       one per example      ``expand_mask``
(B, 1|H, Q, K)  one per head         ``expand_mask``
==============  ===================  =============================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.errors import MaskError
from zoo.nn.tracing import readable


def causal_mask(queries: int, keys: int, device: torch.device | str | None = None) -> Tensor:
    """Boolean (queries, keys), True at or before the query; the last query sees every key."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


def _check_dtype(attn_mask: Tensor) -> None:
    if attn_mask.dtype != torch.bool:
        raise MaskError(
            f"attn_mask has dtype {attn_mask.dtype}; expected torch.bool with True where a query may look "
            "at a key. Convert an additive mask with (attn_mask == 0)."
        )


def expand_mask(
    attn_mask: Tensor | None,
    *,
    batch: int,
    heads: int,
    queries: int,
    keys: int,
    causal: bool = False,
    device: torch.device | str | None = None,
) -> Tensor | None:
    """Broadcastable boolean mask (B|1, H|1, Q|1, K), or None where nothing is hidden.

    Args:
        attn_mask: one of the shapes of the module's table, or None. A square mask whose size is also the
            batch's is read as (B, K); give (1, Q, K) to share one mask in such a batch.
        causal: also hide keys after the query.
        device: where a mask that is causal only is made.

    Raises:
        MaskError: wrong dtype, or a shape that is none of these.
    """
    if attn_mask is None:
        return causal_mask(queries, keys, device)[None, None] if causal and queries > 1 else None
    _check_dtype(attn_mask)
    shape = tuple(attn_mask.shape)
    if shape == (batch, keys):
        mask = attn_mask[:, None, None, :]
    elif shape == (queries, keys):
        mask = attn_mask[None, None]
    elif shape == (batch, queries, keys) or shape == (1, queries, keys):
        mask = attn_mask[:, None]
    elif len(shape) == 4 and all(
        size in allowed for size, allowed in zip(shape, ((1, batch), (1, heads), (1, queries), (keys,)), strict=True)
    ):
        mask = attn_mask
    else:
        raise MaskError(
            f"attn_mask has shape {shape}; expected ({batch}, {keys}) for key padding, ({queries}, {keys}), "
            f"({batch}, {queries}, {keys}) or ({batch}, 1 or {heads}, {queries}, {keys})"
        )
    if causal and queries > 1:
        mask = mask & causal_mask(queries, keys, attn_mask.device)
    return mask


def padding_mask(attn_mask: Tensor | None, *, batch: int, keys: int, mechanism: str) -> Tensor | None:
    """Boolean (B, K), True for real keys, or None; for mechanisms without a score matrix.

    Raises:
        MaskError: wrong dtype, or a shape other than (batch, keys) or (batch, 1, 1, keys).
    """
    if attn_mask is None:
        return None
    _check_dtype(attn_mask)
    if tuple(attn_mask.shape) == (batch, 1, 1, keys):
        return attn_mask[:, 0, 0]
    if tuple(attn_mask.shape) != (batch, keys):
        raise MaskError(
            f"attn_mask has shape {tuple(attn_mask.shape)}; {mechanism} never forms the matrix of scores and "
            f"can only leave out keys: expected ({batch}, {keys}), True for real tokens"
        )
    return attn_mask


def masked_softmax(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over the last axis in at least float32; rows that hide every key become zero.

    Args:
        scores: (..., Q, K) float.
        mask: boolean, broadcastable to ``scores``, True where a key is visible.
    """
    work = scores if scores.dtype == torch.float64 else scores.float()
    if mask is None:
        return work.softmax(-1).to(scores.dtype)
    hidden = ~mask
    # A finite fill keeps the gradient of a fully masked row at zero instead of NaN.
    weights = work.masked_fill(hidden, torch.finfo(work.dtype).min).softmax(-1)
    return weights.masked_fill(hidden, 0.0).to(scores.dtype)


def boolean_mask(additive: Tensor) -> Tensor:
    """The boolean mask of an additive one, which is 0 where a query may look and hugely negative elsewhere.

    Args:
        additive: float, of any shape; sums of such masks count as well.

    Raises:
        MaskError: values that are neither (a bias such as ALiBi's, NaN): no boolean mask can say them. A program that
            was compiled or exported looks as it runs, and raises torch's RuntimeError.
    """
    visible = additive == 0
    # -1e4 is the mildest value in use, from the days of float16.
    understood = (visible | (additive <= -1e4)).all()
    bias = (
        "the additive mask holds values besides 0 (visible) and -10000 or less (hidden): it is a bias on the "
        "scores, which this mechanism does not add. Give a mask alone, or a boolean one."
    )
    if torch.compiler.is_compiling():
        torch._assert_async(understood, bias)
    elif readable(understood) and not bool(understood):
        raise MaskError(bias)
    return visible


@dataclass(frozen=True)
class KeyPadding:
    """A full mask that says no more than which keys are real, and whether later ones are hidden.

    Args:
        real: boolean (batch, keys in use), True for real tokens. What lies behind is not in use yet (the free end of
            a static cache).
        causal: the last query sees the keys up to the last in use, the one before it one less, and so on; otherwise
            every query sees every real key.
    """

    real: Tensor
    causal: bool


@dataclass(frozen=True)
class PackedSequences:
    """A full mask that says: several sequences one after the other, each causal and blind to the others.

    Args:
        bounds: (start, stop) of every sequence, per example. Tokens outside of all of them see nothing.
    """

    bounds: tuple[tuple[tuple[int, int], ...], ...]


def read_mask(mask: Tensor, *, causal: bool = True) -> KeyPadding | PackedSequences | None:
    """What a full boolean mask amounts to, where it amounts to little; None: it says more.

    Padded tokens may look wherever they like: what they see is never read.

    Args:
        mask: (batch, queries, keys); the queries are the last tokens in use.
        causal: what is tried first, where a mask can be read in both ways.

    Raises:
        MaskError: a program is being compiled or exported, which cannot read.
    """
    if torch.compiler.is_compiling():
        batch, queries, keys = mask.shape
        raise MaskError(
            f"a mask of shape ({batch}, {queries}, {keys}) would have to be read, which a program that is compiled or "
            f"exported cannot do: give the padding alone, ({batch}, {keys}), True for real tokens"
        )
    same = KeyPadding(mask[:, 0], causal=False) if torch.equal(mask, mask[:, :1].expand_as(mask)) else None
    if same is not None and not causal:
        return same
    queries, keys = mask.shape[1:]
    if queries > keys:
        return same
    for used in _ends(mask):
        real = mask[:, -1, :used]
        expected = real[:, None] & causal_mask(queries, used, mask.device)
        odd = (mask[..., :used] != expected).any(-1)
        # Rows of padded tokens, which some make see everything so that their softmax is finite.
        odd &= real[:, used - queries :] | ~mask[..., :used].all(-1)
        if not odd.any():
            return KeyPadding(real, causal=True)
    return same or (_read_packed(mask) if queries == keys else None)


def one_by_one(
    run: Callable[[Tensor, Tensor, Tensor], Tensor], query: Tensor, key: Tensor, value: Tensor, packed: PackedSequences
) -> Tensor:
    """Each sequence of a packed batch alone; those that lie at the same place in several examples together.

    Args:
        run: causal attention of (query, key, value) of one sequence, at least one token long.
        query: (batch, heads, length, head_dim).
        key, value: (batch, kv heads, length, head_dim).
        packed: where the sequences lie; tokens outside of them get zeros.

    Returns:
        (batch, heads, length, value's head_dim).
    """
    examples: dict[tuple[int, int], list[int]] = {}
    for example, bounds in enumerate(packed.bounds):
        for place in bounds:
            examples.setdefault(place, []).append(example)
    output = query.new_zeros(*query.shape[:3], value.shape[-1])
    for (start, stop), rows in examples.items():
        output[rows, :, start:stop] = run(*(tensor[rows, :, start:stop] for tensor in (query, key, value)))
    return output


def _ends(mask: Tensor) -> Iterator[int]:
    """How many keys may be in use, the likeliest number first: none that is seen lies behind."""
    queries, keys = mask.shape[1:]
    seen = mask.any(1).any(0).nonzero()
    last = int(seen[-1]) + 1 if len(seen) else 0
    yield max(last, queries)
    # Where the last queries are padding: a query and its key are as far apart as any other and its own.
    _, row, key = (mask[:, 1:] & ~mask[:, :-1]).nonzero().unbind(1)
    if len(key):
        used = int((key - row - 1).min()) + queries
        if max(last, queries) <= used <= keys:
            yield used
    yield keys


def _read_packed(mask: Tensor) -> PackedSequences | None:
    places = torch.arange(mask.shape[-1], device=mask.device)
    seeing = mask.any(-1)
    first = mask.byte().argmax(-1)
    # A row sees an unbroken run of keys, from the start of its sequence to itself.
    runs = (places >= first[..., None]) & (places <= places[:, None]) & seeing[..., None]
    starts = seeing & (first == places)
    goes_on = starts[:, 1:] | ~seeing[:, 1:] | (seeing[:, :-1] & (first[:, 1:] == first[:, :-1]))
    if not (torch.equal(mask, runs) and goes_on.all()):
        return None
    ends = seeing & ~torch.nn.functional.pad(seeing[:, 1:] & ~starts[:, 1:], (0, 1))
    return PackedSequences(
        tuple(
            tuple(zip(begin.nonzero()[:, 0].tolist(), (end.nonzero()[:, 0] + 1).tolist(), strict=True))
            for begin, end in zip(starts, ends, strict=True)
        )
    )
