"""The backbone, the classifier, and what they do with pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_vision import images
from zoo_vision.dynamicvis.config import DynamicVisClassifierConfig, DynamicVisConfig
from zoo_vision.dynamicvis.mixer import DynamicRegionMixer
from zoo_vision.images import require_images

_KERNELS, _STRIDES = (7, 3, 3, 3), (4, 2, 2, 2)
_EPS = 1e-6


class StageMaps(NamedTuple):
    """Normed maps (batch, dims[s], H / stride, W / stride), strides 4, 8, 16 and 32, sides rounded up."""

    stage0: Tensor
    stage1: Tensor
    stage2: Tensor
    stage3: Tensor


class PatchEmbedding(nn.Module):
    """A strided convolution and a norm of every token."""

    def __init__(self, before: int, after: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(before, after, kernel, stride, kernel // 2)
        self.norm = nn.LayerNorm(after, eps=_EPS)
        nn.init.kaiming_normal_(self.projection.weight, mode="fan_in", nonlinearity="linear")
        assert self.projection.bias is not None
        nn.init.zeros_(self.projection.bias)

    def forward(self, maps: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """(batch, before, H, W) to tokens (batch, h w, after) and (h, w)."""
        found = self.projection(maps)
        return self.norm(found.flatten(2).mT), (found.shape[2], found.shape[3])


class DynamicVis(nn.Module):
    """Images (batch, 3, H, W) to maps of four stages, or to one vector."""

    def __init__(self, config: DynamicVisConfig) -> None:
        super().__init__()
        self.config = config
        side = config.image_size // 4
        if config.position_table:
            self.pos_embed = nn.Parameter(torch.zeros(1, side * side, config.dims[0]))
        stages, before = [], 3
        for stage, dim in enumerate(config.dims):
            mixers = nn.ModuleList(DynamicRegionMixer(config.mixer(stage)) for _ in range(config.depths[stage]))
            embedding = PatchEmbedding(before, dim, _KERNELS[stage], _STRIDES[stage])
            stages.append(nn.ModuleList((embedding, mixers, nn.LayerNorm(dim, eps=_EPS))))
            before = dim
        self.layers = nn.ModuleList(stages)
        if config.output == "pooled":
            self.post_meanpool_norm = nn.LayerNorm(before, eps=_EPS)

    def maps(self, images: Tensor) -> list[Tensor]:
        """The four stages' normed maps."""
        require_images(images)
        x, found = images, []
        for index, stage in enumerate(self.layers):
            embedding, mixers, norm = stage.children()
            tokens, grid = embedding(x)
            if index == 0 and self.config.position_table:
                tokens = tokens + resized_positions(self.pos_embed, grid)
            for mixer in mixers.children():
                tokens = mixer(tokens, grid[0])
            x = norm(tokens).mT.unflatten(2, grid)
            found.append(x)
        return found

    def forward(self, images: Tensor, features: bool = False) -> StageMaps | Tensor:
        """Look at images.

        Args:
            images: (batch, 3, H, W), any sides, with ImageNet's statistics.
            features: the maps for dense networks, strides 4, 8, 16 and 32, whatever ``output`` says.

        Returns:
            The maps, or with ``output=pooled`` (batch, dims[3]).
        """
        found = self.maps(images)
        if features or self.config.output == "maps":
            return StageMaps(*found)
        pooled: Tensor = self.post_meanpool_norm(found[-1].mean((2, 3)))
        return pooled


def resized_positions(table: Tensor, grid: tuple[int, int]) -> Tensor:
    """A square table (1, side^2, dim) for a grid (h, w): (1, h w, dim), bicubic where it is another."""
    side = round(table.shape[1] ** 0.5)
    if grid == (side, side):
        return table
    square = table.mT.unflatten(2, (side, side))
    return functional.interpolate(square, size=grid, mode="bicubic", align_corners=False).flatten(2).mT


class DynamicVisClassifier(nn.Module):
    """The backbone's pooled answer and a linear layer: images (batch, 3, H, W) to logits (batch, num_classes)."""

    def __init__(self, config: DynamicVisClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = DynamicVis(config)
        self.head = nn.Linear(config.dims[-1], config.num_classes)

    def forward(self, images: Tensor, features: bool = False) -> StageMaps | Tensor:
        """Classify.

        Args:
            images: (batch, 3, H, W), any sides.
            features: return the backbone's maps for dense networks instead, strides 4, 8, 16 and 32.
        """
        found = self.backbone(images, features)
        return found if features else self.head(found)


def example(config: DynamicVisConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images, odd sides."""
    return {"images": torch.randn(batch_size, 3, 33, 42, generator=torch.Generator().manual_seed(seed))}


def paper_input(config: DynamicVisConfig) -> dict[str, Tensor]:
    """One image of the size that positions are learned for, 512 x 512 for the published sizes."""
    return {"images": torch.empty(1, 3, config.image_size, config.image_size)}


def preprocess(config: DynamicVisConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A path, PIL image or array, stretched to ``image_size`` squared, by ImageNet's statistics.

    Of the classifier's data set ``digits``: reduced to 8 x 8 and enlarged to 32 x 32, from -1 to 1; a light digit
    on a dark ground.
    """
    if isinstance(config, DynamicVisClassifierConfig) and config.dataset == "digits":
        return lambda source: {"images": images.digits_tensor(source)}
    side, mean, std = config.image_size, images.IMAGENET_MEAN, images.IMAGENET_STD
    return lambda source: {"images": images.stretched_tensor(source, side, side, mean, std)}


def predict(model: nn.Module, config: DynamicVisClassifierConfig, source: Any) -> dict[str, Any]:
    """The five likeliest classes of an image."""
    return images.top_classes(model, preprocess(config)(source)["images"])
