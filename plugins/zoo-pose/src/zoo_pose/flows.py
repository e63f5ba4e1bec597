"""A normalising flow of the plane, and the residual log-likelihood that regression of keypoints is trained by.

Li et al., "Human Pose Regression with Residual Log-likelihood Estimation", arXiv 2107.11291. Both papers of this plugin
that use it have the prior's mean at (0.5, 0.5).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo.errors import InputError

MEAN = 0.5


def _network(hidden: int, last: nn.Module | None) -> nn.Sequential:
    layers = [nn.Linear(2, hidden), nn.LeakyReLU(0.01), nn.Linear(hidden, hidden), nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers, nn.Linear(hidden, 2), *([last] if last else []))


class RealNVP(nn.Module):
    """Six affine couplings between a normal distribution and the plane.

    Coupling i keeps the coordinate of mask m_i, and scales and shifts the other by functions s and t of it.
    """

    mask: Tensor

    def __init__(self, hidden: int = 64, couplings: int = 6) -> None:
        super().__init__()
        masks = [[0.0, 1.0], [1.0, 0.0]]
        self.register_buffer("mask", torch.tensor([masks[index % 2] for index in range(couplings)]))
        self.s = nn.ModuleList(_network(hidden, nn.Tanh()) for _ in range(couplings))
        self.t = nn.ModuleList(_network(hidden, None) for _ in range(couplings))
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight, 0.01)

    def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Plane (n, 2) to latent (n, 2), and the logarithm of the determinant (n,)."""
        z, log_det = x, x.new_zeros(x.shape[0])
        for index in reversed(range(len(self.mask))):
            mask = self.mask[index]
            kept = mask * z
            scale, shift = self.s[index](kept) * (1 - mask), self.t[index](kept) * (1 - mask)
            z = (1 - mask) * (z - shift) * torch.exp(-scale) + kept
            log_det = log_det - scale.sum(1)
        return z, log_det

    def forward(self, z: Tensor) -> Tensor:
        """Latent (n, 2) to the plane (n, 2): the inverse of ``inverse``."""
        x = z
        for mask, scale_of, shift_of in zip(self.mask, self.s, self.t, strict=True):
            kept = mask * x
            scale, shift = scale_of(kept) * (1 - mask), shift_of(kept) * (1 - mask)
            x = kept + (1 - mask) * (x * torch.exp(scale) + shift)
        return x

    def log_prob(self, x: Tensor) -> Tensor:
        """(n, 2) to (n,): the normal's log density at the latent, of mean 0.5 and covariance I, plus log_det."""
        z, log_det = self.inverse(x)
        return -0.5 * (z - MEAN).square().sum(1) - math.log(2 * math.pi) + log_det


def flow_term(flow: RealNVP, coord: Tensor, sigma: Tensor, target: Tensor) -> Tensor:
    """log(sigma) - log q((coord - target) / sigma): (batch, joints, 2)."""
    residual = ((coord - target) / sigma).flatten(0, -2)
    return sigma.log() - flow.log_prob(residual).view(*coord.shape[:-1], 1)


def likelihood_loss(flow: RealNVP, coord: Tensor, sigma: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """The residual log-likelihood loss, a sum over joints and coordinates, divided by the batch.

    sum of w_x (log sigma - log q(u)) + w (log(sigma sqrt(2 pi)) + |target - coord| / (sqrt(2) sigma + 1e-9)), with
    u = (coord - target) / sigma.

    Args:
        flow: q.
        coord, sigma, target, weight: (batch, joints, 2); weight 0 leaves a joint out.
    """
    if not coord.shape == sigma.shape == target.shape == weight.shape:
        raise InputError(
            f"coord {list(coord.shape)}, sigma {list(sigma.shape)}, target {list(target.shape)} and weight "
            f"{list(weight.shape)}; expected (batch, joints, 2) of all"
        )
    laplace = (sigma * math.sqrt(2 * math.pi)).log() + (target - coord).abs() / (math.sqrt(2) * sigma + 1e-9)
    total = flow_term(flow, coord, sigma, target) * weight[..., :1] + laplace * weight
    return total.sum() / max(len(coord), 1)


class NormedLinear(nn.Module):
    """(x W') / |x| + b: the feature's length divides before the bias."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, out_dim)
        nn.init.xavier_uniform_(self.linear.weight, 0.01)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
        return x @ self.linear.weight.T / length + self.linear.bias
