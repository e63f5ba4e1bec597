"""ResNet and MobileNetV2 with the module, and what they do with images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from zoo.nn.resnet import ResidualBlock, ResNet
from zoo_vision import images
from zoo_vision.images import require_images
from zoo_vision.triplet_attention.config import (
    RESNETS,
    TripletConfig,
    TripletMobileNetConfig,
    TripletResNetConfig,
)
from zoo_vision.triplet_attention.gates import TripletAttention

# Depths whose blocks are bottlenecks.
BOTTLENECKS = (50, 101)


# Expansion t, channels c, repeats n, stride s of the first repeat.
MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class TripletBlock(ResidualBlock):
    """A residual block with the module between the last batch norm and the addition."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        bottleneck: bool,
        project: bool = False,
        *,
        triplet: TripletConfig,
    ) -> None:
        super().__init__(in_channels, width, stride, bottleneck, project)
        self.triplet_attention = TripletAttention(triplet)

    def branch(self, x: Tensor) -> Tensor:
        """Convolutions, then the module."""
        return self.triplet_attention(super().branch(x))


class TripletResNet(ResNet):
    """Images (batch, 3, H, W) to logits (batch, num_classes)."""

    def __init__(self, config: TripletResNetConfig) -> None:
        super().__init__(
            config.depths or RESNETS[config.depth],
            width=config.width,
            bottleneck=config.depth in BOTTLENECKS,
            small_stem=config.network_type != "ImageNet",
            num_classes=config.num_classes,
            block=partial(TripletBlock, triplet=config) if config.triplet else ResidualBlock,
        )

    def maps(self, images: Tensor) -> list[Tensor]:
        """The map that each stage puts out: strides 4, 8, 16, 32, of small images 1, 2, 4, 8."""
        require_images(images)
        return super().maps(images)

    def reset_parameters(self) -> None:
        """Kaiming normal for convolutions and the head; the H-W gates start at sigmoid(0) = 1/2."""
        super().reset_parameters()
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, TripletAttention) and module.hw is not None:
                nn.init.zeros_(module.hw.conv.bn.weight)


class InvertedResidual(nn.Module):
    """Expand, depthwise, project, the module; plus the input where shapes agree."""

    def __init__(self, in_planes: int, planes: int, stride: int, ratio: int, triplet: TripletConfig | None) -> None:
        super().__init__()
        hidden = in_planes * ratio
        layers: list[nn.Module] = []
        if ratio != 1:
            layers += [nn.Conv2d(in_planes, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6()]
        layers += [
            nn.Conv2d(hidden, hidden, 3, stride, padding=1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, planes, 1, bias=False),
            nn.BatchNorm2d(planes),
        ]
        if triplet is not None:
            layers.append(TripletAttention(triplet))
        self.conv = nn.Sequential(*layers)
        self.stride = stride
        self.residual = stride == 1 and in_planes == planes

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_planes, H, W) to (batch, planes, H / stride, W / stride)."""
        return x + self.conv(x) if self.residual else self.conv(x)


class TripletMobileNet(nn.Module):
    """MobileNetV2 with the module after every linear projection; images (batch, 3, H, W) to logits."""

    def __init__(self, config: TripletMobileNetConfig) -> None:
        super().__init__()
        triplet = config if config.triplet else None
        planes = _divisible(32 * config.width_mult)
        last = _divisible(1280 * max(1.0, config.width_mult))
        layers: list[nn.Module] = [_conv_bn(3, planes, 3, 2)]
        for ratio, channels, repeats, stride in MOBILENET_V2:
            out_planes = _divisible(channels * config.width_mult)
            for index in range(repeats):
                layers.append(InvertedResidual(planes, out_planes, stride if index == 0 else 1, ratio, triplet))
                planes = out_planes
        layers.append(_conv_bn(planes, last, 1, 1))
        self.features = nn.Sequential(*layers)
        head = nn.Linear(last, config.num_classes)
        self.classifier = nn.Sequential(nn.Dropout(config.dropout), head)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        nn.init.normal_(head.weight, std=0.01)

    def forward(self, images: Tensor, features: bool = False) -> Tensor | list[Tensor]:
        """Logits, or the maps for dense networks.

        Args:
            images: (batch, 3, H, W).
            features: return the last map of strides 4, 8, 16 and 32 instead; the last has all channels of the head.
        """
        require_images(images)
        x: Tensor = images
        maps: list[Tensor] = []
        for layer in self.features:
            x = layer(x)
            if not maps or (isinstance(layer, InvertedResidual) and layer.stride > 1):
                maps.append(x)
            else:
                maps[-1] = x
        return maps[1:] if features else self.classifier(x.mean((-2, -1)))


def _divisible(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of 8, never more than 10% below."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def _conv_bn(in_planes: int, planes: int, kernel: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(in_planes, planes, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(planes), nn.ReLU6())


def image_example(config: Any, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images of 32 x 32 pixels."""
    return {"images": torch.randn(batch_size, 3, 32, 32, generator=torch.Generator().manual_seed(seed))}


def paper_input(config: TripletResNetConfig | TripletMobileNetConfig) -> dict[str, Tensor]:
    """One image: 224 x 224 for ImageNet, 32 x 32 for CIFAR."""
    small = isinstance(config, TripletResNetConfig) and config.network_type != "ImageNet"
    side = images.SMALL_SIDE if small else 224
    return {"images": torch.empty(1, 3, side, side)}


def preprocess(config: TripletResNetConfig | TripletMobileNetConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A path, PIL image or array, as the config's ``network_type`` says, which is ImageNet where there is none.

    ImageNet: the middle square over 7/8 of the shorter side, brought to 224 x 224, by ImageNet's statistics.
    CIFAR10 and CIFAR100: the whole image, brought to 32 x 32, by CIFAR-10's statistics. Digits: the whole image,
    reduced to 8 x 8 and enlarged to 32 x 32, from -1 to 1; a light digit on a dark ground.
    """
    return images.preprocessor(config.network_type if isinstance(config, TripletResNetConfig) else "ImageNet")


def predict(
    model: nn.Module, config: TripletResNetConfig | TripletMobileNetConfig, source: Any
) -> dict[str, list[dict[str, Any]]]:
    """The five likeliest classes of an image."""
    return images.top_classes(model, preprocess(config)(source)["images"])
