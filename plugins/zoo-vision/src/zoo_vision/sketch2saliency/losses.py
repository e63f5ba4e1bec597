"""The likelihood of a sketch, and how far saliency follows the photograph."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError
from zoo_vision.sketch2saliency.decoder import Mixture
from zoo_vision.sketch2saliency.drawings import END

_TINY = 1e-6


def density(mixture: Mixture, offset: Tensor) -> Tensor:
    """sum_k pi_k N(dx, dy; mu, sigma, rho) of offsets (..., 2): (...)."""
    x = (offset[..., :1] - mixture.mu_x) / mixture.sigma_x
    y = (offset[..., 1:] - mixture.mu_y) / mixture.sigma_y
    rest = 1 - mixture.rho.square()
    distance = x.square() + y.square() - 2 * mixture.rho * x * y
    normal = torch.exp(-distance / (2 * rest)) / (2 * math.pi * mixture.sigma_x * mixture.sigma_y * rest.sqrt())
    return (mixture.pi * normal).sum(-1)


def sketch_loss(mixture: Mixture, strokes: Tensor) -> Tensor:
    """Negative log-likelihood of true points and of the end after them, a scalar in nats.

    Where the target says that the sketch has ended neither term counts, but the mean is over all rows.

    Args:
        mixture: (batch, T + 1, ...), of a run along these points.
        strokes: (batch, T, 5).

    Raises:
        InputError: rows do not fit.
    """
    targets = torch.cat((strokes, strokes.new_tensor(END).expand(strokes.shape[0], 1, -1)), 1)
    if mixture.pi.shape[:2] != targets.shape[:2]:
        raise InputError(f"{list(mixture.pi.shape[:2])} rows for {strokes.shape[1]} points; expected one more")
    mask = 1 - targets[..., 4]
    offset = -torch.log(density(mixture, targets[..., :2]) + _TINY)
    pen = -(mixture.pen_logits.log_softmax(-1) * targets[..., 2:]).sum(-1)
    return (mask * (offset + pen)).mean()


def random_affine(count: int, generator: torch.Generator) -> Tensor:
    """(count, 2, 3) maps of places in [-1, 1]: maybe mirrored, turned by up to 30 degrees, scaled by 0.8 to 1.2."""
    angle = (torch.rand(count, generator=generator) * 2 - 1) * math.pi / 6
    factor = 0.8 + 0.4 * torch.rand(count, generator=generator)
    side = torch.randint(0, 2, (count,), generator=generator) * 2 - 1.0
    cosine, sine, zero = angle.cos() * factor, angle.sin() * factor, torch.zeros(count)
    return torch.stack((side * cosine, -sine, zero, side * sine, cosine, zero), 1).unflatten(1, (2, 3))


def warped(x: Tensor, theta: Tensor, beyond: str = "zeros") -> Tensor:
    """Pictures or maps (batch, channels, H, W) under affine maps (batch, 2, 3): the answer at p is x at theta p.

    What lies ``beyond`` the border is zero, or mirrored ("reflection").
    """
    grid = functional.affine_grid(theta.to(x), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode=beyond, align_corners=False)


def warped_strokes(strokes: Tensor, theta: Tensor) -> Tensor:
    """Points (batch, T, 5) of the same pictures after ``warped``: offsets go the other way, pens stay."""
    back = torch.linalg.inv(theta[:, :, :2].to(strokes))
    return torch.cat((torch.einsum("bij,btj->bti", back, strokes[..., :2]), strokes[..., 2:]), -1)


def mean_attention(attention: Tensor, strokes: Tensor) -> Tensor:
    """Where a run along true points looked until the sketch ended, as maps whose mean is 1.

    Args:
        attention: (batch, T + 1, h, w), each step sums to 1.
        strokes: (batch, T, 5).

    Returns:
        (batch, 1, h, w).
    """
    drawn = 1 - torch.cat((strokes.new_zeros(len(strokes), 1), strokes[..., 4]), 1)
    mean = torch.einsum("bt,bthw->bhw", drawn, attention) / drawn.sum(1)[:, None, None]
    return mean[:, None] * attention.shape[2] * attention.shape[3]


def equivariance_loss(saliency: Callable[[Tensor], Tensor], images: Tensor, theta: Tensor) -> Tensor:
    """Mean squared difference between saliency of a warped picture and the warped saliency.

    Args:
        saliency: pictures (batch, 3, H, W) to maps (batch, 1, H, W).
        images: (batch, 3, H, W).
        theta: (batch, 2, 3), see ``random_affine``.
    """
    return functional.mse_loss(saliency(warped(images, theta)), warped(saliency(images), theta))
