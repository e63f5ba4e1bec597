"""Stochastic depth: leave out a residual branch for whole examples during training."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """Zero the branch of an example with probability ``rate``, scale the others by 1 / (1 - rate).

    The identity in eval mode and at rate 0. The batch is axis 0 of the input.
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Any shape with the batch first, to the same shape."""
        if not self.training or self.rate == 0.0:
            return x
        keep = 1.0 - self.rate
        kept = torch.rand(x.shape[0], *[1] * (x.ndim - 1), device=x.device) < keep
        return x * kept.to(x.dtype) / (keep or 1.0)

    def extra_repr(self) -> str:
        """The rate, for ``print(module)``."""
        return f"rate={self.rate}"


def linear_rates(rate: float, depth: int) -> list[float]:
    """Drop rates that grow linearly from 0 at the first of ``depth`` blocks to ``rate`` at the last."""
    return [rate * block / max(depth - 1, 1) for block in range(depth)]
