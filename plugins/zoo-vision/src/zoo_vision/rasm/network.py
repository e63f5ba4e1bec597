"""The layers and the U-shaped network, and what it does with a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.drop_path import DropPath
from zoo_vision import images
from zoo_vision.images import require_images
from zoo_vision.rasm.attention import RegionalAttention
from zoo_vision.rasm.config import RASMConfig, RegionalAttentionConfig

_REDUCTION = 4


class ChannelGate(nn.Module):
    """x * sigmoid(W2 relu(W1 mean(x))): one number for each channel of each image."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = max(1, dim // _REDUCTION)
        self.conv_du = nn.Sequential(
            nn.Conv2d(dim, hidden, 1, bias=False), nn.ReLU(), nn.Conv2d(hidden, dim, 1, bias=False), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W) to the same shape."""
        return x * self.conv_du(x.mean((2, 3), keepdim=True))


class ChannelAttentionBlock(nn.Module):
    """Two depthwise convolutions under a channel gate, and a shortcut."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=False),
            nn.PReLU(),
            nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=False),
        )
        self.CA = ChannelGate(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, H, W, dim) to the same shape."""
        return x + self.CA(self.body(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)


class LeFF(nn.Module):
    """An MLP that looks at its neighbours: linear, GELU, depthwise 3 x 3, GELU, linear."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Sequential(nn.Linear(dim, hidden), nn.GELU())
        self.dwconv = nn.Sequential(nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden), nn.GELU())
        self.linear2 = nn.Sequential(nn.Linear(hidden, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, H, W, dim) to the same shape."""
        hidden = self.dwconv(self.linear1(x).permute(0, 3, 1, 2))
        return self.linear2(hidden.permute(0, 2, 3, 1))


class Layer(nn.Module):
    """One layer, with regional attention or without."""

    def __init__(self, config: RASMConfig, dim: int, num_heads: int | None, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.attn = (
            None
            if num_heads is None
            else RegionalAttention(RegionalAttentionConfig(dim, num_heads, config.kernel_size, config.dilation))
        )
        self.CAB = ChannelAttentionBlock(dim)
        self.mlp = LeFF(dim, int(dim * config.mlp_ratio))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, H, W, dim) to the same shape."""
        y = self.norm1(x)
        y = self.CAB(y if self.attn is None else self.attn(y))
        x = x + self.drop_path(y)
        return x + self.drop_path(self.mlp(self.norm2(x)))


class Stage(nn.Module):
    """Layers at one resolution."""

    def __init__(self, config: RASMConfig, place: int, dim: int, rates: list[float], regional: bool) -> None:
        super().__init__()
        heads = config.num_heads[place] if regional else None
        self.blocks = nn.ModuleList(Layer(config, dim, heads, rate) for rate in rates)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, H, W, dim) to the same shape."""
        for block in self.blocks:
            x = block(x)
        return x


class _Convolution(nn.Module):
    """A convolution on channels-last maps, under the name that published checkpoints give it."""

    def __init__(self, name: str, *layers: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.add_module(name, nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, H, W, channels) to (batch, H', W', channels')."""
        return self.get_submodule(self.name)(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def _rates(config: RASMConfig) -> dict[int, list[float]]:
    """Stochastic depth of the layers, by place: rising through the encoder, the reverse of that in the decoder."""
    depths = config.depths
    rising = torch.linspace(0, config.drop_path, sum(depths[:4]), device="cpu").tolist()
    falling = rising[::-1]
    rates = {place: rising[sum(depths[:place]) : sum(depths[: place + 1])] for place in range(3)}
    rates[4] = [config.drop_path] * depths[4]
    for index, place in enumerate((6, 7, 8)):
        found = falling[sum(depths[5 : 6 + index]) : sum(depths[5 : 7 + index])]
        # Uneven depths can run past the list: those layers are the outermost, which are never dropped.
        rates[place] = found + [0.0] * (depths[place] - len(found))
    return rates


class RASM(nn.Module):
    """Images (batch, 3, H, W) in [0, 1] and shadow masks (batch, 1, H, W) to images without shadow."""

    def __init__(self, config: RASMConfig) -> None:
        super().__init__()
        self.config = config
        width, rates = config.embed_dim, _rates(config)
        self.input_proj = _Convolution("proj", nn.Conv2d(4, width, 3, padding=1), nn.LeakyReLU())
        self.encoderlayer_0 = Stage(config, 0, width, rates[0], regional=False)
        self.dowsample_0 = _down(width)
        self.encoderlayer_1 = Stage(config, 1, 2 * width, rates[1], regional=False)
        self.dowsample_1 = _down(2 * width)
        self.encoderlayer_2 = Stage(config, 2, 4 * width, rates[2], regional=True)
        self.dowsample_2 = _down(4 * width)
        self.conv = Stage(config, 4, 8 * width, rates[4], regional=True)
        self.upsample_0 = _up(8 * width, 4 * width)
        self.decoderlayer_0 = Stage(config, 6, 8 * width, rates[6], regional=True)
        self.upsample_1 = _up(8 * width, 2 * width)
        self.decoderlayer_1 = Stage(config, 7, 4 * width, rates[7], regional=False)
        self.upsample_2 = _up(4 * width, width)
        self.decoderlayer_2 = Stage(config, 8, 2 * width, rates[8], regional=False)
        self.output_proj = _Convolution("proj", nn.Conv2d(2 * width, 3, 3, padding=1))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor, mask: Tensor) -> Tensor:
        """Remove the shadow.

        Args:
            images: (batch, 3, H, W) in [0, 1], any sides.
            mask: (batch, 1, H, W), 1 in the shadow and 0 elsewhere.

        Returns:
            (batch, 3, H, W), not cut to [0, 1].
        """
        require_images(images)
        if mask.shape != (images.shape[0], 1, *images.shape[2:]):
            raise InputError(
                f"images {list(images.shape)} and mask {list(mask.shape)}; expected (batch, 3, height, width) and "
                "(batch, 1, height, width)"
            )
        height, width = images.shape[2:]
        joined = torch.cat((images, mask.to(images.dtype)), 1)
        joined = functional.pad(joined, (0, -width % 8, 0, -height % 8), mode="replicate")
        full = self.encoderlayer_0(self.input_proj(joined.permute(0, 2, 3, 1)))
        half = self.encoderlayer_1(self.dowsample_0(full))
        quarter = self.encoderlayer_2(self.dowsample_1(half))
        x = self.conv(self.dowsample_2(quarter))
        x = self.decoderlayer_0(torch.cat((self.upsample_0(x), quarter), -1))
        x = self.decoderlayer_1(torch.cat((self.upsample_1(x), half), -1))
        x = self.decoderlayer_2(torch.cat((self.upsample_2(x), full), -1))
        added = self.output_proj(x).permute(0, 3, 1, 2)
        return images + added[..., :height, :width]


def _down(dim: int) -> _Convolution:
    return _Convolution("conv", nn.Conv2d(dim, 2 * dim, 4, stride=2, padding=1))


def _up(dim: int, out: int) -> _Convolution:
    return _Convolution("deconv", nn.ConvTranspose2d(dim, out, 2, stride=2))


def example(config: RASMConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images with odd sides, and random masks."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(batch_size, 1, 33, 42, generator=generator) > 0.5
    return {"images": torch.rand(batch_size, 3, 33, 42, generator=generator), "mask": mask.float()}


def paper_input(config: RASMConfig) -> dict[str, Tensor]:
    """One image of 256 x 256 pixels, for which the paper counts, and its mask."""
    return {"images": torch.empty(1, 3, 256, 256), "mask": torch.empty(1, 1, 256, 256)}


def mask_beside(source: Any) -> Path:
    """The mask of a photograph: the file of the same name with ``-mask.png`` in place of its suffix."""
    path = Path(source)
    return path.with_name(path.stem + "-mask.png")


def preprocess(config: RASMConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A photograph (path), or a pair (photograph, mask) of paths, PIL images or arrays.

    The photograph keeps its size, with values in [0, 1]; the mask is brought to that size, 1 where it is light. A
    path alone reads the mask from the file beside it, ``photo-mask.png`` for ``photo.jpg``: light where shadow is.
    """

    def prepare(source: Any) -> dict[str, Tensor]:
        photograph, mask = source if isinstance(source, tuple) else (source, None)
        image = images.stretched_tensor(photograph)
        mask = mask_beside(photograph) if mask is None else mask
        drawn = images.stretched_tensor(mask, *image.shape[2:]).mean(1, keepdim=True)
        return {"images": image, "mask": (drawn > 0.5).float()}

    return prepare


def predict(model: RASM, config: RASMConfig, source: Any) -> dict[str, Any]:
    """The picture without its shadow."""
    arguments = preprocess(config)(source)
    parameter = next(model.parameters())
    with torch.no_grad():
        answer = model(**{name: value.to(parameter.device, parameter.dtype) for name, value in arguments.items()})
    return {"picture": images.to_picture(answer[0])}
