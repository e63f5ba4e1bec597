"""Complex features of heads: projections from and to real vectors, their norm and their initialisation."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.exporting import on_the_way_to_onnx


def as_real(z: Tensor) -> Tensor:
    """(..., d) complex to (..., 2 d) real, so that Re(a . conj b) is a plain scalar product."""
    return torch.view_as_real(z).flatten(-2)


def as_complex(x: Tensor) -> Tensor:
    """The inverse of ``as_real``."""
    return torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())


def squared_norm(z: Tensor) -> Tensor:
    """|z|^2 summed over the last axis, real."""
    return torch.view_as_real(z).square().sum((-2, -1))


def init_complex_isotropic_(weight: Tensor, axis: int) -> None:
    """Real and imaginary parts, stacked along ``axis``: magnitude N(0, 2 / (d1 + d2)), phase uniform."""
    with torch.no_grad():
        real, imaginary = weight.chunk(2, axis)
        magnitude = torch.randn_like(real) * math.sqrt(2 / sum(real.shape))
        phase = torch.rand_like(real) * (2 * math.pi)
        real.copy_(magnitude * phase.cos())
        imaginary.copy_(magnitude * phase.sin())


class ToComplex(nn.Linear):
    """Real vectors (batch, length, dim) to complex features (batch, heads, length, d_h).

    The first half of the rows gives the real parts of all heads, the second the imaginary parts.
    """

    def __init__(self, dim: int, num_heads: int, features: int) -> None:
        self.num_heads = num_heads
        super().__init__(dim, 2 * num_heads * features)

    def reset_parameters(self) -> None:
        """Complex isotropic, without bias."""
        init_complex_isotropic_(self.weight, 0)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Project.

        Raises:
            InputError: an export to ONNX, which has no complex numbers.
        """
        if on_the_way_to_onnx():
            raise InputError("adaptive filters compute with complex numbers, which ONNX has not: use torch.export")
        parts = super().forward(x).unflatten(-1, (2, self.num_heads, -1))
        real, imaginary = parts.to(torch.promote_types(x.dtype, torch.float32)).unbind(2)
        return torch.complex(real, imaginary).transpose(1, 2)


class ToReal(nn.Linear):
    """Complex features (batch, heads, length, d_h) to real vectors (batch, length, dim)."""

    def __init__(self, num_heads: int, features: int, dim: int) -> None:
        super().__init__(2 * num_heads * features, dim)

    def reset_parameters(self) -> None:
        """Complex isotropic, without bias."""
        init_complex_isotropic_(self.weight, 1)
        nn.init.zeros_(self.bias)

    def forward(self, z: Tensor) -> Tensor:
        """Project, in the dtype of the weights."""
        joined = z.transpose(1, 2).flatten(2)
        return super().forward(torch.cat((joined.real, joined.imag), -1).to(self.weight.dtype))


class ComplexRMSNorm(nn.Module):
    """z / sqrt(mean of squares of real and imaginary parts + 1e-6) * weight, per head."""

    def __init__(self, num_heads: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_heads, features))
        nn.init.ones_(self.weight)

    def forward(self, z: Tensor) -> Tensor:
        """(batch, heads, length, d_h) to the same shape."""
        scale = (squared_norm(z) / (2 * z.shape[-1]) + 1e-6).rsqrt()
        return z * (scale[..., None] * self.weight[:, None].to(scale.dtype))
