"""The network, and what it does with a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_vision import images
from zoo_vision.firm.config import FIRMConfig, GuidanceConfig
from zoo_vision.firm.guidance import GuidanceBlock, Mark, mask_of
from zoo_vision.firm.naf import NAFBlock, window_at
from zoo_vision.images import require_images


@dataclass
class Separated:
    """The two layers of a photograph through glass, each (batch, 3, H, W)."""

    transmission: Tensor
    reflection: Tensor


class FIRM(nn.Module):
    """Images (batch, 3, H, W) in [0, 1] and guidance (batch, 1, H, W) to scene and reflection."""

    def __init__(self, config: FIRMConfig) -> None:
        super().__init__()
        self.config = config
        width, levels = config.width, len(config.encoder_blocks)
        deepest = width * 2**levels

        def blocks(count: int, dim: int, level: int) -> nn.Sequential:
            window = window_at(level, config.local_train_size, levels)
            return nn.Sequential(*(NAFBlock(dim, window) for _ in range(count)))

        self.intro = nn.Conv2d(4, width, 3, padding=1)
        self.encoders = nn.ModuleList(
            blocks(count, width * 2**level, level) for level, count in enumerate(config.encoder_blocks)
        )
        self.downs = nn.ModuleList(
            nn.Conv2d(width * 2**level, width * 2 ** (level + 1), 2, stride=2) for level in range(levels)
        )
        guidance = GuidanceConfig(deepest, config.num_heads, config.hidden_dim, config.dropout)
        self.crossattn = GuidanceBlock(guidance)
        self.crossattn1 = GuidanceBlock(guidance)
        self.middle_blks = blocks(config.middle_blocks, deepest, levels)
        depths = range(levels, 0, -1)
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width * 2**depth, width * 2 ** (depth + 1), 1, bias=False), nn.PixelShuffle(2))
            for depth in depths
        )
        self.decoders_trans = nn.ModuleList(
            blocks(count, width * 2 ** (depth - 1), depth - 1)
            for count, depth in zip(config.decoder_blocks, depths, strict=True)
        )
        self.ending = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, images: Tensor, guidance: Tensor) -> Separated:
        """Separate.

        Args:
            images: (batch, 3, H, W) in [0, 1], any sides.
            guidance: (batch, 1, H, W): 0 unknown, 1 reflection, anything between transmission.
        """
        require_images(images)
        if guidance.shape != (images.shape[0], 1, *images.shape[2:]):
            raise InputError(
                f"images {list(images.shape)} and guidance {list(guidance.shape)}; expected (batch, 3, height, width) "
                "and (batch, 1, height, width)"
            )
        height, width = images.shape[2:]
        found = self.padded(torch.cat((images, guidance.to(images.dtype)), 1))
        return Separated(found.transmission[..., :height, :width], found.reflection[..., :height, :width])

    def padded(self, joined: Tensor) -> Separated:
        """Image and guidance as four channels (batch, 4, H, W), to both layers at the padded size."""
        factor = 2 ** len(self.encoders)
        joined = functional.pad(joined, (0, -joined.shape[3] % factor, 0, -joined.shape[2] % factor))
        x, skips = self.intro(joined), []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            skips.append(x)
            x = down(x)
        reflected, transmitted = self._masks(joined[:, 3:], x)
        transmission = self._decoded(self.crossattn(x, transmitted), skips)
        reflection = self._decoded(self.crossattn1(x, reflected), skips)
        return Separated(transmission, reflection)

    def _masks(self, guidance: Tensor, deepest: Tensor) -> tuple[Tensor, Tensor]:
        """Where reflection and where transmission is marked, at the size of the deepest map."""
        size = deepest.shape[2:]
        if self.config.mask_rule == "nearest":
            small = functional.interpolate(guidance, size, mode="nearest-exact")
        else:
            small = functional.interpolate(guidance, size, mode="bilinear", align_corners=False)
        return (small == 1).to(deepest.dtype), ((small != 0) & (small != 1)).to(deepest.dtype)

    def _decoded(self, x: Tensor, skips: Sequence[Tensor]) -> Tensor:
        x = self.middle_blks(x)
        for up, decoder, skip in zip(self.ups, self.decoders_trans, reversed(skips), strict=True):
            x = decoder(up(x) + skip)
        return self.ending(x)


def example(config: FIRMConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images with odd sides, half marked."""
    generator = torch.Generator().manual_seed(seed)
    marks = torch.randint(0, 3, (batch_size, 1, 5, 3), generator=generator)
    guidance = torch.tensor([0.0, 125 / 255, 1.0])[marks].repeat_interleave(8, 2).repeat_interleave(16, 3)
    images = torch.rand(batch_size, 3, 39, 45, generator=generator)
    return {"images": images, "guidance": guidance[..., :39, :45]}


def paper_input(config: FIRMConfig) -> dict[str, Tensor]:
    """One image of 512 x 512 pixels and its guidance."""
    return {"images": torch.empty(1, 3, 512, 512), "guidance": torch.empty(1, 1, 512, 512)}


def preprocess(config: FIRMConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A photograph (path, PIL image or array) without guidance, or a pair (photograph, marks).

    The photograph keeps its size, with values in [0, 1]. Marks are those of ``zoo_vision.firm.guidance.mask_of``:
    ("reflection", (x, y)), ("transmission", (x1, y1, x2, y2)).
    """

    def prepare(source: Any) -> dict[str, Tensor]:
        photograph, marks = source if isinstance(source, tuple) else (source, ())
        image = images.stretched_tensor(photograph)
        found: Sequence[Mark] = marks
        return {"images": image, "guidance": mask_of(found, *image.shape[2:])}

    return prepare


def predict(model: FIRM, config: FIRMConfig, source: Any) -> dict[str, Any]:
    """The scene behind the glass and the reflection, as pictures."""
    parameter = next(model.parameters())
    arguments = preprocess(config)(source)
    with torch.no_grad():
        answer = model(**{name: value.to(parameter.device, parameter.dtype) for name, value in arguments.items()})
    return {
        "transmission": images.to_picture(answer.transmission[0]),
        "reflection": images.to_picture(answer.reflection[0]),
    }
