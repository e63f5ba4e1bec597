"""The classifier of windows, and what it does with a recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_activity.mvft.config import MVFTConfig
from zoo_activity.mvft.fusion import FusionBlock
from zoo_activity.mvft.views import KINDS
from zoo_activity.numbers import as_numbers


class MVFT(nn.Module):
    """Windows (batch, T, S), standardised per channel, to logits (batch, num_classes)."""

    def __init__(self, config: MVFTConfig) -> None:
        super().__init__()
        self.config = config
        self.views = nn.ModuleDict({view: KINDS[view](config) for view in config.views})
        self.blocks = nn.ModuleList(FusionBlock(config) for _ in range(config.num_blocks))
        width = config.dim * len(config.views)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.num_classes))

    def tokens(self, window: Tensor) -> dict[str, Tensor]:
        """The tokens of each view after the last block, a class token first: (batch, 1 + n, D)."""
        expected = (self.config.window, self.config.in_channels)
        if window.ndim != 3 or tuple(window.shape[1:]) != expected:
            raise InputError(f"window {list(window.shape)}; expected (batch, {expected[0]}, {expected[1]})")
        tokens = {name: view(window) for name, view in self.views.items()}
        for block in self.blocks:
            tokens = block(tokens)
        return tokens

    def forward(self, window: Tensor) -> Tensor:
        """Classify.

        Raises:
            InputError: windows of another length or other channels than the weights are for.
        """
        return self.head(torch.cat([tokens[:, 0] for tokens in self.tokens(window).values()], -1))


def example(config: MVFTConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random windows."""
    generator = torch.Generator().manual_seed(seed)
    return {"window": torch.randn(batch_size, config.window, config.in_channels, generator=generator)}


def preprocess(config: MVFTConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A recording (samples, channels) as an array or lists: half overlapping windows, standardised."""

    def prepare(source: Any) -> dict[str, Tensor]:
        recording = as_numbers(source, torch.float32)
        if recording.ndim != 2 or recording.shape[1] != config.in_channels or len(recording) < config.window:
            raise InputError(
                f"recording {list(recording.shape)}; expected (samples, {config.in_channels}), at least "
                f"{config.window} samples"
            )
        centred = recording - recording.mean(0)
        scaled = centred / centred.square().mean(0).sqrt().clamp(min=1e-6)
        return {"window": scaled.unfold(0, config.window, config.window // 2).mT.contiguous()}

    return prepare
