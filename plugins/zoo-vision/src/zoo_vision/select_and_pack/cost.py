"""Multiply-adds of three kinds of attention, projections included, MLPs not."""

from __future__ import annotations


def full(batch: int, tokens: int, dim: int) -> int:
    """B(4 N C^2 + 2 N^2 C): every token sees every other."""
    return batch * (4 * tokens * dim**2 + 2 * tokens**2 * dim)


def windows(batch: int, tokens: int, dim: int, window: int) -> int:
    """B(4 N C^2 + 2 M^2 N C): every token sees its window."""
    return batch * (4 * tokens * dim**2 + 2 * window**2 * tokens * dim)


def packed(batch: int, tokens: int, dim: int, window: int, kept: int) -> int:
    """B(N C + N C^2) + B'(3 L C^2 + 2 L^2 C): gate and projection on all, the rest on containers of kept tokens."""
    length = window**2
    containers = -(-kept // length)
    return batch * (tokens * dim + tokens * dim**2) + containers * (3 * length * dim**2 + 2 * length**2 * dim)
