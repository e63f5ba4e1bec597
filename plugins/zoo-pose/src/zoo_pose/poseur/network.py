"""Trunk, neck and head; and what they do with a picture and boxes of people."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.places import to_read
from zoo_pose import backbones, crops, drawing, skeletons
from zoo_pose.poseur.config import PoseurConfig
from zoo_pose.poseur.head import Pose, PoseurHead


class Mapper(nn.Module):
    """One map to ``dim`` channels: a 1x1 convolution without bias, and group norm."""

    def __init__(self, in_channels: int, dim: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, dim, 1, bias=False)
        self.gn = nn.GroupNorm(groups, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, height, width) to (batch, dim, height, width)."""
        return self.gn(self.conv(x))


class Deconvolutions(nn.Module):
    """One map through three 4x4 deconvolutions of stride 2, each with batch norm and ReLU: three maps."""

    def __init__(self, in_channels: int, dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(before, dim, 4, 2, padding=1, bias=False), nn.BatchNorm2d(dim), nn.ReLU())
            for before in (in_channels, dim, dim)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(batch, in_channels, height, width) to maps of 8, 4 and 2 times its sides, the finest first."""
        found: list[Tensor] = []
        for layer in self.layers:
            x = layer(x)
            found.insert(0, x)
        return found


class Poseur(nn.Module):
    """Crops of people (batch, 3, height, width) to a ``Pose``."""

    def __init__(self, config: PoseurConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone: nn.Module | None = None
        if config.backbone in backbones.CHANNELS:
            self.backbone = backbones.published(config.backbone, config.height, config.width)
        elif config.backbone == "small-resnet":
            self.backbone = backbones.small_resnet(config.channels)
        elif config.backbone == "convolutions":
            self.backbone = backbones.StridedConvolutions(config.channels)
        self.neck: nn.Module = (
            Deconvolutions(config.channels[0], config.dim)
            if config.neck == "deconvolution"
            else nn.ModuleList(Mapper(channels, config.dim, config.norm_groups) for channels in config.channels)
        )
        self.head = PoseurHead(config)

    def pyramid(self, images: Tensor | None, features: Sequence[Tensor] | None) -> list[Tensor]:
        """Maps of ``dim`` channels, the finest first, from images or from another trunk's maps."""
        channels = list(self.config.channels)
        if features is None:
            if images is None or self.backbone is None:
                raise InputError(
                    f"this Poseur has no trunk: give features, maps with {', '.join(map(str, channels))} channels"
                    if self.backbone is None
                    else "give images or features"
                )
            if images.ndim != 4 or images.shape[1] != 3:
                raise InputError(f"images {list(images.shape)}; expected (batch, 3, height, width)")
            features = self.backbone.maps(images)[-len(channels) :]  # type: ignore[operator]
        if [each.shape[1] for each in features] != channels:
            raise InputError(f"features with {[each.shape[1] for each in features]} channels; expected {channels}")
        if isinstance(self.neck, Deconvolutions):
            return self.neck(features[0])
        assert isinstance(self.neck, nn.ModuleList)
        return [mapper(each) for mapper, each in zip(self.neck, features, strict=True)]

    def forward(self, images: Tensor | None = None, features: Sequence[Tensor] | None = None) -> Pose:
        """Keypoints of crops.

        Args:
            images: (batch, 3, height, width), ImageNet's mean and deviation; any size that the trunk takes.
            features: the trunk's maps instead, (batch, channels, height, width) each, the finest first.
        """
        return self.head(self.pyramid(images, features))

    def losses(
        self,
        target: Tensor,
        weight: Tensor,
        images: Tensor | None = None,
        features: Sequence[Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Losses of every stage, with groups of noisy references where the module trains; see ``PoseurHead.losses``."""
        maps = self.pyramid(images, features)
        return self.head.losses(maps, target, weight, noise=self.training, generator=generator)


def example(config: PoseurConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random crops."""
    generator = torch.Generator().manual_seed(seed)
    return {"images": torch.randn(batch_size, 3, config.height, config.width, generator=generator)}


def paper_input(config: PoseurConfig) -> dict[str, Tensor]:
    """One crop."""
    return {"images": torch.zeros(1, 3, config.height, config.width)}


def fused(first: Pose, second: Pose) -> tuple[Tensor, Tensor]:
    """Two poses of the same crops as one: coordinates (batch, joints, 2), and scores (batch, joints).

    p = 0.7 (1 - exp(-0.2 / sigma_x)) (1 - exp(-0.2 / sigma_y)); coordinates are averaged with weights p^5, the score is
    the mean of p.
    """
    p = torch.stack([0.7 * (1 - torch.exp(-0.2 / pose.sigma)).prod(-1) for pose in (first, second)])
    weight = (p / p.amax(0).clamp(min=torch.finfo(p.dtype).tiny)) ** 5
    coords = torch.stack((first.coord, second.coord))
    return (weight[..., None] * coords).sum(0) / weight.sum(0)[..., None], p.mean(0)


def both_ways(model: Poseur, images: Tensor, skeleton: skeletons.Skeleton) -> tuple[Tensor, Tensor]:
    """Coordinates (batch, joints, 2) and scores (batch, joints) of crops and of their mirror images, fused."""
    with torch.no_grad():
        plain, mirrored = model(images), model(images.flip(-1))
    mirrored.coord = skeletons.flip(mirrored.coord, skeleton, 0.5)
    mirrored.sigma = mirrored.sigma[:, list(skeleton.mirror)]
    return fused(plain, mirrored)


def read_source(source: Any) -> tuple[Any, Any]:
    """A picture and boxes: a picture alone, a pair, or a JSON file {"image": path, "boxes": [[x1, y1, x2, y2]]}."""
    if isinstance(source, tuple):
        return source
    if isinstance(source, str | os.PathLike) and Path(source).suffix == ".json":
        try:
            entries = json.loads(to_read(source).read_text(encoding="utf-8"))
            return Path(source).parent / entries["image"], entries.get("boxes")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{source} is no description of a picture and boxes: {error}") from error
    return source, None


def preprocess(config: PoseurConfig) -> Callable[[Any], dict[str, Tensor]]:
    """Crops of a picture (path, PIL image, array), of a pair (picture, boxes), or of a JSON file that names both."""

    def prepare(source: Any) -> dict[str, Tensor]:
        picture, boxes = read_source(source)
        picture = crops.open_picture(picture)
        regions = crops.crops_of(crops.read_boxes(boxes, picture), config.height, config.width)
        return {"images": crops.cut(crops.normalised(picture), regions, config.height, config.width)}

    return prepare


def predict(model: Poseur, config: PoseurConfig, source: Any) -> dict[str, Any]:
    """Everybody's joints in pixels of the picture with scores, and the picture with them drawn; mirrored pass fused."""
    image, boxes = read_source(source)
    picture = crops.open_picture(image)
    people = crops.read_boxes(boxes, picture)
    regions = crops.crops_of(people, config.height, config.width)
    parameter = next(model.parameters())
    images = crops.cut(crops.normalised(picture), regions, config.height, config.width).to(parameter)
    skeleton = skeleton_of(config)
    coord, score = both_ways(model, images, skeleton)
    keypoints = regions.to_picture(coord.float().cpu())
    return {
        "people": [
            {
                joint: {"x": round(x, 1), "y": round(y, 1), "score": round(value, 3)}
                for joint, (x, y), value in zip(skeleton.joints, person, values, strict=True)
            }
            for person, values in zip(keypoints.tolist(), score.tolist(), strict=True)
        ],
        "picture": drawing.skeleton_on(picture, keypoints, skeleton, boxes=people),
    }


def skeleton_of(config: PoseurConfig) -> skeletons.Skeleton:
    """COCO's skeleton, or the whole body's."""
    for skeleton in (skeletons.COCO, skeletons.COCO_WHOLEBODY):
        if len(skeleton) == config.num_joints:
            return skeleton
    raise InputError(f"num_joints={config.num_joints}; pictures are drawn with 17 (COCO) or 133 (whole body)")
