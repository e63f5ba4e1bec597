"""The network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_vision.images import require_images
from zoo_vision.mccl.backbones import backbone_of
from zoo_vision.mccl.config import ConsensusConfig, MCCLConfig
from zoo_vision.mccl.consensus import GroupConsensus


@dataclass(frozen=True)
class CoSaliency:
    """All that a training step needs.

    Args:
        logits: (batch, n, 1, H, W).
        consensus: (batch, C), what each group agrees on.
        stages: x1..x4 of the backbone, each (batch * n, width, h, w).
    """

    logits: Tensor
    consensus: Tensor
    stages: list[Tensor]


class DecoderBlock(nn.Module):
    """conv3x3, batch norm, ReLU, conv3x3, batch norm; without norms on plain VGG16."""

    def __init__(self, dim: int, mid: int, out: int, norm: bool) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(dim, mid, 3, padding=1)
        self.bn_in = nn.BatchNorm2d(mid) if norm else nn.Identity()
        self.conv_out = nn.Conv2d(mid, out, 3, padding=1)
        self.bn_out = nn.BatchNorm2d(out) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, h, w) to (batch, out, h, w)."""
        return self.bn_out(self.conv_out(self.bn_in(self.conv_in(x)).relu()))


class _CoAttention(nn.Module):
    """Group consensus under the name that published checkpoints give it."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.all_attention = GroupConsensus(ConsensusConfig(dim))


class MCCL(nn.Module):
    """Images of a group to logits of what they have in common."""

    def __init__(self, config: MCCLConfig) -> None:
        super().__init__()
        self.config = config
        one, two, three, four = config.widths
        mid, norm = config.decoder_mid_channels, config.backbone != "vgg16"
        self.bb = backbone_of(config)
        self.co_x4 = _CoAttention(four)
        self.top_layer = DecoderBlock(four, mid, three, norm)
        self.dec_layer4 = DecoderBlock(three, mid, three, norm)
        self.lat_layer4 = nn.Conv2d(three, three, 1)
        self.dec_layer3 = DecoderBlock(three, mid, two, norm)
        self.lat_layer3 = nn.Conv2d(two, two, 1)
        self.dec_layer2 = DecoderBlock(two, mid, one, norm)
        self.lat_layer2 = nn.Conv2d(one, one, 1)
        self.dec_layer1 = DecoderBlock(one, mid, one // 2, norm)
        self.conv_out1 = nn.Sequential(nn.Conv2d(one // 2, 1, 1))

    def parts(self, images: Tensor) -> CoSaliency:
        """Logits, consensus and the backbone's maps of groups (batch, n, 3, H, W)."""
        if images.ndim != 5 or images.shape[2] != 3 or 0 in images.shape[1:]:
            raise InputError(
                f"images {list(images.shape)}; expected groups (batch, images, 3, height, width), or one group "
                "(images, 3, height, width)"
            )
        count, (height, width) = images.shape[1], images.shape[3:]
        flat = images.flatten(0, 1)
        require_images(flat)
        least = self.bb.least
        flat = functional.pad(flat, (0, max(0, least - width), 0, max(0, least - height)), mode="replicate")
        x1, x2, x3, x4 = self.bb(flat)
        found = self.co_x4.all_attention.aggregate(x4.unflatten(0, (-1, count)))
        x = self.dec_layer4(self.top_layer(found.maps.flatten(0, 1)))
        x = self.dec_layer3(_resized(x, x3) + self.lat_layer4(x3))
        x = self.dec_layer2(_resized(x, x2) + self.lat_layer3(x2))
        x = self.dec_layer1(_resized(x, x1) + self.lat_layer2(x1))
        logits = self.conv_out1(_resized(x, flat))[..., :height, :width]
        return CoSaliency(logits.unflatten(0, (-1, count)), found.vector, [x1, x2, x3, x4])

    def forward(self, images: Tensor) -> Tensor:
        """Find what is common.

        Args:
            images: one group (n, 3, H, W), or several of equal size (batch, n, 3, H, W), normalised by ImageNet's
                statistics; any n from 1 and any sides. Images below 29 pixels are padded inside.

        Returns:
            Logits (n, 1, H, W), or (batch, n, 1, H, W).
        """
        if images.ndim == 4:
            return self.parts(images[None]).logits[0]
        return self.parts(images).logits


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)


def example(config: MCCLConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random groups of two images, odd sides; reduced maps keep several keys."""
    generator = torch.Generator().manual_seed(seed)
    return {"images": torch.randn(batch_size, 2, 3, 65, 70, generator=generator)}


def paper_input(config: MCCLConfig) -> dict[str, Tensor]:
    """A group of one image of the config's size, 256 x 256."""
    return {"images": torch.empty(1, 3, config.image_size, config.image_size)}
