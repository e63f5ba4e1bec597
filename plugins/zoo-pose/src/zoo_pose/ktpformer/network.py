"""The network, and what it does with a track of keypoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.drop_path import linear_rates
from zoo_pose import lifting
from zoo_pose.blocks import Block
from zoo_pose.ktpformer.config import KTPFormerConfig
from zoo_pose.ktpformer.priors import KPA, TPA, PriorAttention, PriorBlock
from zoo_pose.skeletons import HUMAN36M

JOINTS = len(HUMAN36M)


class KTPFormer(nn.Module):
    """Keypoints (batch, num_frames, 17, 2) to joints (batch, num_frames, 17, 3) in metres."""

    def __init__(self, config: KTPFormerConfig) -> None:
        super().__init__()
        self.config = config
        dim, heads, bias = config.dim, config.num_heads, config.qkv_bias

        def with_prior(prior: nn.Module, tokens: int) -> PriorBlock:
            return PriorBlock(PriorAttention(prior, tokens, dim, heads, bias), dim, config.mlp_ratio)

        def plain() -> nn.ModuleList:
            # The blocks with priors take the first rate, which is 0.
            rates = linear_rates(config.drop_path, config.depth + 1)[1:]
            return nn.ModuleList(Block(dim, heads, config.mlp_ratio, qkv_bias=bias, drop_path=rate) for rate in rates)

        self.kpa_block = with_prior(KPA(config.in_channels, dim), JOINTS)
        self.tpa_block = with_prior(TPA(dim, config.num_frames), config.num_frames)
        self.spatial_blocks, self.temporal_blocks = plain(), plain()
        self.spatial_norm = nn.LayerNorm(dim, eps=1e-6)
        self.temporal_norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 3))

    def kinematic(self, keypoints: Tensor) -> Tensor:
        """Step 1: (batch, frames, joints, in) to tokens (batch * joints, frames, dim), normed."""
        x = self.spatial_norm(self.kpa_block(keypoints.flatten(0, 1)))
        return _by_joint(x, keypoints.shape[1])

    def trajectory(self, x: Tensor) -> Tensor:
        """Step 2: tokens (batch * joints, frames, dim) to the same shape, normed."""
        return self.temporal_norm(self.tpa_block(x))

    def forward(self, keypoints: Tensor) -> Tensor:
        """Lift windows.

        Args:
            keypoints: (batch, num_frames, 17, in_channels), normalised by the picture's width.

        Returns:
            (batch, num_frames, 17, 3), metres, relative to the pelvis once joint 0 is subtracted.
        """
        frames = self.config.num_frames
        if keypoints.ndim != 4 or keypoints.shape[1:] != (frames, JOINTS, self.config.in_channels):
            raise InputError(
                f"keypoints {list(keypoints.shape)}; expected (batch, {frames}, {JOINTS}, {self.config.in_channels})"
            )
        x = self.trajectory(self.kinematic(keypoints))
        for spatial, temporal in zip(self.spatial_blocks, self.temporal_blocks, strict=True):
            x = self.spatial_norm(spatial(_by_frame(x, JOINTS)))
            x = self.temporal_norm(temporal(_by_joint(x, frames)))
        return self.head(x).unflatten(0, (-1, JOINTS)).transpose(1, 2)


def _by_joint(x: Tensor, frames: int) -> Tensor:
    """(batch * frames, joints, dim) to (batch * joints, frames, dim)."""
    return x.unflatten(0, (-1, frames)).transpose(1, 2).flatten(0, 1)


def _by_frame(x: Tensor, joints: int) -> Tensor:
    """The inverse of ``_by_joint``."""
    return x.unflatten(0, (-1, joints)).transpose(1, 2).flatten(0, 1)


def example(config: KTPFormerConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random keypoints."""
    shape = (batch_size, config.num_frames, JOINTS, config.in_channels)
    return {"keypoints": torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 0.3}


def paper_input(config: KTPFormerConfig) -> dict[str, Tensor]:
    """One window."""
    return {"keypoints": torch.zeros(1, config.num_frames, JOINTS, config.in_channels)}


def preprocess(config: KTPFormerConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A track (see ``zoo_pose.lifting.read_track``) in windows; the last one ends with it."""
    return lifting.preprocessor(config.num_frames, "all")


def predict(model: KTPFormer, config: KTPFormerConfig, source: Any) -> dict[str, Any]:
    """The whole track lifted: JSON, and a picture of some frames."""
    return lifting.answer(model, source, config.num_frames, "all")
