"""What training minimises: pixels and gradients of both layers, their exclusion, and structural similarity.

Every mean is over the whole tensor. The perceptual term of VGG19 is left to ``perceptual``: it takes any network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from zoo_vision import restoration

_PERCEPTUAL = (1 / 2.6, 1 / 4.8, 1 / 3.7, 1 / 5.6, 10 / 1.5)


def gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    """Forward differences along height and width of (batch, channels, H, W)."""
    return x.diff(dim=2), x.diff(dim=3)


def pixel_loss(found: Tensor, truth: Tensor, weights: Sequence[float] = (0.3, 0.6)) -> Tensor:
    """Weighted squared error and L1 distance of gradients."""
    edges = sum((f - t).abs().mean() for f, t in zip(gradients(found), gradients(truth), strict=True))
    return weights[0] * functional.mse_loss(found, truth) + weights[1] * edges


def exclusion_loss(transmission: Tensor, reflection: Tensor, levels: int = 3) -> Tensor:
    """Edges of the two layers shall not lie in the same places, at several scales, each half of the one before.

    For gradients gT, gR of an axis, a = 2 mean |gT| / (mean |gR| + 1e-6), z(g) = 2 sigmoid(g) - 1:
    (mean(z(gT)^2 z(a gR)^2) + 1e-6)^(1/4), averaged over scales and axes.
    """
    total = torch.zeros((), dtype=transmission.dtype, device=transmission.device)
    for level in range(levels):
        if level:
            transmission, reflection = (
                functional.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False)
                for x in (transmission, reflection)
            )
        for first, second in zip(gradients(transmission), gradients(reflection), strict=True):
            balance = 2 * first.abs().mean() / (second.abs().mean() + 1e-6)
            both = _squashed(first).square() * _squashed(balance * second).square()
            total = total + (both.mean() + 1e-6) ** 0.25
    return total / levels / 2


def _squashed(x: Tensor) -> Tensor:
    return 2 * x.sigmoid() - 1


def structural_loss(found: Tensor, truth: Tensor, window: int = 11) -> Tensor:
    """1 - SSIM, with a Gaussian window (deviation 1.5) over zero-padded borders, per channel.

    Unlike ``zoo_vision.restoration.ssim``, which measures where the window fits, this sees every pixel.
    """
    return 1 - restoration.similarity_map(found, truth, window=window, padding=window // 2).mean()


def perceptual(found: Tensor, truth: Tensor, features: Callable[[Tensor], Sequence[Tensor]]) -> Tensor:
    """L1 distances of five feature maps with the paper's weights.

    Args:
        found, truth: (batch, 3, H, W) in [0, 1].
        features: VGG19's relu1_1, relu2_1, relu3_1, relu4_1, relu5_1 (indices 2, 7, 12, 21, 30 of its layers), or
            those of any other network; it normalises its input itself.
    """
    pairs = zip(_PERCEPTUAL, features(found), features(truth), strict=True)
    return sum((weight * (f - t).abs().mean() for weight, f, t in pairs), torch.zeros(()))


def loss(
    transmission: Tensor,
    reflection: Tensor,
    true_transmission: Tensor,
    true_reflection: Tensor,
    features: Callable[[Tensor], Sequence[Tensor]] | None = None,
) -> Tensor:
    """The paper's sum; without ``features`` the perceptual term is left out."""
    total = pixel_loss(transmission, true_transmission) + pixel_loss(reflection, true_reflection)
    total = total + exclusion_loss(transmission, reflection) + structural_loss(transmission, true_transmission)
    if features is not None:
        total = total + 0.01 * perceptual(transmission, true_transmission, features)
    return total
