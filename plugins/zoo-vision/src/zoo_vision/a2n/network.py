"""The super-resolver, and what it does with a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_vision import images
from zoo_vision.a2n.block import AttentionInAttention, PixelAttention, leaky
from zoo_vision.a2n.config import A2NConfig
from zoo_vision.images import require_images


class A2N(nn.Module):
    """Images (batch, 3, h, w) to (batch, 3, scale h, scale w), in the same range of values."""

    def __init__(self, config: A2NConfig) -> None:
        super().__init__()
        self.config = config
        dim, narrow = config.dim, config.upsampling_dim
        self.conv_first = nn.Conv2d(3, dim, 3, padding=1)
        self.AAB_trunk = nn.ModuleList(AttentionInAttention(config) for _ in range(config.num_blocks))
        self.trunk_conv = nn.Conv2d(dim, dim, 3, padding=1)
        self.upconv1 = nn.Conv2d(dim, narrow, 3, padding=1)
        self.att1 = PixelAttention(narrow)
        self.HRconv1 = nn.Conv2d(narrow, narrow, 3, padding=1)
        if config.scale == 4:
            self.upconv2 = nn.Conv2d(narrow, narrow, 3, padding=1)
            self.att2 = PixelAttention(narrow)
            self.HRconv2 = nn.Conv2d(narrow, narrow, 3, padding=1)
        self.conv_last = nn.Conv2d(narrow, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Enlarge.

        Args:
            images: (batch, 3, h, w) from 0 to ``value_range``.
        """
        return self.explained(images)[0]

    def branch_weights(self, images: Tensor) -> Tensor:
        """How much attention every block uses for every image: (batch, blocks, 2), attention first."""
        return self.explained(images)[1]

    def explained(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The enlarged images, and (batch, blocks, 2) weights of the branches."""
        require_images(images)
        shallow = self.conv_first(images)
        x, weights = shallow, []
        for block in self.AAB_trunk:
            x, chosen = block(x)
            weights.append(chosen)
        x = shallow + self.trunk_conv(x)
        if self.config.scale == 4:
            x = _enlarged(x, 2, self.upconv1, self.att1, self.HRconv1)
            x = _enlarged(x, 2, self.upconv2, self.att2, self.HRconv2)
        else:
            x = _enlarged(x, self.config.scale, self.upconv1, self.att1, self.HRconv1)
        base = functional.interpolate(
            images, scale_factor=float(self.config.scale), mode="bilinear", align_corners=False
        )
        return self.conv_last(x) + base, torch.stack(weights, 1)


def _enlarged(x: Tensor, factor: int, widen: nn.Module, attention: nn.Module, refine: nn.Module) -> Tensor:
    """One stage: (batch, c, h, w) to (batch, c', factor h, factor w)."""
    x = functional.interpolate(x, scale_factor=float(factor), mode="nearest")
    x = leaky(attention(widen(x)))
    return leaky(refine(x))


def example(config: A2NConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images, odd sides."""
    generator = torch.Generator().manual_seed(seed)
    return {"images": torch.rand(batch_size, 3, 9, 11, generator=generator) * config.value_range}


def paper_input(config: A2NConfig) -> dict[str, Tensor]:
    """What gives one picture of 1280 x 720 pixels."""
    return {"images": torch.empty(1, 3, 720 // config.scale, 1280 // config.scale)}


def preprocess(config: A2NConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A path, PIL image or array at its own size, from 0 to ``value_range``."""
    return lambda source: {"images": images.stretched_tensor(source) * config.value_range}


def predict(model: A2N, config: A2NConfig, source: Any) -> dict[str, Any]:
    """The enlarged picture and the mean share of attention that its blocks used."""
    parameter = next(model.parameters())
    arguments = preprocess(config)(source)
    with torch.no_grad():
        answer, weights = model.explained(arguments["images"].to(parameter.device, parameter.dtype))
    return {
        "picture": images.to_picture(answer[0] / config.value_range),
        "attention": round(float(weights[0, :, 0].float().mean()), 4),
    }
