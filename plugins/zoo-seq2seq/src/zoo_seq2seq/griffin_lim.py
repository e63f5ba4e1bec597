"""From log-mel frames back to sound: a spectrum whose mel bands these are, and phases that fit it (Griffin-Lim).

Source: D. Griffin, J. Lim: "Signal Estimation from Modified Short-Time Fourier Transform" (1984), with the momentum of
Perraudin et al. 2013; torch alone.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from zoo_seq2seq.log_mel import Analysis

_MOMENTUM = 0.99


def spectrum_of(log_mels: Tensor, analysis: Analysis, *, iterations: int = 30) -> Tensor:
    """Magnitudes (frames, fft_size // 2 + 1), none negative, whose mel energies are about exp(log_mels).

    Multiplicative updates for the power spectrum (Lee and Seung 1999), from the filters' own back-projection.

    Args:
        log_mels: (frames, num_mels) natural logarithms of energies.
        analysis: how they were made.
        iterations: updates.
    """
    filters = analysis.filters().double()
    energies = log_mels.double().exp()
    power = energies @ filters + 1e-12
    for _ in range(iterations):
        power = power * (energies @ filters) / (power @ filters.T @ filters).clamp(min=1e-12)
    return power.sqrt().float()


def griffin_lim(magnitudes: Tensor, analysis: Analysis, *, iterations: int = 60, seed: int = 0) -> Tensor:
    """A sound (samples,) whose short-time spectra have about these magnitudes (frames, fft_size // 2 + 1).

    Args:
        analysis: window and hop of the frames.
        iterations: rounds; phases start at random, by ``seed``.
    """
    generator = torch.Generator().manual_seed(seed)
    phases = torch.polar(torch.ones_like(magnitudes), 2 * torch.pi * torch.rand(magnitudes.shape, generator=generator))
    before = torch.zeros_like(phases)
    for _ in range(iterations):
        rebuilt = analysis.spectra(_overlapped(magnitudes * phases, analysis))
        moved = rebuilt + _MOMENTUM * (rebuilt - before)
        before, phases = rebuilt, moved / moved.abs().clamp(min=1e-9)
    return _overlapped(magnitudes * phases, analysis)


def sound_of(log_mels: Tensor, analysis: Analysis, *, iterations: int = 60) -> Tensor:
    """A sound (samples,) of log-mel frames (frames, num_mels)."""
    return griffin_lim(spectrum_of(log_mels, analysis), analysis, iterations=iterations)


def _overlapped(spectra: Tensor, analysis: Analysis) -> Tensor:
    """The sound whose spectra are nearest in the mean square: windowed frames, added up and divided by the windows."""
    window = torch.hann_window(analysis.window_length, dtype=torch.float32)
    frames = torch.fft.irfft(spectra, analysis.fft_size)[:, : analysis.window_length] * window
    length = (len(frames) - 1) * analysis.hop_length + analysis.window_length

    def added(columns: Tensor) -> Tensor:
        return functional.fold(
            columns.T[None], (1, length), (1, analysis.window_length), stride=(1, analysis.hop_length)
        ).flatten()

    weights = added(window.square().expand_as(frames))
    return added(frames) / weights.clamp(min=1e-3 * float(weights.max()))
