"""The network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_activity.copilot_collision.attention import Block
from zoo_activity.copilot_collision.config import CopilotConfig


@dataclass
class CollisionForecast:
    """What the next second brings.

    Args:
        collision: (B,), logit.
        joints: (B, num_joints), logits of the joints that collide.
        heatmap: (B, V, 1, H, W), unnormalised; a softmax over a view's pixels is where it collides.
    """

    collision: Tensor
    joints: Tensor
    heatmap: Tensor


class Embedding(nn.Module):
    """Patches with their place, time and viewpoint added, and the class token."""

    def __init__(self, config: CopilotConfig) -> None:
        super().__init__()
        dim = config.dim
        self.patch = nn.Conv2d(config.in_channels, dim, config.patch_size, config.patch_size)
        self.cls = nn.Parameter(torch.empty(dim))
        self.pos = nn.Parameter(torch.empty(config.grid**2, dim))
        self.time = nn.Parameter(torch.empty(config.num_frames, dim))
        self.view = nn.Parameter(torch.empty(config.num_views, dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Of the tables; times and views begin at zero, so that an image model's weights give an image model."""
        nn.init.trunc_normal_(self.cls, std=0.02)
        nn.init.trunc_normal_(self.pos, std=0.02)
        nn.init.zeros_(self.time)
        nn.init.zeros_(self.view)

    def forward(self, video: Tensor, view_index: Tensor) -> tuple[Tensor, Tensor]:
        """(B, V, T, C, H, W) and (B, V) to the class token (B, D) and tokens (B, V, T, N, D)."""
        batch, views, times = video.shape[:3]
        x = self.patch(video.flatten(0, 2)).flatten(2).mT.unflatten(0, (batch, views, times))
        # The last frames of the table: fewer frames are the latest ones.
        x = x + self.pos + self.time[-times:, None] + self.view[view_index][:, :, None, None]
        return self.cls.expand(batch, -1), x


class Head(nn.Module):
    """The class token's answers."""

    def __init__(self, config: CopilotConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.dim, eps=config.eps)
        self.collision = nn.Linear(config.dim, 1)
        self.joints = nn.Linear(config.dim, config.num_joints)

    def forward(self, cls: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) to the logits (B,) and (B, num_joints)."""
        # One product: that with a single row would be summed in an order that hangs on where the weights lie.
        parts = (self.collision, self.joints)
        weight, bias = (torch.cat([getattr(part, name) for part in parts]) for name in ("weight", "bias"))
        found = functional.linear(self.norm(cls), weight, bias)
        return found[:, 0], found[:, 1:]


class Heatmap(nn.Module):
    """The last frame's tokens at four depths, fused and enlarged."""

    def __init__(self, config: CopilotConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.decoder_dim
        self.inputs = nn.ModuleList(nn.Linear(config.dim, dim) for _ in range(4))
        self.fuse = nn.Linear(4 * dim, dim)
        self.convs = nn.ModuleList(nn.Conv2d(dim, dim, 3, padding=1) for _ in range(2))
        self.out = nn.Conv2d(dim, 1, 1)

    def forward(self, depths: list[Tensor]) -> Tensor:
        """Four times (B, V, N, D) to (B, V, 1, H, W)."""
        size, grid = self.config.image_size, self.config.grid
        views = depths[0].shape[1]
        x = self.fuse(torch.cat([project(x) for project, x in zip(self.inputs, depths, strict=True)], -1))
        x = x.flatten(0, 1).mT.unflatten(-1, (grid, grid))
        for conv in self.convs:
            x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = functional.gelu(conv(x))
        x = functional.interpolate(self.out(x), size=(size, size), mode="bilinear", align_corners=False)
        return x.unflatten(0, (-1, views))


class Copilot(nn.Module):
    """Egocentric videos of several body mounts to collisions, colliding joints and their regions."""

    def __init__(self, config: CopilotConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = Embedding(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.head = Head(config)
        self.heatmap = Heatmap(config)

    def forward(self, video: Tensor, view_index: Tensor | None = None) -> CollisionForecast:
        """Predict.

        Args:
            video: (B, V, T, in_channels, image_size, image_size), normalised; T at most ``num_frames``.
            view_index: (V,) or (B, V) int64, the body mount of each view; 0, 1, ... by default.
        """
        config = self.config
        expected = (config.in_channels, config.image_size, config.image_size)
        if video.ndim != 6 or video.shape[3:] != expected or not 0 < video.shape[2] <= config.num_frames:
            raise InputError(
                f"video {list(video.shape)}; expected (batch, views, 1 to {config.num_frames} frames, "
                f"{', '.join(map(str, expected))})"
            )
        batch, views = video.shape[:2]
        if view_index is None:
            if views > config.num_views:
                raise InputError(f"{views} views and {config.num_views} embeddings; give view_index")
            view_index = torch.arange(views, device=video.device)
        if view_index.ndim == 1:
            view_index = view_index.expand(batch, -1)
        if view_index.shape[1] != views:
            raise InputError(f"view_index names {view_index.shape[1]} views; the video has {views}")
        cls, x = self.embed(video, view_index)
        depths = []
        for number, block in enumerate(self.blocks, 1):
            cls, x = block(cls, x)
            if number % (config.num_layers // 4) == 0:
                depths.append(x[:, :, -1])
        collision, joints = self.head(cls)
        return CollisionForecast(collision, joints, self.heatmap(depths))


def example(config: CopilotConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Noise."""
    shape = (config.num_views, config.num_frames, config.in_channels, config.image_size, config.image_size)
    return {"video": torch.randn(batch_size, *shape, generator=torch.Generator().manual_seed(seed))}


def paper_input(config: CopilotConfig) -> dict[str, Tensor]:
    """One second of six cameras."""
    return example(config, batch_size=1)
