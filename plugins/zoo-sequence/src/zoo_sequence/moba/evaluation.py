"""Block-sparse attention whose cost and memory follow the blocks that are read, not length x length.

The work is cut into tiles: up to 128 queries that read one and the same block of keys. Own blocks give tiles of
neighbouring queries with a causal edge; history blocks give tiles of whatever queries were routed there, gathered
from anywhere. Tiles of one shape run together as batched matrix products, a bounded number at a time, and a
query's tiles are joined by online softmax: with running maximum m, sum l and unnormalised output a,

    m' = max(m, max_j s_j)     l' = l e^(m - m') + sum_j e^(s_j - m')     a' = a e^(m - m') + sum_j e^(s_j - m') v_j

The backward pass recomputes each tile's weights from the saved log-sum-exp m + log l, so that training keeps
queries, keys, values, output and one number per query, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from zoo_sequence.moba.config import Routing
from zoo_sequence.moba.routing import choose_history, work_dtype

TILE_QUERIES = 128

# Queries whose output is under construction at a time, and attention weights that exist together: on a CPU what
# stays in its caches, on a GPU what fills it.
_ROWS_ON_CPU, _ROWS_ON_GPU = 1 << 13, 1 << 20
_WEIGHTS_ON_CPU, _WEIGHTS_ON_GPU = 1 << 18, 1 << 26


def evaluate(
    query: Tensor, key: Tensor, value: Tensor, routing: Routing, scale: float, output: Tensor, lse: Tensor
) -> None:
    """Compute the output, and the log-sum-exp of every query's logits.

    Args:
        query: (batch, heads, queries, head_dim), of the last positions.
        key: (batch, kv heads, keys, head_dim).
        value: (batch, kv heads, keys, value_dim).
        routing: how blocks are chosen.
        scale: factor on the logits.
        output: written; (batch, heads, queries, value_dim), contiguous.
        lse: written; (batch, heads, queries), contiguous, in ``work_dtype``.
    """
    for problem, rows in _problems(query, key, value, routing, scale):
        _forward(problem, rows(output), rows(lse[..., None])[:, 0])


def pull_back(
    grad: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    output: Tensor,
    lse: Tensor,
    routing: Routing,
    scale: float,
    grads: Sequence[Tensor],
) -> None:
    """Add what a gradient of the output makes of query, key and value.

    Args:
        grad: of the output, contiguous; the others are as ``evaluate`` had and left them.
        grads: added to; of the shapes of query, key and value, contiguous, in ``work_dtype``.
    """
    for problem, rows in _problems(query, key, value, routing, scale):
        _backward(problem, rows(grad), rows(output), rows(lse[..., None])[:, 0], [*map(rows, grads)])


@dataclass(frozen=True)
class Tiles:
    """e tiles of t queries, each tile reading w neighbouring keys.

    Args:
        rows: (e, t) int64: which queries, as rows of all queries. In one ``Tiles`` a query is in one tile.
        keys: (e, w) int64: which keys, as rows of all keys.
        hidden: boolean (t, w), True where a query must not look; or None.
        surplus: boolean (e, t), True where a query only repeats another one of its tile, to fill it; or None.
        opening: whether these are the first tiles of their queries.
    """

    rows: Tensor
    keys: Tensor
    hidden: Tensor | None
    surplus: Tensor | None
    opening: bool

    def split(self, weights: int) -> Iterator[Tiles]:
        """The same tiles, or shorter ones, with about so many attention weights at a time."""
        tiles, queries = self.rows.shape
        width = self.keys.shape[1]
        # A query and its repetitions must stay together.
        length = queries if self.surplus is not None else max(1, min(queries, weights // width))
        step = max(1, weights // (length * width))
        for first in range(0, tiles, step):
            for start in range(0, queries, length):
                some, few = slice(first, first + step), slice(start, start + length)
                hidden = None if self.hidden is None else self.hidden[few]
                surplus = None if self.surplus is None else self.surplus[some, few]
                yield Tiles(self.rows[some, few], self.keys[some], hidden, surplus, self.opening)


@dataclass(frozen=True)
class Problem:
    """Some key heads ("units") and the ``group`` query heads that share each of them, as flat rows.

    Args:
        query: (units * group * queries, head_dim).
        key, value: (units * keys, head_dim or value_dim).
        chosen: history blocks (units, group, queries, picks), -1 for none.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    chosen: Tensor
    keys: int
    block_size: int
    scale: float

    @classmethod
    def of(cls, query: Tensor, key: Tensor, value: Tensor, routing: Routing, scale: float) -> Problem:
        """From (batch, units, group, queries, head_dim) and (batch, units, keys, ...)."""
        query, key, value = query.flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1)
        chosen = choose_history(query, key, routing)
        rows = query.flatten(0, 2), key.flatten(0, 1), value.flatten(0, 1)
        return cls(*rows, chosen, key.shape[1], routing.block_size, scale)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of logits and sums."""
        return work_dtype(self.query)

    def tiles(self) -> Iterator[Tiles]:
        """All tiles, a bounded number at a time."""
        weights = _WEIGHTS_ON_CPU if self.query.device.type == "cpu" else _WEIGHTS_ON_GPU
        for tiles in self._own_tiles():
            yield from tiles.split(weights)
        if self.chosen.shape[-1]:
            for tiles in self._history_tiles():
                yield from tiles.split(weights)

    def logits(self, tiles: Tiles) -> tuple[Tensor, Tensor, Tensor]:
        """Scaled queries (e, t, d), keys (e, w, d) and masked logits (e, t, w)."""
        query = take(self.query, tiles.rows).to(self.dtype) * self.scale
        key = take(self.key, tiles.keys).to(self.dtype)
        logits = torch.bmm(query, key.transpose(1, 2))
        if tiles.hidden is not None:
            logits.masked_fill_(tiles.hidden, float("-inf"))
        return query, key, logits

    def _arange(self, stop: int) -> Tensor:
        return torch.arange(stop, device=self.query.device)

    def _sections(self) -> Iterator[tuple[int, int, int, int, int]]:
        """(first query, its block, number of blocks, queries per block, keys of the block before them)."""
        size, queries = self.block_size, self.chosen.shape[2]
        block, offset = divmod(self.keys - queries, size)
        done = 0
        if offset:
            done = min(size - offset, queries)
            yield 0, block, 1, done, offset
            block += 1
        whole, rest = divmod(queries - done, size)
        if whole:
            yield done, block, whole, size, 0
        if rest:
            yield done + whole * size, block + whole, 1, rest, 0

    def _own_tiles(self) -> Iterator[Tiles]:
        units, group, queries, _ = self.chosen.shape
        size = self.block_size
        for first, block, count, length, offset in self._sections():
            unit, nth = self._arange(units * count) // count, self._arange(units * count) % count
            head = (unit[:, None] * group + self._arange(group)) * queries
            query = first + nth * size
            key = unit * self.keys + (block + nth) * size
            for start in range(0, length, TILE_QUERIES):
                step = self._arange(min(TILE_QUERIES, length - start)) + start
                width = self._arange(offset + start + len(step))
                rows = head[:, :, None] + query[:, None, None] + step
                hidden = width > step[:, None] + offset
                yield Tiles(rows.flatten(1), key[:, None] + width, hidden.repeat(group, 1), None, opening=True)

    def _history_tiles(self) -> Iterator[Tiles]:
        units, group, queries, picks = self.chosen.shape
        blocks = (self.keys - 1) // self.block_size
        chosen = self.chosen.flatten()
        pick = (chosen >= 0).nonzero()[:, 0]
        row = pick // picks
        # Sorted by block, then unit: the queries of one block of all units are distinct and run together.
        place, order = (chosen[pick] * units + row // (group * queries)).sort(stable=True)
        row = row[order]
        counts = torch.bincount(place, minlength=blocks * units)
        if units == 1:
            # Nothing runs beside the queries of a block: they are one tile, however many they are.
            for block, rows in enumerate(row.split(counts.tolist())):
                if len(rows):
                    keys = block * self.block_size + self._arange(self.block_size)
                    yield Tiles(rows[None], keys[None], None, None, opening=False)
            return
        length = self._tile_length()
        tiles = (counts + length - 1) // length
        place = self._arange(blocks * units).repeat_interleave(tiles)
        nth = self._arange(len(place)) - (tiles.cumsum(0) - tiles)[place]
        rank = nth[:, None] * length + self._arange(length)
        last = counts[place][:, None] - 1
        rows = row[(counts.cumsum(0) - counts)[place][:, None] + rank.minimum(last)]
        first_key = place % units * self.keys + place // units * self.block_size
        keys = first_key[:, None] + self._arange(self.block_size)
        stop = 0
        for count in tiles.view(blocks, units).sum(1).tolist():
            some = slice(stop, stop := stop + count)
            yield Tiles(rows[some], keys[some], None, (rank > last)[some], opening=False)

    def _tile_length(self) -> int:
        """A power of two near a quarter of the queries that a block gets on average."""
        _, group, queries, picks = self.chosen.shape
        average = group * queries * picks * self.block_size // self.keys
        return min(TILE_QUERIES, 1 << max(0, average.bit_length() - 3))


def take(rows: Tensor, index: Tensor) -> Tensor:
    """Rows (n, d) at an index of any shape: (*index.shape, d)."""
    return rows.index_select(0, index.flatten()).view(*index.shape, -1)


def _problems(
    query: Tensor, key: Tensor, value: Tensor, routing: Routing, scale: float
) -> Iterator[tuple[Problem, Callable[[Tensor], Tensor]]]:
    """The work in portions, and the view of a portion's flat rows in any (batch, heads, length, size) tensor."""
    kv_heads = key.shape[1]
    for batch, heads in _portions(query, key):
        grouped = query.unflatten(1, (kv_heads, -1))[batch, heads]
        problem = Problem.of(grouped, key[batch, heads], value[batch, heads], routing, scale)
        yield problem, partial(_rows, kv_heads, batch, heads)


def _rows(kv_heads: int, batch: slice, heads: slice, tensor: Tensor) -> Tensor:
    return tensor.unflatten(1, (kv_heads, -1))[batch, heads].view(-1, tensor.shape[-1])


def _portions(query: Tensor, key: Tensor) -> Iterator[tuple[slice, slice]]:
    """Slices of batch and kv heads that are worked on together, so that scratch memory stays small."""
    if not query.numel():
        return
    batch, kv_heads = key.shape[:2]
    rows = _ROWS_ON_CPU if query.device.type == "cpu" else _ROWS_ON_GPU
    units = max(1, rows * kv_heads // (query.shape[1] * query.shape[2]))
    if units < kv_heads:
        for example in range(batch):
            for head in range(0, kv_heads, units):
                yield slice(example, example + 1), slice(head, head + units)
    else:
        step = units // kv_heads
        for example in range(0, batch, step):
            yield slice(example, example + step), slice(0, kv_heads)


def _forward(problem: Problem, output: Tensor, lse: Tensor) -> None:
    """Write output rows (n, value_dim) and their log-sum-exp (n,)."""
    dtype = problem.dtype
    highest, total = lse, torch.empty_like(lse)  # the maximum becomes the log-sum-exp in its place
    mixed = output if output.dtype == dtype else torch.empty_like(output, dtype=dtype)
    for tiles in problem.tiles():
        weights = problem.logits(tiles)[2]
        value = take(problem.value, tiles.keys).to(dtype)
        rows = tiles.rows.flatten()
        top = weights.amax(-1)
        if not tiles.opening:
            before = highest[rows].view_as(top)
            top = torch.maximum(top, before)
        weights.sub_(top[..., None]).exp_()
        part, mass = torch.bmm(weights, value), weights.sum(-1)
        if not tiles.opening:
            decay = (before - top).exp_()
            mass.addcmul_(total[rows].view_as(top), decay)
            part.addcmul_(take(mixed, tiles.rows), decay[..., None])
        # Copies of a query within a tile write what it writes itself.
        highest.index_copy_(0, rows, top.flatten())
        total.index_copy_(0, rows, mass.flatten())
        mixed.index_copy_(0, rows, part.flatten(0, 1))
    torch.div(mixed, total[:, None], out=mixed)
    if mixed is not output:
        output.copy_(mixed)
    lse.add_(total.log_())


def _backward(problem: Problem, grad: Tensor, output: Tensor, lse: Tensor, grads: Sequence[Tensor]) -> None:
    """Add to the gradients of flat queries, keys and values, which are in the working dtype."""
    grad_query, grad_key, grad_value = grads
    dtype = problem.dtype
    delta = (grad.to(dtype) * output.to(dtype)).sum(-1)
    for tiles in problem.tiles():
        query, key, weights = problem.logits(tiles)
        weights.sub_(take(lse[:, None], tiles.rows)).exp_()
        if tiles.surplus is not None:
            weights.masked_fill_(tiles.surplus[..., None], 0.0)
        upstream = take(grad, tiles.rows).to(dtype)
        keys = tiles.keys.flatten()
        grad_value.index_add_(0, keys, torch.bmm(weights.transpose(1, 2), upstream).flatten(0, 1))
        slope = torch.bmm(upstream, take(problem.value, tiles.keys).to(dtype).transpose(1, 2))
        slope.sub_(take(delta[:, None], tiles.rows)).mul_(weights)
        grad_query.index_add_(0, tiles.rows.flatten(), torch.bmm(slope, key).flatten(0, 1), alpha=problem.scale)
        grad_key.index_add_(0, keys, torch.bmm(slope.transpose(1, 2), query).flatten(0, 1))
