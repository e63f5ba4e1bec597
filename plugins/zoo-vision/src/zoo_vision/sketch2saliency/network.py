"""Photographs in, sketches or saliency out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_vision import images as pictures
from zoo_vision.images import IMAGENET_MEAN, IMAGENET_STD, require_images
from zoo_vision.sketch2saliency import drawings
from zoo_vision.sketch2saliency.config import Photo2SketchConfig
from zoo_vision.sketch2saliency.decoder import Drawing, SketchDecoder


class ImageEncoder(nn.Module):
    """VGG16's features, whose layers keep the places that they have in published checkpoints, and z."""

    def __init__(self, config: Photo2SketchConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, self.ends = 3, list[int]()
        for width, depth in zip(config.encoder_widths, config.encoder_depths, strict=True):
            for _ in range(depth):
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
                before = width
            layers.append(nn.MaxPool2d(2))
            self.ends.append(len(layers))
        self.feature = nn.Sequential(*layers)
        self.fc_z_vector = nn.Linear(before, config.latent_dim)
        finer = config.encoder_widths[-2:-4:-1] if config.scales == 3 else []
        self.lateral = nn.ModuleList(nn.Conv2d(width, before, 1) for width in finer)

    def forward(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Maps (batch, C, H / 32, W / 32), for three scales also those of strides 16 and 8; and z (batch, Z)."""
        stages, start, x = [], 0, images
        for end in self.ends:
            x = self.feature[start:end](x)
            stages.append(x)
            start = end
        maps = [x, *(lateral(stages[-2 - index]) for index, lateral in enumerate(self.lateral))]
        return maps, self.fc_z_vector(x.amax((2, 3)))


class Photo2Sketch(nn.Module):
    """Photographs (batch, 3, H, W), ImageNet-normalised, any sides, and true points to a drawing."""

    def __init__(self, config: Photo2SketchConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = ImageEncoder(config)
        self.sketch_decoder = SketchDecoder(config)

    def forward(self, images: Tensor, strokes: Tensor) -> Drawing:
        """The training pass.

        Args:
            images: (batch, 3, H, W).
            strokes: (batch, T, 5), see ``drawings``.

        Raises:
            InputError: inputs of another shape.
        """
        return self.sketch_decoder(*self._encoded(images), strokes)

    def draw(self, images: Tensor, steps: int | None = None) -> tuple[Tensor, Tensor]:
        """A free run.

        Args:
            images: (batch, 3, H, W).
            steps: points; ``max_length`` by default.

        Returns:
            Points (batch, steps, 5), which may go on after the end (``drawings.cut``), and attention
            (batch, steps, h, w).
        """
        return self.sketch_decoder.draw(*self._encoded(images), steps or self.config.max_length)

    def saliency(self, images: Tensor, steps: int | None = None) -> Tensor:
        """(batch, 1, H, W) in [0, 1], of a free run."""
        return self.resized(self.draw(images, steps)[1], images.shape[-2], images.shape[-1])

    def resized(self, attention: Tensor, height: int, width: int) -> Tensor:
        """Saliency (batch, 1, height, width) of attention (batch, steps, h, w) to pictures of that size."""
        down, right = (-side % self.config.stride for side in (height, width))
        found = saliency_of(attention)[:, None]
        size = (height + down, width + right)
        return functional.interpolate(found, size=size, mode="bilinear", align_corners=False)[..., :height, :width]

    def _encoded(self, images: Tensor) -> tuple[Tensor | list[Tensor], Tensor]:
        require_images(images)
        height, width = images.shape[2:]
        stride = self.config.stride
        padded = functional.pad(images, (0, -width % stride, 0, -height % stride), mode="replicate")
        maps, latent = self.image_encoder(padded)
        return (maps[0] if len(maps) == 1 else maps), latent


class Sketch2Saliency(Photo2Sketch):
    """The same network, read through its attention: photographs to saliency maps."""

    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]
        """(batch, 1, H, W) in [0, 1]; see ``saliency``."""
        return self.saliency(images)


def saliency_of(attention: Tensor) -> Tensor:
    """Mean of attention (batch, steps, h, w) over the steps, divided by its maximum: (batch, h, w)."""
    mean = attention.mean(1)
    return mean / mean.amax((1, 2), keepdim=True).clamp(min=torch.finfo(mean.dtype).tiny)


def example(config: Photo2SketchConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random photographs with odd sides, and random points."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(batch_size, 3, 70, 95, generator=generator)
    return {"images": images, "strokes": torch.randn(batch_size, 4, 5, generator=generator)}


def saliency_example(config: Photo2SketchConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random photographs with odd sides."""
    return {"images": example(config, batch_size, seed)["images"]}


def paper_input(config: Photo2SketchConfig) -> dict[str, Tensor]:
    """One photograph of the size that photographs are brought to."""
    return {"images": torch.empty(1, 3, config.image_size, config.image_size)}


def drawing_input(config: Photo2SketchConfig) -> dict[str, Tensor]:
    """The same, and a sketch of 99 points."""
    return {**paper_input(config), "strokes": torch.empty(1, 99, 5)}


def preprocess(config: Photo2SketchConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A path, PIL image or array, stretched to ``image_size`` squared, by ImageNet's statistics."""
    side = config.image_size
    return lambda source: {"images": pictures.stretched_tensor(source, side, side, IMAGENET_MEAN, IMAGENET_STD)}


def predict(model: Photo2Sketch, config: Photo2SketchConfig, source: Any) -> dict[str, Any]:
    """The saliency map as a grey picture of the source's size, and the sketch, black on white, up to its end."""
    picture = pictures.open_image(source).convert("RGB")
    parameter = next(model.parameters())
    inputs = preprocess(config)(picture)["images"].to(parameter.device, parameter.dtype)
    with torch.no_grad():
        points, attention = model.draw(inputs)
    side = config.image_size
    saliency = model.resized(attention, side, side).float()
    size = (picture.height, picture.width)
    full = functional.interpolate(saliency, size=size, mode="bilinear", align_corners=False)[0, 0]
    return {"saliency": pictures.to_picture(full), "sketch": drawings.rasterised(points[0], 256)}
