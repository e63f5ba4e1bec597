"""The views: each turns a window (batch, T, S) into tokens (batch, 1 + n, D), a class token first."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_activity.mvft.config import MVFTConfig
from zoo_activity.mvft.signals import STATISTICS, segments, spectrum, statistics


class View(nn.Module):
    """Features (batch, n, width), projected, with position and view embeddings, behind a class token."""

    def __init__(self, config: MVFTConfig, count: int, width: int) -> None:
        super().__init__()
        self.config = config
        self.proj = nn.Linear(width, config.dim)
        self.position = nn.Parameter(torch.empty(count, config.dim))
        self.view = nn.Parameter(torch.empty(config.dim))
        self.cls = nn.Parameter(torch.empty(config.dim))
        self.drop = nn.Dropout(config.dropout)
        for embedding in (self.position, self.view, self.cls):
            nn.init.normal_(embedding, std=0.02)

    def features(self, window: Tensor) -> Tensor:
        """(batch, T, S) to (batch, n, width)."""
        raise NotImplementedError

    def forward(self, window: Tensor) -> Tensor:
        """(batch, T, S) to (batch, 1 + n, D)."""
        tokens = self.proj(self.features(window).to(window.dtype)) + self.position + self.view
        # Not len(tokens): a number, which an exported program would keep as its batch.
        first = self.cls.to(tokens.dtype).expand(tokens.shape[0], 1, -1)
        return self.drop(torch.cat((first, tokens), 1))


class TemporalView(View):
    """Patches of samples; a convolution whose stride is its kernel."""

    def __init__(self, config: MVFTConfig) -> None:
        super().__init__(config, config.num_patches, config.patch_size * config.in_channels)

    def features(self, window: Tensor) -> Tensor:
        """(batch, T, S) to (batch, n, p S)."""
        size = self.config.patch_size
        missing = self.config.num_patches * size - window.shape[1]
        return functional.pad(window, (0, 0, 0, missing)).unflatten(1, (-1, size)).flatten(2)


class FrequentView(View):
    """log(1 + amplitude) of segments; of one segment, bands of each channel are tokens."""

    def __init__(self, config: MVFTConfig) -> None:
        bins = config.segment_length // 2 + 1
        if config.num_segments > 1:
            super().__init__(config, config.num_segments, bins * config.in_channels)
        else:
            super().__init__(config, config.bands * config.in_channels, -(-bins // config.bands))

    def features(self, window: Tensor) -> Tensor:
        """(batch, T, S) to (batch, n, bins S), or to (batch, S bands, bins / bands)."""
        config = self.config
        amplitudes = spectrum(segments(window, config.segment_length), config.taper).log1p()
        if config.num_segments > 1:
            return amplitudes.flatten(2)
        width = self.proj.in_features
        missing = config.bands * width - amplitudes.shape[-1]
        return functional.pad(amplitudes[:, 0], (0, missing)).unflatten(-1, (config.bands, width)).flatten(1, 2)


class StatisticalView(View):
    """Twelve statistics of each channel of segments."""

    def __init__(self, config: MVFTConfig) -> None:
        super().__init__(config, config.num_segments, len(STATISTICS) * config.in_channels)

    def features(self, window: Tensor) -> Tensor:
        """(batch, T, S) to (batch, n, 12 S)."""
        return statistics(segments(window, self.config.segment_length)).flatten(2)


KINDS: dict[str, type[TemporalView | FrequentView | StatisticalView]] = {
    "temporal": TemporalView,
    "frequent": FrequentView,
    "statistical": StatisticalView,
}
