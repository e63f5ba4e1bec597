"""The Hyena operator, causal and not."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.exporting import on_the_way_to_onnx
from zoo.nn.masks import padding_mask
from zoo_seq2seq.confhyena.config import HyenaConfig
from zoo_seq2seq.confhyena.spectra import convolved

# Features of a position that filters are made of: t, and one cosine and sine.
POSITION = 3
SLOW, FAST, TARGET = 1.5, 0.3, 0.01


class ImplicitFilter(nn.Module):
    """Filters (length, channels) as a network's answer to positions, which fade exponentially."""

    times: Tensor
    positions: Tensor
    decay: Tensor

    def __init__(self, channels: int, hidden_dim: int, max_length: int) -> None:
        super().__init__()
        self.max_length = max_length
        widths = (POSITION, hidden_dim, hidden_dim, hidden_dim)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.output = nn.Linear(hidden_dim, channels, bias=False)
        self.freq = nn.Parameter(torch.empty(1, hidden_dim))
        self.bias = nn.Parameter(torch.empty(channels))
        times = torch.linspace(0, 1, max_length)
        angles = 1e-4 * 2 * math.pi * torch.arange(max_length) / max_length
        decay = torch.linspace(math.log(TARGET) / SLOW, math.log(TARGET) / FAST, channels).abs()
        self.register_buffer("times", times, persistent=False)
        self.register_buffer("positions", torch.stack((times, angles.cos(), -angles.sin()), -1), persistent=False)
        self.register_buffer("decay", decay, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Frequencies 1; D normal."""
        nn.init.ones_(self.freq)
        nn.init.normal_(self.bias)

    def forward(self, length: int) -> Tensor:
        """The first so many taps (length, channels).

        Raises:
            InputError: more than ``max_length``.
        """
        if length > self.max_length:
            raise InputError(f"{length} frames; filters were made for max_length={self.max_length}")
        x = self.positions[:length]
        for layer in self.layers:
            x = torch.sin(self.freq * layer(x))
        found: Tensor = self.output(x) * torch.exp(-self.times[:length, None] * self.decay)
        return found


def long_convolution(x: Tensor, taps: Tensor, lengths: Tensor | None, *, causal: bool) -> Tensor:
    """Each utterance convolved at its own length.

    Args:
        x: (B, heads, m, L), zero at padding.
        taps: (m, L), in at least float32.
        lengths: (B,), or None where all are L.
        causal: the first L samples; else those from half the length on.

    Raises:
        InputError: an export to ONNX, whose transforms have one length for all runs.
    """
    if on_the_way_to_onnx():
        raise InputError(
            "long convolutions go through complex spectra as long as the speech, which ONNX runs at the length of the "
            "export alone: use torch.export"
        )
    length = x.shape[-1]
    work = x.to(torch.promote_types(x.dtype, torch.float32))
    if causal or lengths is None:
        full = convolved(work, taps[None, None])
        start = 0 if causal else length // 2
        return full[..., start : start + length].to(x.dtype)
    places = torch.arange(length, device=x.device)
    # Taps beyond an utterance's own length would bring its start to its end.
    own = taps * (places < lengths[:, None])[:, None]
    full = convolved(work, own[:, None])
    index = (places + (lengths // 2)[:, None])[:, None, None].expand_as(work)
    return full.gather(-1, index).to(x.dtype)


class HyenaOperator(nn.Module):
    """(B, L, dim) to (B, L, dim), a drop-in layer."""

    def __init__(self, config: HyenaConfig) -> None:
        super().__init__()
        self.config = config
        dim, order = config.dim, config.order
        self.in_proj = nn.Linear(dim, (order + 1) * dim)
        self.out_proj = nn.Linear(dim, dim)
        self.short_filter = nn.Conv1d((order + 1) * dim, (order + 1) * dim, 3, groups=(order + 1) * dim)
        self.filter_fn = ImplicitFilter(dim // config.num_heads * (order - 1), config.filter_dim, config.max_length)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Mix frames.

        Args:
            x: (B, L, dim).
            attn_mask: (B, L), True for real frames; padding lies behind, wherever it lies it is zero here and there.

        Raises:
            InputError: longer than ``max_length``.
            MaskError: a mask of another shape or type.
        """
        config, (batch, length, dim) = self.config, x.shape
        mask = padding_mask(attn_mask, batch=batch, keys=length, mechanism="a Hyena operator")
        hidden = None if mask is None else ~mask[:, None]
        taps = self.filter_fn(length).to(torch.promote_types(x.dtype, torch.float32))
        if not x.numel():
            return self.out_proj(x)
        channels = _zeroed(self.in_proj(x).mT, hidden)
        short = functional.conv1d(
            functional.pad(channels, (2, 0) if config.causal else (1, 1)),
            self.short_filter.weight,
            self.short_filter.bias,
            groups=channels.shape[1],
        )
        width = dim // config.num_heads
        parts = _zeroed(short, hidden).unflatten(1, (config.num_heads, config.order + 1, width)).unbind(2)
        lengths = None if mask is None else mask.sum(1)
        # The order is the slow axis of the filters, and the fast one of D.
        filters = taps.mT.reshape(config.order - 1, width, length)
        shortcuts = self.filter_fn.bias.view(width, config.order - 1).T
        value = parts[-1]
        for gate, kernel, shortcut in zip(reversed(parts[1:-1]), filters, shortcuts, strict=True):
            value = self.drop(value * gate)
            mixed = long_convolution(value, kernel, lengths, causal=config.causal)
            value = self.drop(mixed) + value * shortcut[:, None]
            value = _zeroed(value, None if hidden is None else hidden[:, None])
        found: Tensor = self.out_proj((value * parts[0]).flatten(1, 2).mT)
        return found if mask is None else found.masked_fill(~mask[..., None], 0.0)


def _zeroed(x: Tensor, hidden: Tensor | None) -> Tensor:
    return x if hidden is None else x.masked_fill(hidden, 0.0)


def example(config: HyenaConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Noise of 12 frames."""
    generator = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(batch_size, min(12, config.max_length), config.dim, generator=generator)}
