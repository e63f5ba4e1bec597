"""Heads: slices of a layer's width, and key/value heads that serve several query heads each."""

from __future__ import annotations

from torch import Tensor

from zoo.errors import ConfigError


def require_equal_slices(dim: int, num_heads: int) -> None:
    """Raise ConfigError where heads cannot have equal slices of ``dim``."""
    if dim % num_heads:
        raise ConfigError(f"dim={dim} is not divisible by num_heads={num_heads}", field="dim")


def require_equal_groups(num_heads: int, num_kv_heads: int | None, *, field: str = "num_kv_heads") -> None:
    """Raise ConfigError, on ``field``, where key/value heads cannot serve equally many query heads; None is as many."""
    if num_heads % (num_kv_heads or 1):
        raise ConfigError(f"num_heads={num_heads} is not a multiple of {field}={num_kv_heads}", field=field)


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """(batch, length, num_heads * head_dim) to (batch, num_heads, length, head_dim)."""
    return x.unflatten(-1, (num_heads, -1)).transpose(-3, -2)


def merge_heads(x: Tensor) -> Tensor:
    """The inverse of ``split_heads``: (batch, num_heads, length, head_dim) to (batch, length, num_heads * head_dim)."""
    return x.transpose(-3, -2).flatten(-2)


def repeat_heads(x: Tensor, num_heads: int) -> Tensor:
    """Key/value heads (batch, kv heads, length, head_dim), once per query head they serve: ``num_heads`` in all."""
    return x.repeat_interleave(num_heads // x.shape[1], 1)
