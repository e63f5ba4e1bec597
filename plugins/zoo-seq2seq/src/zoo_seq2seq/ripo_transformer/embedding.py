"""Numbers as vectors whose distances are intervals, and intervals as rotations of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_seq2seq.ripo_transformer.config import FMEConfig


def frequencies(dim: int, base: float) -> Tensor:
    """w (dim,), each for a sine and a cosine."""
    return (base ** (-torch.arange(0, dim, 2).double() / dim)).repeat_interleave(2).float()


def waves(numbers: Tensor, angles: Tensor) -> Tensor:
    """Sines and cosines by turns (..., dim) of numbers (...)."""
    turned = numbers[..., None].to(angles.dtype) * angles
    return torch.stack((turned[..., 0::2].sin(), turned[..., 1::2].cos()), -1).flatten(-2)


class FundamentalMusicEmbedding(nn.Module):
    """P and S for one attribute of notes."""

    angles: Tensor

    def __init__(self, config: FMEConfig) -> None:
        super().__init__()
        self.config = config
        angles = frequencies(config.dim, config.base)[None]
        if config.trainable:
            self.angles = nn.Parameter(angles)
        else:
            self.register_buffer("angles", angles, persistent=False)
        width = {"nd": config.dim, "2d": 2, "none": 0}[config.bias]
        self.translation_bias = nn.Parameter(torch.empty(1, width)) if width else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """b uniform in 0..1."""
        if self.translation_bias is not None:
            nn.init.uniform_(self.translation_bias)

    @property
    def bias(self) -> Tensor:
        """b (dim,)."""
        if self.translation_bias is None:
            return self.angles.new_zeros(self.config.dim)
        return self.translation_bias[0].repeat(self.config.dim // self.translation_bias.shape[1])

    def forward(self, numbers: Tensor) -> Tensor:
        """P(f) (..., dim) of numbers (...)."""
        return waves(numbers, self.angles[0]) + self.bias

    def intervals(self, differences: Tensor) -> Tensor:
        """S(delta) (..., dim) of differences (...)."""
        return waves(differences, self.angles[0])

    def transposed(self, embedded: Tensor, differences: Tensor) -> Tensor:
        """P(f + delta) from P(f) (..., dim) and delta (...): each pair is turned."""
        sine, cosine = (embedded - self.bias).unflatten(-1, (-1, 2)).unbind(-1)
        by_sine, by_cosine = self.intervals(differences).unflatten(-1, (-1, 2)).unbind(-1)
        turned = (sine * by_cosine + cosine * by_sine, cosine * by_cosine - sine * by_sine)
        return torch.stack(turned, -1).flatten(-2) + self.bias

    def nearest(self, embedded: Tensor, candidates: Tensor) -> Tensor:
        """Which of the numbers (N,) each embedding (..., dim) is closest to."""
        rows = torch.cdist(embedded.reshape(-1, self.config.dim), self(candidates))
        return candidates[rows.argmin(-1)].view(embedded.shape[:-1])


def example(config: FMEConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Pitches, as numbers."""
    generator = torch.Generator().manual_seed(seed)
    return {"numbers": torch.randint(0, 128, (batch_size, 6), generator=generator).float()}
