"""The network, and what it does with a track of keypoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zoo.nn.drop_path import DropPath, linear_rates
from zoo_pose import lifting
from zoo_pose.convformer_pose.attention import ConvolutionalAttention
from zoo_pose.convformer_pose.config import ConvFormerConfig
from zoo_pose.skeletons import HUMAN36M

JOINTS = len(HUMAN36M)


class Block(nn.Module):
    """x + attention(norm1(x)), then x + feed-forward(norm2(x)), over (batch, rows, width)."""

    def __init__(self, config: ConvFormerConfig, rows: int, width: int, *, over_rows: bool, drop_path: float) -> None:
        super().__init__()
        inner = int(width * config.mlp_ratio)
        self.norm1 = nn.LayerNorm(width)
        self.attn = ConvolutionalAttention(
            rows,
            width,
            config.num_heads,
            config.kernels,
            over_rows=over_rows,
            linear=config.qkv == "linear",
            dropout=config.mixing_dropout,
        )
        self.norm2 = nn.LayerNorm(width)
        self.ffn = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, rows, width) to the same shape."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.ffn(self.norm2(x)))


class ConvFormer(nn.Module):
    """Keypoints (batch, num_frames, 17, 2) to the joints (batch, 1, 17, 3) of the middle frame, in metres."""

    def __init__(self, config: ConvFormerConfig) -> None:
        super().__init__()
        self.config = config
        frames, dim, wide = config.num_frames, config.dim, JOINTS * config.dim
        self.embed = nn.Linear(2, dim)
        self.pos_joint = nn.Parameter(torch.zeros(JOINTS, dim))
        self.spatial = nn.ModuleList(
            Block(config, JOINTS, dim, over_rows=True, drop_path=rate)
            for rate in linear_rates(config.drop_path, config.spatial_depth)
        )
        self.spatial_norm = nn.LayerNorm(dim)
        self.pos_time = nn.Parameter(torch.zeros(frames, wide))
        self.temporal = nn.ModuleList(
            Block(config, frames, wide, over_rows=False, drop_path=rate)
            for rate in linear_rates(config.drop_path, config.temporal_depth)
        )
        self.temporal_norm = nn.LayerNorm(wide)
        self.down = nn.Linear(wide, 3 * JOINTS)
        self.pool = nn.Conv1d(frames, 1, 1)

    def forward(self, keypoints: Tensor) -> Tensor:
        """Lift the middle frame of windows.

        Args:
            keypoints: (batch, num_frames, 17, 2), normalised by the picture's width.

        Returns:
            (batch, 1, 17, 3), metres, relative to the pelvis once joint 0 is subtracted.
        """
        lifting.require_windows(keypoints, self.config.num_frames, JOINTS)
        x = self.embed(keypoints.flatten(0, 1)) + self.pos_joint
        for block in self.spatial:
            x = block(x)
        x = self.spatial_norm(x).flatten(1).unflatten(0, keypoints.shape[:2]) + self.pos_time
        for block in self.temporal:
            x = block(x)
        return self.pool(self.down(self.temporal_norm(x))).unflatten(-1, (JOINTS, 3))


def example(config: ConvFormerConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random keypoints."""
    shape = (batch_size, config.num_frames, JOINTS, 2)
    return {"keypoints": torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 0.3}


def paper_input(config: ConvFormerConfig) -> dict[str, Tensor]:
    """One window."""
    return {"keypoints": torch.zeros(1, config.num_frames, JOINTS, 2)}


def preprocess(config: ConvFormerConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A track (see ``zoo_pose.lifting.read_track``): a window around every frame."""
    return lifting.preprocessor(config.num_frames, "centre")


def predict(model: ConvFormer, config: ConvFormerConfig, source: Any) -> dict[str, Any]:
    """Every frame of a track lifted: JSON, and a picture of some frames."""
    return lifting.answer(model, source, config.num_frames, "centre")
