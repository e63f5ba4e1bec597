"""The network, and what it does with a track of keypoints."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from zoo.nn.drop_path import linear_rates
from zoo_pose import lifting
from zoo_pose.iganet.config import IGANetConfig
from zoo_pose.iganet.layers import JOINTS, IGABlock


class IGANet(nn.Module):
    """Keypoints (batch, frames, 17, 2) to joints (batch, frames, 17, 3) in metres, frame by frame."""

    def __init__(self, config: IGANetConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        widths = [2, *(config.encoder_widths or [dim // 8, dim // 4, dim // 2]), dim]
        self.encoder = nn.Sequential(*(nn.Linear(before, after) for before, after in pairwise(widths)))
        rates = linear_rates(config.drop_path, config.num_layers)
        self.blocks = nn.ModuleList(IGABlock(config, rate) for rate in rates)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, 3)

    def forward(self, keypoints: Tensor) -> Tensor:
        """Lift poses, each frame by itself.

        Args:
            keypoints: (batch, frames, 17, 2), normalised by the picture's width.

        Returns:
            (batch, frames, 17, 3), metres, relative to the pelvis once joint 0 is subtracted.
        """
        lifting.require_windows(keypoints, None, JOINTS)
        x = self.encoder(keypoints.flatten(0, 1))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)).view(*keypoints.shape[:3], 3)


def example(config: IGANetConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random keypoints of one frame."""
    return {"keypoints": torch.randn(batch_size, 1, JOINTS, 2, generator=torch.Generator().manual_seed(seed)) * 0.3}


def preprocess(config: IGANetConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A track (see ``zoo_pose.lifting.read_track``), frame by frame."""
    return lifting.preprocessor(1, "all")


def predict(model: IGANet, config: IGANetConfig, source: Any) -> dict[str, Any]:
    """Every frame of a track lifted: JSON, and a picture of some frames."""
    return lifting.answer(model, source, 1, "all")
