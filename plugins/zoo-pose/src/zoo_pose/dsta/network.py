"""Trunk, branches of space and time, and the heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.drop_path import linear_rates
from zoo_pose import backbones
from zoo_pose.blocks import Block
from zoo_pose.dsta.config import PUBLISHED, DSTAConfig
from zoo_pose.flows import NormedLinear, RealNVP, likelihood_loss
from zoo_pose.skeletons import POSETRACK

JOINTS = len(POSETRACK)
PARTS, PART = 5, 3
# The slot of each of PoseTrack's joints. Slots: head top, nose, head bottom; left and right shoulder, elbow, wrist;
# left and right hip, knee, ankle.
SLOTS = (1, 2, 0, 0, 0, 3, 6, 4, 7, 5, 8, 9, 12, 10, 13, 11, 14)


@dataclass
class VideoPose:
    """Keypoints of the middle frame, in parts of the crop.

    Args:
        coord: (batch, 17, 2), x and y, 0 to 1 inside.
        sigma: (batch, 17, 2), spread of each, 0 to 1.
        score: (batch, 17, 1): mean over x and y of 1 - sigma.
    """

    coord: Tensor
    sigma: Tensor
    score: Tensor


# What torch.export is to give back it has to know.
torch.export.register_dataclass(VideoPose)


class Stub(nn.Module):
    """One strided convolution with ReLU, for tests."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, H, W) to (batch, channels, H / 4, W / 4)."""
        return self.conv(x).relu()


class DSTA(nn.Module):
    """Clips of one person, (batch, 3 * num_frames, H, W) or (batch, num_frames, 3, H, W), to a ``VideoPose``."""

    slots: Tensor

    def __init__(self, config: DSTAConfig) -> None:
        super().__init__()
        self.config = config
        dim, frames = config.dim, config.num_frames
        self.preact: nn.Module = Stub(config.backbone_channels)
        if config.backbone in PUBLISHED:
            self.preact = backbones.published(config.backbone, config.height, config.width)
        elif config.backbone == "small-resnet":
            self.preact = backbones.small_resnet([config.backbone_channels])
        self.fc_coord = NormedLinear(config.backbone_channels, JOINTS * dim)
        self.spatial_positions = nn.Parameter(torch.zeros(PART, dim))
        self.temporal_positions = nn.Parameter(torch.zeros(1, frames, dim))

        def blocks() -> nn.Sequential:
            rates = linear_rates(config.drop_path, config.depth)
            return nn.Sequential(*(Block(dim, config.num_heads, config.mlp_ratio, drop_path=rate) for rate in rates))

        self.spatial_blocks, self.temporal_blocks = blocks(), blocks()
        self.spatial_norm, self.temporal_norm = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.weighted_mean = nn.Conv2d(2, 1, 1)
        self.head_coord, self.head_sigma = (nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 2)) for _ in range(2))
        self.flow = RealNVP(config.flow_hidden)
        self.register_buffer("slots", torch.tensor(SLOTS), persistent=False)

    def tokens(self, images: Tensor) -> Tensor:
        """(batch, frames, 17, dim): every frame by itself."""
        frames = self.config.num_frames
        if images.ndim == 4 and images.shape[1] == 3 * frames:
            images = images.unflatten(1, (frames, 3))
        if images.ndim != 5 or images.shape[1:3] != (frames, 3):
            raise InputError(
                f"images {list(images.shape)}; expected (batch, {3 * frames}, height, width) with the frames in the "
                f"order of time, or (batch, {frames}, 3, height, width)"
            )
        pooled = self.preact(images.flatten(0, 1)).mean((2, 3))
        return self.fc_coord(pooled).unflatten(0, images.shape[:2]).unflatten(-1, (JOINTS, -1))

    def spatial(self, tokens: Tensor) -> Tensor:
        """Of all frames' tokens (batch, frames, 17, dim), those of the middle one (batch, 17, dim), part by part."""
        middle = tokens[:, self.config.num_frames // 2]
        parts = middle[:, : PARTS * PART].unflatten(1, (PARTS, PART)).flatten(0, 1) + self.spatial_positions
        parts = self.spatial_norm(self.spatial_blocks(parts)).unflatten(0, (-1, PARTS)).flatten(1, 2)
        return torch.cat((parts, middle[:, PARTS * PART :]), 1)

    def temporal(self, tokens: Tensor) -> Tensor:
        """All frames' tokens (batch, frames, 17, dim) to those of the middle one (batch, 17, dim), slot by slot."""
        lines = tokens.transpose(1, 2).flatten(0, 1) + self.temporal_positions
        lines = self.temporal_norm(self.temporal_blocks(lines))[:, self.config.num_frames // 2]
        return lines.unflatten(0, (-1, JOINTS))

    def forward(self, images: Tensor) -> VideoPose:
        """The joints of the middle frame.

        Args:
            images: (batch, 3 * num_frames, H, W), or (batch, num_frames, 3, H, W), crops by one box in the order of
                time, with ImageNet's mean and deviation.
        """
        tokens = self.tokens(images)
        both = torch.stack((self.temporal(tokens), self.spatial(tokens)), 1)
        features = self.weighted_mean(both)[:, 0, self.slots]
        sigma = self.head_sigma(features).sigmoid()
        return VideoPose(self.head_coord(features), sigma, 1 - sigma.mean(-1, keepdim=True))

    def loss(self, found: VideoPose, target: Tensor, weight: Tensor) -> Tensor:
        """The residual log-likelihood, summed over joints, a mean over the batch.

        Args:
            found: what ``forward`` gave.
            target: (batch, 17, 2) in parts of the crop.
            weight: (batch, 17, 2), 0 for joints outside of the crop.
        """
        return likelihood_loss(self.flow, found.coord, found.sigma, target, weight)


def example(config: DSTAConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random clips."""
    shape = (batch_size, 3 * config.num_frames, config.height, config.width)
    return {"images": torch.randn(shape, generator=torch.Generator().manual_seed(seed))}


def paper_input(config: DSTAConfig) -> dict[str, Tensor]:
    """One clip."""
    return {"images": torch.zeros(1, 3 * config.num_frames, config.height, config.width)}


def clip_indices(frame: int, frames: int, length: int) -> Sequence[int]:
    """The ``length`` frames around one of a video with ``frames`` frames; at its ends the nearest is repeated."""
    return [min(max(frame + offset - length // 2, 0), frames - 1) for offset in range(length)]
