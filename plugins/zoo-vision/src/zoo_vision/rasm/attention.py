"""Regional attention: dilated neighbourhoods, evaluated tile by tile.

The k x k keys of a query are not gathered one by one, which would take 121 times the memory of the map. The map falls
into d x d classes of pixels that never see each other; each is cut into tiles of 8 x 8 queries, whose keys together
lie in a window of (8 + k - 1)^2. Scores of a tile against its window are one matrix product, with minus infinity
where a query does not see a key. That is 2.7 times the products of k x k keys, all of them in matrix form, and memory
stays linear in the number of pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_vision.rasm.config import RegionalAttentionConfig

TILE = 8


def neighbourhood(length: int, kernel_size: int, dilation: int) -> Tensor:
    """(length, kernel_size): which positions every position of an axis reads.

    Args:
        length: at least ``kernel_size * dilation``.
        kernel_size, dilation: keys along the axis, and the distance between them.
    """
    position = torch.arange(length)
    rank, kind = position // dilation, position % dilation
    members = (length - kind + dilation - 1) // dilation
    start = torch.minimum((rank - kernel_size // 2).clamp(min=0), members - kernel_size)
    return (start[:, None] + torch.arange(kernel_size)) * dilation + kind[:, None]


def regional_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, dilation: int) -> Tensor:
    """Attention of every pixel to its neighbourhood.

    Args:
        query, key, value: (batch, heads, H, W, head_dim), both sides at least kernel size times dilation. ``query``
            is scaled already.
        bias: (heads, 2k - 1, 2k - 1), for the offsets of a key from its query, row and column.
        dilation: distance between neighbouring keys.

    Returns:
        (batch, heads, H, W, head_dim).
    """
    kernel = (bias.shape[-1] + 1) // 2
    if min(query.shape[2:4]) < kernel * dilation:
        raise InputError(
            f"a map of {query.shape[2]} x {query.shape[3]}; kernel {kernel} at dilation {dilation} needs at least "
            f"{kernel * dilation} on both sides"
        )
    output = torch.empty_like(value)
    # Classes differ by one row or column at most: what depends on their size alone is made once for each size.
    tilings: dict[tuple[int, int], _Tiling] = {}
    for row in range(dilation):
        for column in range(dilation):
            part = (slice(None), slice(None), slice(row, None, dilation), slice(column, None, dilation))
            height, width = query[part].shape[2:4]
            if (height, width) not in tilings:
                tilings[height, width] = _tiling(height, width, bias)
            output[part] = _one_class(query[part], key[part], value[part], tilings[height, width])
    return output


@dataclass(frozen=True)
class _Tiling:
    """A map of one size, cut into t tiles of q queries and m keys along each axis.

    Args:
        rows, columns: queries (t, q).
        row_keys, column_keys: keys (t, m).
        pairs: (heads, t t, q q, m m), the bias of each pair, minus infinity where a query does not see a key.
    """

    rows: Tensor
    columns: Tensor
    row_keys: Tensor
    column_keys: Tensor
    pairs: Tensor


def _tiling(height: int, width: int, bias: Tensor) -> _Tiling:
    kernel = (bias.shape[-1] + 1) // 2
    rows, row_keys, row_offset, row_seen = _tiles(height, kernel, bias.device)
    columns, column_keys, column_offset, column_seen = _tiles(width, kernel, bias.device)
    pairs = bias[:, row_offset[:, None, :, None, :, None], column_offset[None, :, None, :, None, :]]
    seen = row_seen[:, None, :, None, :, None] & column_seen[None, :, None, :, None, :]
    # (heads, t, t, q, q, m, m)
    pairs = pairs.masked_fill(~seen, -torch.inf)
    return _Tiling(rows, columns, row_keys, column_keys, pairs.flatten(5, 6).flatten(3, 4).flatten(1, 2))


def _one_class(query: Tensor, key: Tensor, value: Tensor, tiling: _Tiling) -> Tensor:
    """The same at dilation 1."""
    height, width = query.shape[2:4]
    rows, columns = tiling.rows, tiling.columns
    # (batch, heads, t t, q q, head_dim) and (..., m m, head_dim)
    scores = _cut(query, rows, columns) @ _cut(key, tiling.row_keys, tiling.column_keys).transpose(-1, -2)
    scores = scores + tiling.pairs
    weights = scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32)).to(value.dtype)
    found = weights @ _cut(value, tiling.row_keys, tiling.column_keys)
    # (batch, heads, rows of tiles, columns of tiles, q, q, head_dim) back to a map
    found = found.unflatten(2, (len(rows), len(columns))).unflatten(4, (rows.shape[1], columns.shape[1]))
    found = found.transpose(3, 4).flatten(4, 5).flatten(2, 3)
    return found[:, :, :height, :width]


def _tiles(length: int, kernel: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One axis, cut into tiles.

    Returns:
        Queries (t, q), past the end repeated; keys (t, m); for each pair the index (t, q, m) of its bias, and whether
        the query sees the key (t, q, m).
    """
    size = min(TILE, length)
    first = torch.arange(0, length, size, device=device)
    queries = (first[:, None] + torch.arange(size, device=device)).clamp(max=length - 1)
    window = min(length, size + kernel - 1)
    start = (first - kernel // 2).clamp(0, length - window)
    keys = start[:, None] + torch.arange(window, device=device)
    begin = (queries - kernel // 2).clamp(0, length - kernel)
    distance = keys[:, None, :] - begin[:, :, None]
    seen = (distance >= 0) & (distance < kernel)
    offset = (keys[:, None, :] - queries[:, :, None] + kernel - 1).clamp(0, 2 * kernel - 2)
    return queries, keys, offset, seen


def _cut(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """(batch, heads, H, W, d) to (batch, heads, tiles, places in a tile, d)."""
    picked = x[:, :, rows[:, None, :, None], columns[None, :, None, :]]
    return picked.flatten(4, 5).flatten(2, 3)


class RegionalAttention(nn.Module):
    """Projections around regional attention, on maps (batch, H, W, dim) of any size."""

    def __init__(self, config: RegionalAttentionConfig) -> None:
        super().__init__()
        self.config = config
        dim, heads, reach = config.dim, config.num_heads, 2 * config.kernel_size - 1
        self.qkv = nn.Linear(dim, 3 * dim)
        self.rpb = nn.Parameter(torch.empty(heads, reach, reach))
        self.proj = nn.Linear(dim, dim)
        nn.init.trunc_normal_(self.rpb, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, H, W, dim) to the same shape."""
        if x.ndim != 4 or x.shape[-1] != self.config.dim:
            raise InputError(f"x {list(x.shape)}; expected (batch, height, width, {self.config.dim})")
        height, width = x.shape[1:3]
        least = self.config.kernel_size * self.config.dilation
        x = functional.pad(x, (0, 0, 0, max(0, least - width), 0, max(0, least - height)))
        qkv = self.qkv(x).unflatten(-1, (3, self.config.num_heads, -1))
        # (3, batch, heads, H, W, head_dim)
        query, key, value = qkv.permute(3, 0, 4, 1, 2, 5)
        query = query * query.shape[-1] ** -0.5
        found = regional_attention(query, key, value, self.rpb.to(query.dtype), self.config.dilation)
        merged = found.permute(0, 2, 3, 1, 4).flatten(3)
        return self.proj(merged[:, :height, :width])


def example(config: RegionalAttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """A random map with odd sides, one of them below the kernel's reach."""
    side = config.kernel_size * config.dilation
    return {"x": torch.randn(batch_size, side + 3, side - 1, config.dim, generator=torch.Generator().manual_seed(seed))}
