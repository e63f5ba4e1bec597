"""Long convolutions through spectra, and as operators whose complex numbers a compiler never sees.

full[t] = sum_n x[n] taps[t - n] for t in [0, 2L) is ``convolved``; its derivatives are correlations,
found[n] = sum_t full[t] taps[t - n], whose derivatives are both again. Torch's default compiler gave the taps wrong
gradients where it took the spectra apart, so its programs call the operators.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def convolved(x: Tensor, taps: Tensor) -> Tensor:
    """Linear convolution over the last axis.

    Args:
        x: (B, heads, m, L), in at least float32.
        taps: (B or 1, 1, m, L), likewise.

    Returns:
        (B, heads, m, 2 L).
    """
    if torch.compiler.is_dynamo_compiling():
        found: Tensor = _convolve(x, taps)
        return found
    return _through_spectra(x, taps)


def _through_spectra(x: Tensor, taps: Tensor) -> Tensor:
    size = 2 * x.shape[-1]
    return torch.fft.irfft(torch.fft.rfft(x, size) * torch.fft.rfft(taps, size), size)


@torch.library.custom_op("zoo_seq2seq::convolve", mutates_args=())
def _convolve(x: Tensor, taps: Tensor) -> Tensor:
    return _through_spectra(x, taps)


@torch.library.custom_op("zoo_seq2seq::correlate", mutates_args=())
def _correlate(full: Tensor, taps: Tensor) -> Tensor:
    size, length = full.shape[-1], taps.shape[-1]
    spectrum = torch.fft.rfft(full, size) * torch.fft.rfft(taps, size).conj()
    return torch.fft.irfft(spectrum, size)[..., :length].contiguous()


@_convolve.register_fake
def _(x: Tensor, taps: Tensor) -> Tensor:
    return x.new_empty(*x.shape[:-1], 2 * x.shape[-1])


@_correlate.register_fake
def _(full: Tensor, taps: Tensor) -> Tensor:
    return full.new_empty(*full.shape[:-1], taps.shape[-1])


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _of_convolve(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
    x, taps = ctx.saved_tensors
    return _correlate(gradient, taps), _correlate(gradient, x).sum_to_size(taps.shape)


def _of_correlate(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
    full, taps = ctx.saved_tensors
    return _convolve(gradient, taps), _correlate(full, gradient).sum_to_size(taps.shape)


_convolve.register_autograd(_of_convolve, setup_context=_keep)
_correlate.register_autograd(_of_correlate, setup_context=_keep)
