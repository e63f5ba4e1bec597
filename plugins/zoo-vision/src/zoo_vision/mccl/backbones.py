"""Convolutional networks in PVT-v2's place."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.resnet import ResNet
from zoo_vision.mccl.config import MCCLConfig
from zoo_vision.mccl.pvt import PVTv2

_CONVOLUTIONS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512))


class VGG16(nn.Module):
    """The first four stages of VGG16, before their poolings: strides 1, 2, 4 and 8."""

    least = 8

    def __init__(self, batch_norm: bool) -> None:
        super().__init__()
        before, stages = 3, []
        for widths in _CONVOLUTIONS:
            layers: list[nn.Module] = []
            for width in widths:
                layers.append(nn.Conv2d(before, width, 3, padding=1))
                layers += [nn.BatchNorm2d(width)] if batch_norm else []
                layers.append(nn.ReLU())
                before = width
            stages.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        """x1..x4."""
        x, maps = images, []
        for index, stage in enumerate(self.stages):
            x = stage(functional.max_pool2d(x, 2) if index else x)
            maps.append(x)
        return maps


class ResNet50(ResNet):
    """ResNet-50's stem before its pooling and three stages: strides 2, 4, 8 and 16."""

    least = 1

    def __init__(self) -> None:
        super().__init__([3, 4, 6], num_classes=0)

    def forward(self, images: Tensor) -> list[Tensor]:  # type: ignore[override]
        """x1..x4."""
        stem = self.bn1(self.conv1(images)).relu()
        x, maps = self.maxpool(stem), [stem]
        for name in self.stage_names:
            x = self.get_submodule(name)(x)
            maps.append(x)
        return maps


def backbone_of(config: MCCLConfig) -> PVTv2 | VGG16 | ResNet50:
    """The backbone that a config names."""
    if config.backbone == "resnet50":
        return ResNet50()
    return PVTv2(config) if config.backbone == "pvt-v2" else VGG16(config.backbone == "vgg16-bn")
