"""Segments, spectra and statistics of signals (batch, samples, channels); all in at least float32."""

from __future__ import annotations

import torch
from torch import Tensor

STATISTICS = (
    *("mean", "standard deviation", "minimum", "maximum", "median", "range", "root mean square"),
    *("mean absolute deviation", "zero-crossing rate", "skewness", "kurtosis", "energy"),
)
# Below this variance, in squared units of the signal, a segment is constant: no skewness, no kurtosis.
_CONSTANT = 1e-12


def segments(signal: Tensor, length: int) -> Tensor:
    """(batch, samples, channels) to (batch, count, channels, length), each half a length after the one before it."""
    return signal.to(torch.promote_types(signal.dtype, torch.float32)).unfold(1, length, length // 2)


def spectrum(segment: Tensor, taper: str = "none") -> Tensor:
    """|rfft| along the last axis: (..., length) to (..., length // 2 + 1).

    Args:
        segment: real signals.
        taper: "hann" multiplies by a periodic Hann window before; "none" leaves the signal, whose spectrum then does
            not change with circular shifts.
    """
    if taper == "hann":
        window = torch.hann_window(segment.shape[-1], dtype=segment.dtype, device=segment.device)
        segment = segment * window
    if segment.numel() == 0:
        # Some FFT libraries refuse to transform nothing.
        return segment[..., : segment.shape[-1] // 2 + 1]
    return torch.fft.rfft(segment).abs()


def statistics(segment: Tensor) -> Tensor:
    """Twelve numbers of each signal: (..., length) to (..., 12), in the order of ``STATISTICS``.

    With mean m and n samples: the standard deviation divides by n; the median of an even number is the mean of the two
    in the middle; range = maximum - minimum; mean absolute deviation = mean |x - m|; zero-crossing rate = the share of
    neighbours x - m of unequal sign; skewness = mean (x - m)^3 / sd^3; kurtosis = mean (x - m)^4 / sd^4 - 3; energy =
    sum x^2. Skewness and kurtosis of a constant are 0.
    """
    length = segment.shape[-1]
    mean = segment.mean(-1)
    centred = segment - mean[..., None]
    ordered = segment.sort(-1).values
    low, high = ordered[..., 0], ordered[..., -1]
    variance = centred.square().mean(-1)
    varies = variance > _CONSTANT
    # A constant's root would have an infinite gradient: it is taken of 1 and thrown away.
    deviation = torch.where(varies, variance, 1.0).sqrt()
    squares = segment.square().mean(-1)
    sounds = squares > _CONSTANT
    crossings = (centred[..., 1:] * centred[..., :-1] < 0).to(segment.dtype).mean(-1)
    return torch.stack(
        (
            mean,
            torch.where(varies, deviation, 0.0),
            low,
            high,
            (ordered[..., (length - 1) // 2] + ordered[..., length // 2]) / 2,
            high - low,
            torch.where(sounds, torch.where(sounds, squares, 1.0).sqrt(), 0.0),
            centred.abs().mean(-1),
            crossings,
            torch.where(varies, centred.pow(3).mean(-1) / deviation.pow(3), 0.0),
            torch.where(varies, centred.pow(4).mean(-1) / deviation.pow(4) - 3, 0.0),
            segment.square().sum(-1),
        ),
        -1,
    )
