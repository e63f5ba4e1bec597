"""Inference with matrices of 8 bits.

In training, cells and outputs of LSTMs are cut at delta (``clip_state``), which falls from 8 to 1, and logits at 25
(``clip_logits``); then at inference every row of a matrix is 8-bit integers times one scale. Softmax and attention
stay as they are.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn


def delta(step: int, steps: int, first: float = 8.0, last: float = 1.0) -> float:
    """The bound of states at a step of training, falling linearly."""
    return first + (last - first) * min(step / max(steps, 1), 1.0)


def quantised(matrix: Tensor, bits: int = 8) -> tuple[Tensor, Tensor]:
    """Integers (rows, columns) int8 and a scale (rows, 1), whose product is near the matrix."""
    most = 2 ** (bits - 1) - 1
    scale = matrix.abs().amax(1, keepdim=True).clamp(min=torch.finfo(matrix.dtype).tiny) / most
    return (matrix / scale).round().clamp(-most, most).to(torch.int8), scale


def with_quantised_matrices(model: nn.Module, bits: int = 8) -> nn.Module:
    """A copy whose matrices outside attention, embeddings included, are those that integers of 8 bits can say."""
    copied = deepcopy(model)
    with torch.no_grad():
        for name, parameter in copied.named_parameters():
            if parameter.ndim == 2 and ".attention." not in name:
                integers, scale = quantised(parameter, bits)
                parameter.copy_(integers * scale)
    return copied
