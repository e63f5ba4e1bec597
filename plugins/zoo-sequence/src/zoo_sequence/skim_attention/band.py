"""Sliding-window attention with global tokens, in memory linear in the length.

Queries are cut into blocks of w tokens, w the reach of the widest window, and each block meets the 3w keys of its
neighbourhood, so that scores are (batch, heads, blocks, w, 3w). Global tokens are seen by everybody: their columns
stand beside the band and share its softmax (inside the band they are left out, each key counts once). They see
everybody: their rows, over all keys, are kept apart and replace those of the band. Written out as a matrix this is
ordinary attention under the mask "within the window, or the query or the key is global" (``Band.dense``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import MaskError
from zoo_sequence.skim_attention.inputs import HIDDEN
from zoo_sequence.skim_attention.layout import wide


@dataclass(frozen=True, eq=False)
class GlobalTokens:
    """Where the global tokens of a batch are.

    Args:
        index: (batch, G) their places; where an example has fewer than G, the length stands in.
        columns: (batch, heads, length, G) weights that queries give them.
        rows: (batch, heads, G, length) weights that they give.
    """

    index: Tensor
    columns: Tensor
    rows: Tensor


@dataclass(frozen=True, eq=False)
class Band:
    """The attention of a document within a window.

    Args:
        local: (batch, heads, blocks, w, 3w) weights of the queries of a block on the keys of three blocks.
        reach: tokens seen on either side; at most w.
        length: of the document; the last block may be longer.
        globals_: the global tokens, where there are any.
    """

    local: Tensor
    reach: int
    length: int
    globals_: GlobalTokens | None = None

    def read(self, value: Tensor) -> Tensor:
        """The attention times values (batch, heads, length, features): context of the same shape."""
        context = (self.local @ _neighbourhoods(value, self.local.shape[3]).transpose(-1, -2)).flatten(2, 3)
        context = context[:, :, : self.length]
        tokens = self.globals_
        if tokens is None:
            return context
        context = context + tokens.columns @ _pick(value, tokens.index)
        # Absent global tokens write to a row past the end, which is cut off again.
        padded = functional.pad(context, (0, 0, 0, 1))
        return padded.scatter(2, _along(tokens.index, context), tokens.rows @ value)[:, :, : self.length]

    def diagonals(self) -> Tensor:
        """Longformer's layout: (batch, heads, length, G + 2 reach + 1), global columns, then the window's diagonals.

        Entry G + k of token i is its weight on token i - reach + k; zero past the ends and where that token is
        global. The rows of global tokens hold what they would give as ordinary tokens; theirs are in ``globals_``.
        """
        width = self.local.shape[3]
        # Row r of a block has its window at columns r .. r + 2w: one column more to a row straightens it.
        skewed = functional.pad(self.local.flatten(-2), (0, width)).unflatten(-1, (width, 3 * width + 1))
        first = width - self.reach
        diagonals = skewed[..., first : first + 2 * self.reach + 1].flatten(2, 3)[:, :, : self.length]
        return diagonals if self.globals_ is None else torch.cat((self.globals_.columns, diagonals), -1)

    def dense(self) -> Tensor:
        """The same as a matrix (batch, heads, length, length): for looking at, of a short document."""
        batch, heads = self.local.shape[:2]
        eye = torch.eye(self.length, dtype=self.local.dtype, device=self.local.device)
        return self.read(eye.expand(batch, heads, -1, -1))


def band_attention(
    query: Tensor,
    key: Tensor,
    reaches: Sequence[int],
    *,
    attention_mask: Tensor | None = None,
    global_mask: Tensor | None = None,
    drop: Callable[[Tensor], Tensor] = lambda weights: weights,
) -> list[Band]:
    """Attention of every layer; layers of the same window share one, and all share one set of scores.

    Args:
        query, key: (batch, heads, length, features).
        reaches: of each layer, how many tokens a query sees on either side.
        attention_mask: (batch, length), 1 or True for real tokens; what is padding gets -10000.
        global_mask: (batch, length), 1 or True for global tokens. How many there are decides on shapes: the device is
            waited for once.
        drop: applied to weights.

    Raises:
        MaskError: a mask of another shape.
    """
    batch, _, length, features = query.shape
    widest = max(reaches)
    query = query / math.sqrt(features)
    scores = wide(_blocks(query, widest) @ _neighbourhoods(key, widest))
    bias = None
    if attention_mask is not None:
        bias = (1 - _key_mask(attention_mask, batch, length, "attention_mask").to(scores.dtype)) * HIDDEN
        scores = scores + _neighbourhoods(bias[:, None, :, None], widest)
    index = None if global_mask is None else _places(_key_mask(global_mask, batch, length, "global_attention_mask"))
    columns = rows = None
    if index is not None and global_mask is not None:
        scores = scores.masked_fill(_neighbourhoods(global_mask.bool()[:, None, :, None], widest), _least(scores))
        columns = wide(query @ _pick(key, index).transpose(-1, -2))
        rows = wide(_pick(query, index) @ key.transpose(-1, -2))
        if bias is not None:
            columns = columns + _pick(bias[:, None, :, None], index).transpose(-1, -2)
            rows = rows + bias[:, None, None]
        columns = columns.masked_fill((index == length)[:, None, None], _least(scores))
        rows = drop(rows.softmax(-1).to(query.dtype))

    def within(reach: int) -> Band:
        hidden = ~_visible(length, widest, reach, query.device)
        local = scores.masked_fill(hidden, _least(scores))
        if index is None or columns is None or rows is None:
            return Band(drop(local.softmax(-1).to(query.dtype)), reach, length)
        beside = functional.pad(columns, (0, 0, 0, local.shape[2] * widest - length))
        together = torch.cat((beside.unflatten(2, (-1, widest)), local), -1)
        weights = drop(together.softmax(-1).to(query.dtype))
        outer, inner = weights.split((index.shape[1], 3 * widest), -1)
        return Band(inner, reach, length, GlobalTokens(index, outer.flatten(2, 3)[:, :, :length], rows))

    bands = {reach: within(reach) for reach in sorted(set(reaches))}
    return [bands[reach] for reach in reaches]


def _least(scores: Tensor) -> float:
    """Weighs nothing beside any real score, and keeps a row that sees nothing finite."""
    return torch.finfo(scores.dtype).min


def _blocks(x: Tensor, width: int) -> Tensor:
    """(batch, heads, length, features) to (batch, heads, blocks, width, features), zeros at the end."""
    return functional.pad(x, (0, 0, 0, -x.shape[2] % width)).unflatten(2, (-1, width))


def _neighbourhoods(x: Tensor, width: int) -> Tensor:
    """(batch, heads, length, features) to (batch, heads, blocks, features, 3 width): each block and both beside it."""
    return functional.pad(x, (0, 0, width, width + -x.shape[2] % width)).unfold(2, 3 * width, width)


def _visible(length: int, width: int, reach: int, device: torch.device) -> Tensor:
    """Boolean (blocks, width, 3 width): keys that exist and are within reach of the query."""
    row, column = torch.arange(width, device=device)[:, None], torch.arange(3 * width, device=device)
    key = column + torch.arange(-width, length - width, width, device=device)[:, None, None]
    return ((column - width - row).abs() <= reach) & (key >= 0) & (key < length)


def _key_mask(mask: Tensor, batch: int, length: int, name: str) -> Tensor:
    if tuple(mask.shape) != (batch, length):
        raise MaskError(
            f"{name} has shape {tuple(mask.shape)}; windowed skim-attention has no matrix of scores and can only tell "
            f"tokens apart: expected ({batch}, {length})"
        )
    return mask


def _places(global_mask: Tensor) -> Tensor | None:
    """(batch, G) places of the ones, in order, filled up with the length; None where there are none."""
    chosen = global_mask.bool()
    count = int(chosen.sum(-1).max())
    if count == 0:
        return None
    length = chosen.shape[1]
    places = torch.arange(length, device=chosen.device).masked_fill(~chosen, length)
    return places.sort(-1).values[:, :count]


def _along(index: Tensor, x: Tensor) -> Tensor:
    """(batch, G) places to an index of (batch, heads, G, features) into ``x``."""
    return index[:, None, :, None].expand(-1, x.shape[1], -1, x.shape[3])


def _pick(x: Tensor, index: Tensor) -> Tensor:
    """Rows of ``x`` (batch, heads, length, features) at places (batch, G); the last row for an absent one."""
    return x.gather(2, _along(index.clamp(max=x.shape[2] - 1), x))
