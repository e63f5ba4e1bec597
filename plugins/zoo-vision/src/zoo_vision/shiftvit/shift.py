"""The operator that stands where attention was: four groups of channels move by one pixel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_vision.shiftvit.config import ShiftConfig


def shift(x: Tensor, n_div: int) -> Tensor:
    """Move four groups of C // n_div channels one pixel left, right, up and down; zeros move in.

    Args:
        x: (batch, channels, height, width).
        n_div: see the module's text.

    Returns:
        The same shape.
    """
    group = x.shape[1] // n_div
    out = torch.zeros_like(x)
    out[:, :group, :, :-1] = x[:, :group, :, 1:]
    out[:, group : 2 * group, :, 1:] = x[:, group : 2 * group, :, :-1]
    out[:, 2 * group : 3 * group, :-1] = x[:, 2 * group : 3 * group, 1:]
    out[:, 3 * group : 4 * group, 1:] = x[:, 3 * group : 4 * group, :-1]
    out[:, 4 * group :] = x[:, 4 * group :]
    return out


class Shift(nn.Module):
    """The operator as a module; (batch, channels, height, width) to the same shape."""

    def __init__(self, config: ShiftConfig) -> None:
        super().__init__()
        self.n_div = config.n_div

    def forward(self, x: Tensor) -> Tensor:
        """Shift.

        Raises:
            InputError: ``x`` has no four axes.
        """
        if x.ndim != 4:
            raise InputError(f"shape {tuple(x.shape)}; expected (batch, channels, height, width)")
        return shift(x, self.n_div)


def shift_example(config: ShiftConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """A random map with two groups' worth of channels that stay."""
    generator = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(batch_size, 2 * config.n_div, 6, 5, generator=generator)}
