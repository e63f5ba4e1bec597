"""Rotary position embedding, rotate-half convention (the one of Llama checkpoints).

A head's features (d) are read as d/2 planes, feature i paired with feature i + d/2. At position t plane i is
turned by the angle t * theta^(-2i/d), so that query-key products depend on the distance alone.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rotary_tables(
    positions: Tensor, head_dim: int, theta: float = 10_000.0, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Cosines and sines (..., length, head_dim) of integer positions (..., length), computed in float32 or wider."""
    work = torch.promote_types(dtype, torch.float32)
    exponent = torch.arange(0, head_dim, 2, dtype=work, device=positions.device) / head_dim
    angles = positions.to(work)[..., None] * theta**-exponent
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def apply_rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn ``x`` (batch, heads, length, head_dim) by tables (length, head_dim) or (batch, 1, length, head_dim)."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
