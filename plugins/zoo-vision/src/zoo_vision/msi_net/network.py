"""The network, and what it does with a picture."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_vision import images
from zoo_vision.images import require_images
from zoo_vision.msi_net.config import MSINetConfig

# Subtracted from the channels of RGB as they come: the published weights know these BGR means in this order.
MEANS = (103.939, 116.779, 123.68)
_CONVOLUTIONS = (2, 2, 3, 3, 3)
_DILATIONS = (4, 8, 12)
# Around a picture, in [0, 1].
_GREY = 126 / 255


def doubled(x: Tensor) -> Tensor:
    """(batch, channels, h, w) to (batch, channels, 2h, 2w) by TensorFlow 1's bilinear rule."""
    for axis in (2, 3):
        following = torch.cat((x.narrow(axis, 1, x.shape[axis] - 1), x.narrow(axis, x.shape[axis] - 1, 1)), axis)
        x = torch.stack((x, (x + following) / 2), axis + 1).flatten(axis, axis + 1)
    return x


def _pool_in_place(x: Tensor) -> Tensor:
    """Largest of 2 x 2 at stride 1; a row below and a column to the right are padded with minus infinity."""
    return functional.max_pool2d(functional.pad(x, (0, 1, 0, 1), value=-torch.inf), 2, stride=1)


class Encoder(nn.Module):
    """VGG16's convolutions at an eighth of the resolution."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        stages = []
        before = 3
        for stage, (width, count) in enumerate(zip(widths, _CONVOLUTIONS, strict=True)):
            dilation = 2 if stage == 4 else 1
            layers = []
            for _ in range(count):
                layers.append(nn.Conv2d(before, width, 3, padding=dilation, dilation=dilation))
                before = width
            stages.append(nn.ModuleList(layers))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, H, W) to (batch, sum of the last three widths, H // 8, W // 8)."""
        features = []
        for stage, layers in enumerate(self.stages):
            for layer in layers.children():
                x = layer(x).relu()
            x = functional.max_pool2d(x, 2) if stage < 3 else _pool_in_place(x)
            if stage >= 2:
                features.append(x)
        return torch.cat(features, 1)


class Context(nn.Module):
    """Five views of the same features, from a point to the whole image."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.point = nn.Conv2d(dim, width, 1)
        self.dilated = nn.ModuleList(nn.Conv2d(dim, width, 3, padding=step, dilation=step) for step in _DILATIONS)
        self.whole = nn.Conv2d(dim, width, 1)
        self.mix = nn.Conv2d((len(_DILATIONS) + 2) * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, h, w) to (batch, width, h, w)."""
        whole = self.whole(x.mean((2, 3), keepdim=True)).relu().expand(-1, -1, *x.shape[2:])
        branches = [self.point(x).relu(), *(layer(x).relu() for layer in self.dilated), whole]
        return self.mix(torch.cat(branches, 1)).relu()


class MSINet(nn.Module):
    """Images (batch, 3, H, W), RGB from 0 to 255, to saliency (batch, 1, H, W) in [0, 1]."""

    means: Tensor

    def __init__(self, config: MSINetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder_channels)
        self.context = Context(sum(config.encoder_channels[2:]), config.context_channels)
        widths = [config.context_channels, *config.decoder_channels]
        self.decoder = nn.ModuleList(nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(widths))
        self.head = nn.Conv2d(widths[-1], 1, 3, padding=1)
        self.register_buffer("means", torch.tensor(MEANS).view(1, 3, 1, 1), persistent=False)
        for layer in (*self.context.modules(), *self.decoder, self.head):
            if isinstance(layer, nn.Conv2d):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def raw(self, images: Tensor) -> Tensor:
        """The last convolution's map, before it is brought to [0, 1], at the images' size.

        Sides that are no multiple of 8 are padded by their last row and column, and the padding is cut off again.
        """
        require_images(images)
        height, width = images.shape[2:]
        padded = functional.pad(images, (0, -width % 8, 0, -height % 8), mode="replicate")
        return self.unpadded(padded)[..., :height, :width]

    def unpadded(self, images: Tensor) -> Tensor:
        """The same without padding, as the authors' graph runs: (batch, 1, 8 * (H // 8), 8 * (W // 8))."""
        x = self.context(self.encoder(images - self.means))
        for layer in self.decoder:
            x = layer(doubled(x)).relu()
        return self.head(x)

    def forward(self, images: Tensor) -> Tensor:
        """Where people look.

        Args:
            images: (batch, 3, H, W), RGB from 0 to 255, any sides.

        Returns:
            (batch, 1, H, W): 0 where each map is lowest, 1 where it is highest.
        """
        return scaled(self.raw(images))


def scaled(raw: Tensor) -> Tensor:
    """Maps (batch, 1, H, W) from 0 where each is lowest to 1 where it is highest."""
    raised = raw - raw.amin((1, 2, 3), keepdim=True)
    return raised / (1e-7 + raised.amax((1, 2, 3), keepdim=True))


def example(config: MSINetConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images, odd sides."""
    return {"images": torch.rand(batch_size, 3, 33, 42, generator=torch.Generator().manual_seed(seed)) * 255}


def paper_input(config: MSINetConfig) -> dict[str, Tensor]:
    """One image of the size that photographs are brought to."""
    return {"images": torch.empty(1, 3, config.height, config.width)}


def preprocess(config: MSINetConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A path, PIL image or array, whole and padded to the config's size, from 0 to 255."""

    def prepare(source: Any) -> dict[str, Tensor]:
        picture = images.open_image(source).convert("RGB")
        return {"images": images.letterbox(picture, config.height, config.width, _GREY)[0] * 255}

    return prepare


def predict(model: MSINet, config: MSINetConfig, source: Any) -> dict[str, Any]:
    """The saliency map as a grey picture of the source's size, and its highest point in pixels."""
    picture = images.open_image(source).convert("RGB")
    canvas, (left, top, right, bottom) = images.letterbox(picture, config.height, config.width, _GREY)
    parameter = next(model.parameters())
    with torch.no_grad():
        saliency = model(canvas.to(parameter.device, parameter.dtype) * 255)[..., top:bottom, left:right]
    size = (picture.height, picture.width)
    full = functional.interpolate(saliency.float(), size=size, mode="bilinear", align_corners=False)[0, 0]
    peak = int(full.argmax())
    return {"saliency": images.to_picture(full), "peak": {"x": peak % picture.width, "y": peak // picture.width}}
