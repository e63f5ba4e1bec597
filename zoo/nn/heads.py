"""Heads: slices of a layer's width, and key/value heads that serve several query heads each."""

from __future__ import annotations

from torch import Tensor

from zoo.errors import ConfigError


def check_heads(dim: int, num_heads: int) -> None:
    """Raise ConfigError where heads cannot have equal slices of ``dim``."""
    if dim % num_heads:
        raise ConfigError(f"dim={dim} is not divisible by num_heads={num_heads}", field="dim")


def repeat_heads(x: Tensor, num_heads: int) -> Tensor:
    """Key/value heads (batch, kv heads, length, head_dim), once per query head they serve: ``num_heads`` in all."""
    return x.repeat_interleave(num_heads // x.shape[1], 1)
