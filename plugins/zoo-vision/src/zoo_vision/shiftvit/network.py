"""The hierarchical classifier, and what it does with images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.drop_path import DropPath, linear_rates
from zoo_vision import images
from zoo_vision.images import require_images
from zoo_vision.shiftvit.config import ShiftViTConfig
from zoo_vision.shiftvit.shift import shift


class ConvMLP(nn.Module):
    """Two 1 x 1 convolutions with GELU between them."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(dim, hidden, 1)
        self.act = nn.GELU()
        self.fc2 = nn.Conv2d(hidden, dim, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, height, width) to the same shape."""
        return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))


class ShiftBlock(nn.Module):
    """Shift, then a residual MLP; the only norm keeps the name it has in published checkpoints."""

    def __init__(self, dim: int, config: ShiftViTConfig, drop_path: float) -> None:
        super().__init__()
        self.n_div = config.n_div
        self.norm2 = _norm(dim, config)
        self.mlp = ConvMLP(dim, int(dim * config.mlp_ratio), config.dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, height, width) to the same shape."""
        x = shift(x, self.n_div)
        return x + self.drop_path(self.mlp(self.norm2(x)))


class PatchMerging(nn.Module):
    """Halve the resolution and double the width."""

    def __init__(self, dim: int, config: ShiftViTConfig) -> None:
        super().__init__()
        self.norm = _norm(dim, config)
        self.reduction = nn.Conv2d(dim, 2 * dim, 2, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, height, width) to (batch, 2 dim, height / 2, width / 2)."""
        return self.reduction(self.norm(x))


class Stage(nn.Module):
    """Blocks of one width, then patch merging in all stages but the last."""

    def __init__(self, dim: int, config: ShiftViTConfig, rates: list[float], last: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ShiftBlock(dim, config, rate) for rate in rates)
        self.downsample = None if last else PatchMerging(dim, config)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The map after the blocks, and the input of the next stage."""
        for block in self.blocks:
            x = block(x)
        return x, x if self.downsample is None else self.downsample(x)


class Embedding(nn.Module):
    """4 x 4 patches to vectors."""

    def __init__(self, config: ShiftViTConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, config.embed_dim, 4, stride=4)
        self.norm = _norm(config.embed_dim, config) if config.patch_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) to (batch, E, height / 4, width / 4)."""
        return self.norm(self.proj(x))


class ShiftViT(nn.Module):
    """Images (batch, 3, height, width) to logits (batch, num_classes); sides that are no multiples of 32 get zeros."""

    def __init__(self, config: ShiftViTConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = Embedding(config)
        rates = linear_rates(config.drop_path, sum(config.depths))
        stages = []
        for index, depth in enumerate(config.depths):
            stages.append(Stage(config.embed_dim * 2**index, config, rates[:depth], last=index == 3))
            rates = rates[depth:]
        self.layers = nn.ModuleList(stages)
        self.norm = _norm(config.embed_dim * 8, config)
        self.head = nn.Linear(config.embed_dim * 8, config.num_classes) if config.num_classes else nn.Identity()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Truncated normal of deviation 0.02 for weights, zero biases, norms at 1 and 0."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def stage_maps(self, images: Tensor) -> list[Tensor]:
        """The maps after the blocks of each stage: strides 4, 8, 16, 32, widths E, 2E, 4E, 8E, sides rounded up.

        Raises:
            InputError: not (batch, 3, height, width), or a side of 0.
        """
        require_images(images)
        height, width = images.shape[2:]
        maps = self.unpadded_maps(functional.pad(images, (0, -width % 32, 0, -height % 32)))
        strides = (4 * 2**stage for stage in range(len(maps)))
        return [
            found[..., : -(-height // stride), : -(-width // stride)]
            for found, stride in zip(maps, strides, strict=True)
        ]

    def unpadded_maps(self, images: Tensor) -> list[Tensor]:
        """The same as the authors' network has them: convolutions drop rows and columns that fill no patch."""
        x = self.patch_embed(images)
        maps: list[Tensor] = []
        for stage in self.layers:
            found, x = stage(x)
            maps.append(found)
        return maps

    def features(self, images: Tensor) -> Tensor:
        """Pooled features (batch, 8E)."""
        return self.pooled(self.stage_maps(images)[-1])

    def pooled(self, last: Tensor) -> Tensor:
        """Of the last stage's map (batch, 8E, h, w): (batch, 8E)."""
        return self.norm(last).mean((-2, -1))

    def forward(self, images: Tensor, features: bool = False) -> Tensor | list[Tensor]:
        """Logits, or the pooled features where the head is left out.

        Args:
            images: (batch, 3, height, width), normalised.
            features: return the maps of the four stages for dense networks instead; see ``stage_maps``.
        """
        return self.stage_maps(images) if features else self.head(self.features(images))


def _norm(dim: int, config: ShiftViTConfig) -> nn.Module:
    return nn.GroupNorm(1, dim) if config.norm == "group" else nn.BatchNorm2d(dim)


def example(config: ShiftViTConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images of 64 x 32 pixels."""
    generator = torch.Generator().manual_seed(seed)
    return {"images": torch.randn(batch_size, 3, 64, 32, generator=generator)}


def paper_input(config: ShiftViTConfig) -> dict[str, Tensor]:
    """One image of the size that raw images are brought to, 224 x 224 for the published sizes."""
    return {"images": torch.empty(1, 3, config.image_size, config.image_size)}


def preprocess(config: ShiftViTConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A path, PIL image or array, as the config's ``dataset`` says.

    ImageNet: the middle square over 7/8 of the shorter side, brought to ``image_size``, by ImageNet's statistics.
    Digits: the whole image, reduced to 8 x 8 and enlarged to 32 x 32, from -1 to 1; a light digit on a dark ground.
    """
    return images.preprocessor(config.dataset, config.image_size)


def predict(model: nn.Module, config: ShiftViTConfig, source: Any) -> dict[str, list[dict[str, Any]]]:
    """The five likeliest classes of an image."""
    return images.top_classes(model, preprocess(config)(source)["images"])


def attention_maps(model: ShiftViT, inputs: Tensor, stage: int = 0) -> Tensor:
    """How strongly a stage answers at every place; without attention, the mean square of its features says that.

    Args:
        model: the network.
        inputs: images (batch, 3, height, width).
        stage: 0 to 3, of stride 4, 8, 16 and 32.

    Returns:
        (batch, height / stride, width / stride), each example scaled to [0, 1].
    """
    with torch.no_grad():
        energy = model.stage_maps(inputs)[stage].square().mean(1)
    low, high = energy.amin((1, 2), keepdim=True), energy.amax((1, 2), keepdim=True)
    return (energy - low) / (high - low).clamp(min=torch.finfo(energy.dtype).tiny)
