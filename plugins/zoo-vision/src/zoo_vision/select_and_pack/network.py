"""The backbone, and a classifier on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.drop_path import linear_rates
from zoo_vision import images
from zoo_vision.images import require_images
from zoo_vision.select_and_pack.attention import SelectPackBlock
from zoo_vision.select_and_pack.config import STAGES, SPTConfig
from zoo_vision.swin import PatchEmbedding, PatchMerging, SwinBlock, initialise

_PATCH = 4
_STRIDE = 32


@dataclass(frozen=True)
class Features:
    """What the backbone gives.

    Args:
        maps: (batch, dim, h, w) at strides 4, 8, 16 and 32, sides rounded up.
        scores: (batch, h, w) of every block that selects.
        kept: (batch, h, w) bool of the same blocks.
        logits: (batch, classes), None without a classifier.
    """

    maps: list[Tensor]
    scores: list[Tensor]
    kept: list[Tensor]
    logits: Tensor | None


class Stage(nn.Module):
    """Blocks at one resolution, of Swin or of select and pack, then patch merging in all stages but the last."""

    def __init__(self, config: SPTConfig, stage: int) -> None:
        super().__init__()
        dim = config.embed_dim * 2**stage
        self.selects = stage + 1 >= config.start_stage
        rates = linear_rates(config.drop_path, sum(config.depths))[sum(config.depths[:stage]) :]
        blocks: list[nn.Module] = []
        for index in range(config.depths[stage]):
            if self.selects:
                shifted = bool(index % 2)
                blocks.append(SelectPackBlock(config.attention(stage, shifted), config.mlp_ratio, rates[index]))
            else:
                blocks.append(
                    SwinBlock(
                        dim,
                        config.num_heads[stage],
                        config.window_size,
                        config.window_size // 2 if index % 2 else 0,
                        mlp_ratio=config.mlp_ratio,
                        qkv_bias=config.qkv_bias,
                        drop_path=rates[index],
                    )
                )
        self.blocks = nn.ModuleList(blocks)
        self.downsample = PatchMerging(dim) if stage < STAGES - 1 else None


class SPT(nn.Module):
    """Images (batch, 3, H, W) to maps at four strides and scores of what is worth attending to."""

    def __init__(self, config: SPTConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.embed_dim * 2**stage for stage in range(STAGES)]
        self.patch_embed = PatchEmbedding(_PATCH, 3, config.embed_dim)
        self.layers = nn.ModuleList(Stage(config, stage) for stage in range(STAGES))
        for stage, width in enumerate(widths):
            self.add_module(f"norm{stage}", nn.LayerNorm(width))
        first = config.start_stage - 2
        self.gate = nn.Linear(widths[first], 1) if 0 <= first < STAGES - 1 else None
        self.head = nn.Linear(widths[-1], config.num_classes) if config.num_classes else None
        initialise(self)

    def features(self, images: Tensor) -> Features:
        """Maps, scores and choices.

        Sides that are no multiple of 32 are padded by their last row and column inside; padding is never kept, and
        maps are cut to the image.
        """
        require_images(images)
        height, width = images.shape[2:]
        x = self.patch_embed(functional.pad(images, (0, -width % _STRIDE, 0, -height % _STRIDE), mode="replicate"))
        above: Tensor | None = None
        maps, scores, kept = [], [], []
        for index, stage in enumerate(self.layers.children()):
            rows, columns = (-(-side // (_PATCH * 2**index)) for side in (height, width))
            valid = None
            if (rows, columns) != tuple(x.shape[1:3]):
                inside = [
                    torch.arange(n, device=x.device) < m for n, m in zip(x.shape[1:3], (rows, columns), strict=True)
                ]
                valid = inside[0][:, None] & inside[1]
            for block in stage.blocks.children():  # type: ignore[union-attr]
                if isinstance(block, SelectPackBlock):
                    found = block.select(x, above, valid)
                    x, above = found.output, found.scores
                    scores.append(above[:, :rows, :columns])
                    kept.append(found.kept[:, :rows, :columns])
                else:
                    x = block(x)
            maps.append(self.get_submodule(f"norm{index}")(x)[:, :rows, :columns].permute(0, 3, 1, 2))
            if self.gate is not None and index == self.config.start_stage - 2:
                above = self.gate(x)[..., 0]
            x = x if stage.downsample is None else stage.downsample(x)  # type: ignore[operator]
        logits = None if self.head is None else self.head(maps[-1].mean((2, 3)))
        return Features(maps, scores, kept, logits)

    def forward(self, images: Tensor, features: bool = False) -> dict[str, Tensor] | list[Tensor]:
        """Features by name.

        Args:
            images: (batch, 3, H, W) by ImageNet's statistics, any sides.
            features: return only the four maps for dense networks, strides 4, 8, 16 and 32, as a list.

        Returns:
            ``map_4``, ``map_8``, ``map_16``, ``map_32`` (batch, dim, h, w); ``scores_I`` (batch, h, w) and ``kept_I``,
            bool, of the blocks that select, from 0; ``logits`` (batch, classes) where there is a classifier.
        """
        found = self.features(images)
        if features:
            return found.maps
        answers = {f"map_{_PATCH * 2**index}": each for index, each in enumerate(found.maps)}
        answers |= {f"scores_{index}": each for index, each in enumerate(found.scores)}
        answers |= {f"kept_{index}": each for index, each in enumerate(found.kept)}
        return answers if found.logits is None else {**answers, "logits": found.logits}


def kept_share(kept: list[Tensor]) -> Tensor:
    """The share of tokens that blocks keep, over all of them, a scalar."""
    return torch.stack([each.float().mean() for each in kept]).mean()


def example(config: SPTConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images of 32 x 29 pixels."""
    return {"images": torch.randn(batch_size, 3, 32, 29, generator=torch.Generator().manual_seed(seed))}


def paper_input(config: SPTConfig) -> dict[str, Tensor]:
    """One image of the config's size, 224 x 224."""
    return {"images": torch.empty(1, 3, config.image_size, config.image_size)}


def preprocess(config: SPTConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A path, PIL image or array, stretched to the config's square, by ImageNet's statistics.

    Of the data set ``digits``: a light digit on a dark ground, 32 pixels high in the middle of a dark square.
    """
    if config.dataset == "digits":
        margin = max(0, config.image_size - images.SMALL_SIDE)
        left, right = margin // 2, margin - margin // 2
        return lambda source: {
            "images": functional.pad(images.digits_tensor(source), (left, right, left, right), value=-1.0)
        }

    def prepare(source: Any) -> dict[str, Tensor]:
        side = config.image_size
        return {
            "images": images.stretched_tensor(source, side, side, images.IMAGENET_MEAN, images.IMAGENET_STD),
        }

    return prepare


def predict(model: SPT, config: SPTConfig, source: Any) -> dict[str, Any]:
    """Where the last block of the first stage that selects looks, as a picture; the share kept; and classes, if any."""
    picture = images.open_image(source)
    parameter = next(model.parameters())
    tensor = preprocess(config)(picture)["images"].to(parameter.device, parameter.dtype)
    with torch.no_grad():
        found = model.features(tensor)
    if not found.kept:
        raise InputError("start_stage=5 selects nothing: there is no choice to draw")
    shown = found.scores[max(index for index, each in enumerate(found.scores) if each.shape == found.scores[0].shape)]
    full = functional.interpolate(shown[:, None].sigmoid().float(), size=(picture.height, picture.width))[0, 0]
    answer: dict[str, Any] = {"selection": images.to_picture(full), "kept": round(float(kept_share(found.kept)), 4)}
    return answer if found.logits is None else {**answer, **images.likeliest(found.logits[0])}
