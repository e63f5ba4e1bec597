"""Trunks: ResNet-50 with frozen norms, and transformers' Swin; each gives maps of strides 8, 16 and 32."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.targets import require
from zoo_pose.backbones import StridedConvolutions, resnet50, small_resnet
from zoo_pose.group_pose.config import GroupPoseConfig

_SWIN = {
    "swin-t": {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24], "window_size": 7},
    "swin-l": {"embed_dim": 192, "depths": [2, 2, 18, 2], "num_heads": [6, 12, 24, 48], "window_size": 12},
}


class FrozenBatchNorm2d(nn.Module):
    """Batch norm whose scale, shift and statistics are buffers: nothing in it trains."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, torch.full((channels,), value))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same shape."""
        scale = self.weight * (self.running_var + 1e-5).rsqrt()
        return x * scale[:, None, None] + (self.bias - self.running_mean * scale)[:, None, None]


class FrozenResNet50(nn.Module):
    """ResNet-50 without its classifier, with frozen norms; torchvision's names."""

    def __init__(self) -> None:
        super().__init__()
        self.body = resnet50()
        for module in list(self.body.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.BatchNorm2d):
                    setattr(module, name, FrozenBatchNorm2d(child.num_features))

    def maps(self, images: Tensor) -> list[Tensor]:
        """Strides 8, 16 and 32."""
        return self.body.maps(images)[1:]


class Swin(nn.Module):
    """Swin of transformers, each map with a LayerNorm of its own and no final one."""

    def __init__(self, name: str) -> None:
        super().__init__()
        transformers = require("transformers", needed_by=f"group-pose with {name}")
        config = transformers.SwinConfig(**_SWIN[name], out_features=["stage2", "stage3", "stage4"])
        self.body = transformers.SwinBackbone(config)
        # Its norm is for the pooled classifier; nothing here reads it.
        self.body.swin.layernorm = nn.Identity()

    def maps(self, images: Tensor) -> list[Tensor]:
        """Strides 8, 16 and 32."""
        return list(self.body(images).feature_maps)


def trunk(config: GroupPoseConfig) -> nn.Module | None:
    """The trunk of a config; None where features are given."""
    if config.backbone == "resnet50":
        return FrozenResNet50()
    if config.backbone == "small-resnet":
        return small_resnet(config.channels)
    if config.backbone == "convolutions":
        return StridedConvolutions(config.channels, first=8)
    return Swin(config.backbone) if config.backbone in _SWIN else None
