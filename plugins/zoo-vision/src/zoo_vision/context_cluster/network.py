"""The network of four stages, and what it does with pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.drop_path import DropPath, linear_rates
from zoo_vision import images
from zoo_vision.context_cluster.cluster import Cluster
from zoo_vision.context_cluster.config import ClusterConfig, ContextClusterConfig
from zoo_vision.images import require_images

# Of the first reducer.
_PATCH = 4


def with_places(images: Tensor) -> Tensor:
    """(batch, 3, H, W) to (batch, 5, H, W): rows and columns in [-1/2, 1/2] as two more channels."""
    batch, _, height, width = images.shape
    rows, columns = (
        torch.arange(length, dtype=images.dtype, device=images.device) / max(length - 1, 1) - 0.5
        for length in (height, width)
    )
    places = torch.stack((rows[:, None].expand(-1, width), columns.expand(height, -1)))
    return torch.cat((images, places.expand(batch, -1, -1, -1)), 1)


class Reducer(nn.Module):
    """Merges points by a convolution."""

    def __init__(self, dim: int, out_dim: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(dim, out_dim, kernel, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W) to (batch, out_dim, H', W')."""
        return self.proj(x)


class ChannelMLP(nn.Module):
    """Linear, GELU, linear along the channels of a map."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W) to the same shape."""
        return self.fc2(self.act(self.fc1(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)


class Block(nn.Module):
    """x + ls1 * cluster(norm(x)), then x + ls2 * MLP(norm(x))."""

    def __init__(self, config: ClusterConfig, mlp_ratio: float, drop_path: float, layer_scale: float) -> None:
        super().__init__()
        dim = config.dim
        self.norm1 = nn.GroupNorm(1, dim)
        self.token_mixer = Cluster(config)
        self.norm2 = nn.GroupNorm(1, dim)
        self.mlp = ChannelMLP(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath(drop_path)
        self.layer_scale_1 = nn.Parameter(torch.empty(dim))
        self.layer_scale_2 = nn.Parameter(torch.empty(dim))
        for scale in (self.layer_scale_1, self.layer_scale_2):
            nn.init.constant_(scale, layer_scale)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W) to the same shape."""
        x = x + self.drop_path(self.layer_scale_1[:, None, None] * self.token_mixer(self.norm1(x)))
        return x + self.drop_path(self.layer_scale_2[:, None, None] * self.mlp(self.norm2(x)))


class ContextCluster(nn.Module):
    """Images (batch, 3, H, W) to logits (batch, num_classes)."""

    def __init__(self, config: ContextClusterConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = Reducer(5, config.dims[0], _PATCH, _PATCH, 0)
        rates = linear_rates(config.drop_path, sum(config.depths))
        # Stages and the reducers between them share one list, whose numbers checkpoints know.
        parts: list[nn.Module] = []
        for stage, depth in enumerate(config.depths):
            cluster, ratio = config.cluster(stage), config.mlp_ratios[stage]
            parts.append(nn.Sequential(*(Block(cluster, ratio, rate, config.layer_scale) for rate in rates[:depth])))
            rates = rates[depth:]
            if stage + 1 < len(config.depths) and config.reducers[stage]:
                dims = config.dims[stage : stage + 2]
                parts.append(Reducer(dims[0], dims[1], config.reducer_kernel, 2, config.reducer_padding))
        self.network = nn.ModuleList(parts)
        self.norm = nn.GroupNorm(1, config.dims[-1])
        self.stage_norms = nn.ModuleList(nn.GroupNorm(1, dim) for dim in config.dims if config.stage_norms)
        self.head = nn.Linear(config.dims[-1], config.num_classes) if config.num_classes else nn.Identity()
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def stage_maps(self, images: Tensor) -> list[Tensor]:
        """The maps after each stage: strides 4, 8, 16, 32 where reducers follow all stages."""
        require_images(images)
        if min(images.shape[2:]) < _PATCH:
            raise InputError(
                f"images of {images.shape[2]} x {images.shape[3]}; expected at least {_PATCH} pixels a side"
            )
        x, maps = self.patch_embed(with_places(images)), []
        for part in self.network:
            x = part(x)
            if not isinstance(part, Reducer):
                maps.append(x)
        return maps

    def forward(self, images: Tensor, features: bool = False) -> Tensor | list[Tensor]:
        """Logits, or the maps of the four stages.

        Args:
            images: (batch, 3, H, W); the map of each stage must be cut into its regions evenly (multiples of 32 do
                for the presets).
            features: return the maps for dense networks instead, strides 4, 8, 16 and 32.
        """
        maps = self.stage_maps(images)
        if features and self.config.stage_norms:
            return [norm(stage) for norm, stage in zip(self.stage_norms, maps, strict=True)]
        return maps if features else self.head(self.norm(maps[-1]).mean((2, 3)))

    def assignments(self, images: Tensor) -> list[Tensor]:
        """For every block, the centre of every point: integers (batch, heads, H / stride, W / stride)."""
        found: list[Tensor] = []
        x = self.patch_embed(with_places(images))
        for part in self.network:
            if isinstance(part, Reducer):
                x = part(x)
                continue
            for block in part.children():
                assert isinstance(block, Block)
                found.append(block.token_mixer.assignment(block.norm1(x)))
                x = block(x)
        return found


def example(config: ContextClusterConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images of the smallest sides that every stage can cut."""
    sides, stride = [1, 1], _PATCH
    for rows, columns, reduces in zip(config.region_rows, config.region_columns, config.reducers, strict=True):
        if rows > 1 and columns > 1:
            sides = [math.lcm(side, stride * count) for side, count in zip(sides, (rows, columns), strict=True)]
        stride *= 2 if reduces else 1
    sides = [side * -(-32 // side) for side in sides]
    return {"images": torch.randn(batch_size, 3, *sides, generator=torch.Generator().manual_seed(seed))}


def paper_input(config: ContextClusterConfig) -> dict[str, Tensor]:
    """One image of the size that raw images are brought to, 224 x 224 for the published sizes."""
    return {"images": torch.empty(1, 3, config.image_size, config.image_size)}


def preprocess(config: ContextClusterConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A path, PIL image or array, as the config's ``dataset`` says.

    ImageNet: the middle square over the share ``crop`` of the shorter side, brought to ``image_size``, by
    ImageNet's statistics. Digits: the whole image, reduced to 8 x 8 and enlarged to 32 x 32, from -1 to 1; a light
    digit on a dark ground.
    """
    return images.preprocessor(config.dataset, config.image_size, config.crop)


def predict(model: nn.Module, config: ContextClusterConfig, source: Any) -> dict[str, Any]:
    """The five likeliest classes of an image."""
    return images.top_classes(model, preprocess(config)(source)["images"])
