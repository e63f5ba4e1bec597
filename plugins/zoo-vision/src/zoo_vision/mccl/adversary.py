"""Adversarial integrity: whether an image multiplied by a map looks like one multiplied by a true mask."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_vision.images import require_images
from zoo_vision.mccl.config import DiscriminatorConfig

_WIDTHS = (16, 32, 64, 128)
# The code gives 0.8 as the second argument of batch norm, which is eps and not the momentum it was meant to be.
_EPS = 0.8
WEIGHT = 0.1


class Discriminator(nn.Module):
    """Images (n, 3, S, S) to the probability (n, 1) that the map they were multiplied by is a true one."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        before, layers = config.in_channels, []
        for width in _WIDTHS:
            layers += [nn.Conv2d(before, width, 3, 2, 1), nn.LeakyReLU(0.2), nn.Dropout2d(config.dropout)]
            layers += [nn.BatchNorm2d(width, _EPS)] if width > _WIDTHS[0] else []
            before = width
        self.model = nn.Sequential(*layers)
        self.adv_layer = nn.Sequential(nn.Linear(before * (config.image_size // 16) ** 2, 1), nn.Sigmoid())

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, S, S) to (n, 1)."""
        side, channels = self.config.image_size, self.config.in_channels
        require_images(images, channels, side)
        return self.adv_layer(self.model(images).flatten(1))


def masked_images(images: Tensor, logits: Tensor, on: str = "probabilities") -> Tensor:
    """Images (n, 3, H, W) times maps (n, 1, H, W): "probabilities" as the paper says, or "logits" as the code does."""
    if on not in ("probabilities", "logits"):
        raise InputError(f"on={on!r}; expected 'probabilities' or 'logits'")
    return images * (logits.sigmoid() if on == "probabilities" else logits)


def generator_term(discriminator: nn.Module, images: Tensor, logits: Tensor, on: str = "probabilities") -> Tensor:
    """What the network adds to its loss, a scalar: 0.1 BCE(D(map * image), 1)."""
    verdict = discriminator(masked_images(images, logits, on))
    return WEIGHT * functional.binary_cross_entropy(verdict, torch.ones_like(verdict))


def discriminator_loss(
    discriminator: nn.Module, images: Tensor, logits: Tensor, truth: Tensor, on: str = "probabilities"
) -> Tensor:
    """What the discriminator minimises, a scalar: the mean of its errors on true masks and on detached maps."""
    real = discriminator(truth * images)
    fake = discriminator(masked_images(images, logits.detach(), on))
    right = functional.binary_cross_entropy(real, torch.ones_like(real))
    return (right + functional.binary_cross_entropy(fake, torch.zeros_like(fake))) / 2


def example(config: DiscriminatorConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images."""
    shape = (batch_size, config.in_channels, config.image_size, config.image_size)
    return {"images": torch.randn(shape, generator=torch.Generator().manual_seed(seed))}
