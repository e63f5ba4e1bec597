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

import torch
from torch import Tensor

from zoo.errors import MaskError


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
    elif shape in {(batch, queries, keys), (1, queries, keys)}:
        mask = attn_mask[:, None]
    elif len(shape) == 4 and all(
        size in allowed for size, allowed in zip(shape, ({1, batch}, {1, heads}, {1, queries}, {keys}), strict=True)
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
