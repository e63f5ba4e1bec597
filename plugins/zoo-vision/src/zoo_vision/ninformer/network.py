"""The image classifier, and what it does with pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zoo_vision import images
from zoo_vision.images import require_images
from zoo_vision.ninformer.block import MixerBlock, NiNformerBlock
from zoo_vision.ninformer.config import NiNformerConfig

_HALF = (0.5, 0.5, 0.5)


class NiNformer(nn.Module):
    """Images (batch, in_channels, image_size, image_size) to logits (batch, num_classes)."""

    def __init__(self, config: NiNformerConfig) -> None:
        super().__init__()
        self.config = config
        self.patcher = nn.Conv2d(config.in_channels, config.dim, config.patch_size, stride=config.patch_size)
        kind = NiNformerBlock if config.block == "gated" else MixerBlock
        self.model = nn.Sequential(*(kind(config.blocks) for _ in range(config.num_layers)))
        self.classifier = nn.Linear(config.dim, config.num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Classify.

        Raises:
            InputError: the images have another size or other channels than the weights are for.
        """
        side, channels = self.config.image_size, self.config.in_channels
        require_images(images, channels, side)
        tokens = self.patcher(images).flatten(2).transpose(1, 2)
        return self.classifier(self.model(tokens).mean(1))


def example(config: NiNformerConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images."""
    shape = (batch_size, config.in_channels, config.image_size, config.image_size)
    return {"images": torch.randn(shape, generator=torch.Generator().manual_seed(seed))}


def preprocess(config: NiNformerConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A path, PIL image or array, stretched to ``image_size`` squared, from -1 to 1 (mean and deviation 0.5).

    Of the data set ``digits``: reduced to 8 x 8 and enlarged to 32 x 32, from -1 to 1; a light digit on a dark
    ground.
    """
    if config.dataset == "digits":
        return lambda source: {"images": images.digits_tensor(source)}

    def prepare(source: Any) -> dict[str, Tensor]:
        image = images.stretched_tensor(source, config.image_size, config.image_size, _HALF, _HALF)
        return {"images": image if config.in_channels == 3 else image.mean(1, keepdim=True)}

    return prepare


def predict(model: nn.Module, config: NiNformerConfig, source: Any) -> dict[str, Any]:
    """The five likeliest classes of an image."""
    return images.top_classes(model, preprocess(config)(source)["images"])
