"""Images in, tensors out: what every classifier of this plugin does with a path, a PIL image or an array."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

DIGITS_SIDE = 32


def open_image(source: Any) -> Image.Image:
    """A PIL image from a path, an image, or an array (H, W) or (H, W, 3) of uint8 or of floats in [0, 1].

    Raises:
        InputError: the source is none of these.
    """
    if isinstance(source, Image.Image):
        return source
    if isinstance(source, np.ndarray):
        array = source if source.dtype == np.uint8 else (np.clip(source, 0, 1) * 255).round().astype(np.uint8)
        return Image.fromarray(array)
    if not isinstance(source, str | os.PathLike):
        raise InputError(f"{type(source).__name__} is not an image; give a path, a PIL image or a NumPy array")
    try:
        with Image.open(source) as image:
            image.load()
            return image.copy()
    except (FileNotFoundError, IsADirectoryError, UnidentifiedImageError) as error:
        raise InputError(f"{os.fspath(source)!r} cannot be read as an image: {error}") from error


def imagenet_tensor(source: Any, side: int) -> Tensor:
    """(1, 3, side, side) float32: shorter side resized to 8/7 of ``side``, centre crop, ImageNet statistics."""
    image = open_image(source).convert("RGB")
    scale = round(side * 8 / 7) / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    pixels = np.asarray(image.crop((left, top, left + side, top + side)), dtype=np.float32) / 255
    pixels = (pixels - np.array(IMAGENET_MEAN, np.float32)) / np.array(IMAGENET_STD, np.float32)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def digits_tensor(source: Any) -> Tensor:
    """(1, 3, 32, 32) float32 in [-1, 1] of a light digit on a dark ground, as in scikit-learn's digits."""
    image = open_image(source).convert("L").resize((8, 8), Image.Resampling.BOX)
    return upsample_digits(torch.from_numpy(np.asarray(image, dtype=np.float32))[None] / 255)


def upsample_digits(images: Tensor) -> Tensor:
    """Digits (n, 8, 8) in [0, 1] to (n, 3, 32, 32) in [-1, 1], bilinear."""
    big = functional.interpolate(images[:, None], size=(DIGITS_SIDE, DIGITS_SIDE), mode="bilinear", align_corners=False)
    return (big * 2 - 1).expand(-1, 3, -1, -1).contiguous()


def top_classes(model: nn.Module, images: Tensor, count: int = 5) -> dict[str, Any]:
    """The likeliest classes of one image with their probabilities."""
    with torch.no_grad():
        probabilities = model(images)[0].float().softmax(-1)
    best = probabilities.topk(min(count, len(probabilities)))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return {"classes": [{"class": index, "probability": round(value, 4)} for index, value in pairs]}


def save_maps(images: Tensor, maps: Tensor, path: str | os.PathLike[str]) -> None:
    """Write a PNG: each image (n, 3, H, W) above its map (n, h, w), the map over the image in colour."""
    from zoo.targets import require

    pyplot = require("matplotlib.figure", needed_by="drawing maps")
    figure = pyplot.Figure(figsize=(1.6 * len(images), 3.4), layout="constrained")
    axes = figure.subplots(2, len(images), squeeze=False)
    for column, (image, weights) in enumerate(zip(images, maps, strict=True)):
        grey = image.mean(0).cpu()
        height, width = grey.shape
        axes[0][column].imshow(grey, cmap="gray")
        axes[1][column].imshow(grey, cmap="gray")
        axes[1][column].imshow(weights.cpu(), cmap="inferno", alpha=0.6, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    for axis in axes.flat:
        axis.set_axis_off()
    figure.savefig(path, dpi=120)
