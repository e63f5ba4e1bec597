"""Log-mel filterbanks of waveforms, with torch alone.

::

    features = log_mel(waveform, Analysis(num_mels=80))    # (frames, 80): 25 ms windows every 10 ms
    features = utterance_normalised(features)              # mean 0 and deviation 1 of every filter

Power spectrum of the windowed frames, triangular filters that are evenly spaced on the mel scale, natural logarithm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.errors import InputError


def hertz_to_mel(hertz: Tensor, scale: str = "htk") -> Tensor:
    """Mel of frequencies; "htk" is 2595 log10(1 + f / 700), "slaney" linear below 1 kHz."""
    if scale == "htk":
        return 2595 * torch.log10(1 + hertz / 700)
    linear = hertz * 3 / 200
    return torch.where(hertz < 1000, linear, 15 + (hertz.clamp(min=1000) / 1000).log() * 27 / math.log(6.4))


def mel_to_hertz(mel: Tensor, scale: str = "htk") -> Tensor:
    """The inverse."""
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    return torch.where(mel < 15, mel * 200 / 3, 1000 * torch.exp((mel.clamp(min=15) - 15) * math.log(6.4) / 27))


def mel_filters(
    num_mels: int,
    fft_size: int,
    sample_rate: int = 16_000,
    *,
    lowest: float = 0.0,
    highest: float | None = None,
    scale: str = "htk",
    equal_area: bool = False,
) -> Tensor:
    """Triangular filters (num_mels, fft_size // 2 + 1).

    Args:
        lowest, highest: Hz; half the sample rate by default.
        scale: see ``hertz_to_mel``.
        equal_area: whether filters have area 1, as Slaney's, instead of height 1.
    """
    highest = sample_rate / 2 if highest is None else highest
    bounds = hertz_to_mel(torch.tensor([lowest, highest], dtype=torch.float64), scale)
    edges = mel_to_hertz(torch.linspace(float(bounds[0]), float(bounds[1]), num_mels + 2, dtype=torch.float64), scale)
    bins = torch.linspace(0, sample_rate / 2, fft_size // 2 + 1, dtype=torch.float64)
    left, centre, right = (edges[start : start + num_mels, None] for start in range(3))
    filters = torch.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)).clamp(min=0)
    return (filters * 2 / (right - left) if equal_area else filters).float()


@dataclass(frozen=True)
class Analysis:
    """How frames of log-mel energies are made of sound.

    Args:
        num_mels: filters.
        sample_rate: samples per second.
        window, hop: seconds; the window is Hann's.
        fft_size: points of the transform, the window's samples at least.
        lowest: Hz, where the first filter begins; the last ends at half the sample rate.
        scale, equal_area: of the filters, see ``mel_filters``.
        floor: smallest energy.
    """

    num_mels: int = 80
    sample_rate: int = 16_000
    window: float = 0.025
    hop: float = 0.01
    fft_size: int = 512
    lowest: float = 20.0
    scale: str = "htk"
    equal_area: bool = False
    floor: float = 1e-10

    @property
    def window_length(self) -> int:
        """Samples of a window."""
        return round(self.window * self.sample_rate)

    @property
    def hop_length(self) -> int:
        """Samples from one window to the next."""
        return round(self.hop * self.sample_rate)

    def filters(self) -> Tensor:
        """(num_mels, fft_size // 2 + 1)."""
        return mel_filters(
            self.num_mels,
            self.fft_size,
            self.sample_rate,
            lowest=self.lowest,
            scale=self.scale,
            equal_area=self.equal_area,
        )

    def spectra(self, waveform: Tensor) -> Tensor:
        """Complex spectra (..., frames, fft_size // 2 + 1) of waveforms (..., samples).

        Raises:
            InputError: a waveform shorter than a window, or of whole numbers.
        """
        length = self.window_length
        if not waveform.is_floating_point() or waveform.shape[-1] < length:
            raise InputError(
                f"a waveform of type {waveform.dtype} with {waveform.shape[-1]} samples; "
                f"expected floats, at least {length}"
            )
        window = torch.hann_window(length, device=waveform.device)
        return torch.fft.rfft(waveform.unfold(-1, length, self.hop_length) * window, self.fft_size)


def log_mel(waveform: Tensor, analysis: Analysis | None = None) -> Tensor:
    """Log-mel energies (..., frames, num_mels) of waveforms (..., samples); frames lie within the waveform.

    Args:
        analysis: how; 80 filters, windows of 25 ms every 10 ms at 16 kHz by default.

    Raises:
        InputError: a waveform shorter than a window, or of whole numbers.
    """
    analysis = analysis or Analysis()
    power = analysis.spectra(waveform).abs().square()
    return (power @ analysis.filters().to(power).T).clamp(min=analysis.floor).log()


def utterance_normalised(features: Tensor) -> Tensor:
    """Features (..., frames, num_mels) with mean 0 and deviation 1 of every filter over the utterance."""
    mean = features.mean(-2, keepdim=True)
    deviation = (features - mean).square().mean(-2, keepdim=True).sqrt()
    return (features - mean) / deviation.clamp(min=1e-5)
