"""Networks with the module: behind layers of any network, in a residual network, on every level of a pyramid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.errors import InputError
from zoo.nn.resnet import ResNet
from zoo_sequence.efficient_attention.config import (
    BackboneConfig,
    EfficientAttentionConfig,
    EfficientAttentionFPNConfig,
    EfficientAttentionResNetConfig,
    EfficientAttentionViTConfig,
)
from zoo_sequence.efficient_attention.layer import EfficientAttention


def behind_layer(dim: int) -> EfficientAttentionConfig:
    """Config of a module behind a layer of ``dim`` channels, as the paper inserts it."""
    return EfficientAttentionConfig(dim=dim, residual=True)


class WithEfficientAttention(nn.Module):
    """Any network with modules behind some of its layers; the network itself keeps its names and its output.

    Args:
        backbone: the network; to leave it out of training, call its ``requires_grad_(False)``.
        channels: name of a layer -> channels of the map (or of the tokens) that it puts out.
        config_of: from these channels to the config of the module.

    Raises:
        InputError: the backbone has no such layer.
    """

    def __init__(
        self,
        backbone: nn.Module,
        channels: Mapping[str, int],
        config_of: Callable[[int], EfficientAttentionConfig] = behind_layer,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.attention = nn.ModuleDict()
        layers = dict(backbone.named_modules())
        for name, dim in channels.items():
            if name not in layers:
                raise InputError(f"{type(backbone).__name__} has no layer {name!r}; its layers: {', '.join(layers)}")
            module = EfficientAttention(config_of(dim))
            self.attention[name.replace(".", "-")] = module
            layers[name].register_forward_hook(_Behind(module))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the backbone takes and gives."""
        return self.backbone(*args, **kwargs)


@dataclass
class _Behind:
    """A forward hook that passes a layer's output, or the first of its outputs, through a module."""

    module: nn.Module

    def __call__(self, layer: nn.Module, args: Any, output: Any) -> Any:
        return (self.module(output[0]), *output[1:]) if isinstance(output, tuple) else self.module(output)


class EfficientAttentionResNet(WithEfficientAttention):
    """A residual network of the zoo with modules behind some of its stages."""

    def forward(self, images: Tensor, features: bool = False) -> Tensor | list[Tensor]:
        """Images (batch, in_channels, H, W) to logits, or to the maps of all stages; see ``zoo.nn.resnet.ResNet``."""
        output: Tensor | list[Tensor] = super().forward(images, features)
        return output


def backbone(config: BackboneConfig, num_classes: int) -> EfficientAttentionResNet:
    """The residual network and its modules, behind stages 2 and 3; without a head for 0 classes."""
    resnet = ResNet(
        config.depths,
        width=config.width,
        bottleneck=config.bottleneck,
        small_stem=config.small_stem,
        in_channels=config.in_channels,
        num_classes=num_classes,
    )
    channels = dict(zip(resnet.stage_names, resnet.channels, strict=True))
    return EfficientAttentionResNet(resnet, {name: channels[name] for name in ("layer2", "layer3")}, config.module)


def build_resnet(config: EfficientAttentionResNetConfig) -> EfficientAttentionResNet:
    """Images (batch, in_channels, H, W) to logits (batch, num_classes); ``.backbone`` has torchvision's names."""
    return backbone(config, config.num_classes)


def image_example(config: BackboneConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images of 32 x 32 pixels."""
    generator = torch.Generator().manual_seed(seed)
    return {"images": torch.randn(batch_size, config.in_channels, 32, 32, generator=generator)}


class EfficientAttentionFPN(nn.Module):
    """A feature pyramid over a residual network, with modules in both.

    Images (batch, in_channels, H, W) to maps "p2", "p3", ... (batch, pyramid_channels, h, w), one per stage and a
    last one of half the size. Every map has passed a module of its own.
    """

    def __init__(self, config: EfficientAttentionFPNConfig) -> None:
        super().__init__()
        self.body = backbone(config, num_classes=0)
        dim, channels = config.pyramid_channels, self._resnet.channels
        self.lateral = nn.ModuleList(nn.Conv2d(each, dim, 1) for each in channels)
        self.smooth = nn.ModuleList(nn.Conv2d(dim, dim, 3, padding=1) for _ in channels)
        self.attention = nn.ModuleList(EfficientAttention(config.module(dim)) for _ in range(len(channels) + 1))

    @property
    def _resnet(self) -> ResNet:
        assert isinstance(self.body.backbone, ResNet)
        return self.body.backbone

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The pyramid, from the largest map to the smallest."""
        maps = [lateral(each) for lateral, each in zip(self.lateral, self._resnet.maps(images), strict=True)]
        for level in range(len(maps) - 1, 0, -1):
            maps[level - 1] = maps[level - 1] + F.interpolate(maps[level], maps[level - 1].shape[-2:], mode="nearest")
        maps = [smooth(each) for smooth, each in zip(self.smooth, maps, strict=True)]
        maps.append(F.max_pool2d(maps[-1], 1, stride=2))
        return {
            f"p{level}": module(each) for level, (module, each) in enumerate(zip(self.attention, maps, strict=True), 2)
        }


def vit_example(config: EfficientAttentionViTConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images of the size that the model takes."""
    shape = (batch_size, config.in_channels, config.image_size, config.image_size)
    return {"images": torch.randn(shape, generator=torch.Generator().manual_seed(seed))}
