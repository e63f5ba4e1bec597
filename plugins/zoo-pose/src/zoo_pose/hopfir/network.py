"""The network, and what it does with a track of keypoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_pose import lifting
from zoo_pose.hopfir.config import HopAttentionConfig, HopFIRConfig, RefinementConfig
from zoo_pose.hopfir.layers import JOINTS, HopAttention, IntragroupRefinement, graph_conv


class HopGraphFormer(nn.Module):
    """x + hop attention of the normed, then plus ReLU(BN(graph convolution of the normed))."""

    def __init__(self, config: HopFIRConfig) -> None:
        super().__init__()
        dim = config.dim
        self.norm1: nn.Module | None = None
        self.hop: nn.Module | None = None
        if config.hop_attention:
            self.norm1 = nn.LayerNorm(dim)
            self.hop = HopAttention(HopAttentionConfig(dim, config.num_hops, config.attend, config.dropout))
        self.norm2 = nn.LayerNorm(dim)
        self.gconv = graph_conv(config.base, dim, dim)
        self.bn = nn.BatchNorm1d(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 17, dim) to the same shape."""
        if self.hop is not None and self.norm1 is not None:
            x = x + self.hop(self.norm1(x))
        graph = self.gconv(self.norm2(x))
        return x + self.bn(graph.flatten(0, 1)).view(graph.shape).relu()


class Refined(nn.Module):
    """x + refinement of the normed."""

    def __init__(self, config: HopFIRConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.dim)
        self.refine = IntragroupRefinement(RefinementConfig(config.dim, config.num_heads, config.dropout))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 17, dim) to the same shape."""
        return x + self.refine(self.norm(x))


class HopFIR(nn.Module):
    """Keypoints (batch, 17, 2) or (batch, 1, 17, 2) to joints of the same shape with 3 coordinates, in metres."""

    def __init__(self, config: HopFIRConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = graph_conv(config.base, 2, config.dim)
        self.blocks = nn.ModuleList(
            nn.Sequential(HopGraphFormer(config), *([Refined(config)] if config.refinement else []))
            for _ in range(config.num_blocks)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.head = nn.Linear(config.dim, 3)

    def forward(self, keypoints: Tensor) -> Tensor:
        """Lift poses, each by itself.

        Args:
            keypoints: (batch, 17, 2) or (batch, 1, 17, 2), normalised by the picture's width.

        Returns:
            (batch, 17, 3) or (batch, 1, 17, 3), metres, relative to the pelvis once joint 0 is subtracted.
        """
        if keypoints.shape[-2:] != (JOINTS, 2) or keypoints.shape[1:-2] not in ((), (1,)):
            raise InputError(
                f"keypoints {list(keypoints.shape)}; expected (batch, {JOINTS}, 2) or (batch, 1, {JOINTS}, 2)"
            )
        x = self.embed(keypoints.flatten(0, -3)).relu()
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)).reshape(*keypoints.shape[:-1], 3)


def example(config: HopFIRConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random keypoints."""
    return {"keypoints": torch.randn(batch_size, JOINTS, 2, generator=torch.Generator().manual_seed(seed)) * 0.3}


def preprocess(config: HopFIRConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A track (see ``zoo_pose.lifting.read_track``), frame by frame."""
    return lifting.preprocessor(1, "all")


def predict(model: HopFIR, config: HopFIRConfig, source: Any) -> dict[str, Any]:
    """Every frame of a track lifted: JSON, and a picture of some frames."""
    return lifting.answer(model, source, 1, "all")
