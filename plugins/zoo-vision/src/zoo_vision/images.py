"""Images in, tensors out: what every classifier of this plugin does with a path, a PIL image or an array."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.places import to_read

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
SMALL_SIDE = 32
_BYTE = 255


def open_image(source: Any) -> Image.Image:
    """A PIL image of 8 bits a channel, without transparency, upright as its EXIF orientation says.

    16 bits are scaled to 8 (PIL would cut them off at 255, which leaves a photograph white), and what is transparent
    shows white, as viewers show it (PIL would uncover colours that nobody sees).

    Args:
        source: a path, a PIL image, or an array (H, W), (H, W, 3) or (H, W, 4) of integers in 0..255 or of floats
            in [0, 1].

    Raises:
        InputError: the source is none of these, or the file cannot be read.
    """
    if isinstance(source, Image.Image):
        return _plain(ImageOps.exif_transpose(source))
    if isinstance(source, np.ndarray):
        return _plain(Image.fromarray(_bytes(source)))
    if not isinstance(source, str | os.PathLike):
        raise InputError(f"{type(source).__name__} is not an image; give a path, a PIL image or a NumPy array")
    try:
        with Image.open(to_read(source)) as image:
            return _plain(ImageOps.exif_transpose(image).copy())
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise InputError(f"{os.fspath(source)!r} cannot be read as an image: {error}") from error


def _plain(image: Image.Image) -> Image.Image:
    """Grey or RGB of 8 bits; other modes that PIL converts faithfully stay as they are."""
    if image.mode == "F":
        return Image.fromarray(_bytes(np.asarray(image)))
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        # PIL's name for 32 bits stands for files of 16 bits, too.
        wide = image.mode != "I" or (values.size and values.max() > _BYTE)
        return Image.fromarray(_bytes((values + 128) // 257 if wide else values))
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image
    whole = image.convert("RGBA")
    ground = Image.new("RGBA", whole.size, "white")
    return Image.alpha_composite(ground, whole).convert("RGB")


def _bytes(array: np.ndarray) -> np.ndarray:
    """The array as uint8, or an error that says what is wrong with it."""
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or 0 in array.shape:
        raise InputError(f"array of shape {array.shape}; expected (height, width), or 3 or 4 channels last")
    is_float = np.issubdtype(array.dtype, np.floating)
    if not is_float and not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"array of {array.dtype}; expected integers in 0..255 or floats in [0, 1]")
    top = 1 if is_float else 255
    if not (array.min() >= 0 and array.max() <= top):
        raise InputError(
            f"array of {array.dtype} from {array.min():g} to {array.max():g}; expected values in 0..{top}, so divide "
            "by the largest possible value"
        )
    return (array * 255).round().astype(np.uint8) if is_float else array.astype(np.uint8)


def imagenet_tensor(source: Any, side: int, crop: float = 7 / 8) -> Tensor:
    """(1, 3, side, side) float32: the central square over ``crop`` of the shorter side, ImageNet statistics."""
    image = open_image(source).convert("RGB")
    square = min(image.size) * crop
    left, top = (image.width - square) / 2, (image.height - square) / 2
    box = (left, top, left + square, top + square)
    return _normalised(image.resize((side, side), Image.Resampling.BICUBIC, box), IMAGENET_MEAN, IMAGENET_STD)


def cifar_tensor(source: Any) -> Tensor:
    """(1, 3, 32, 32) float32: the whole image, CIFAR's statistics."""
    image = open_image(source).convert("RGB").resize((SMALL_SIDE, SMALL_SIDE), Image.Resampling.BICUBIC)
    return _normalised(image, CIFAR_MEAN, CIFAR_STD)


def digits_tensor(source: Any) -> Tensor:
    """(1, 3, 32, 32) float32 in [-1, 1] of a light digit on a dark ground, as in scikit-learn's digits."""
    image = open_image(source).convert("L").resize((8, 8), Image.Resampling.BOX)
    return upsample_digits(torch.from_numpy(np.asarray(image, dtype=np.float32))[None] / 255)


def upsample_digits(images: Tensor) -> Tensor:
    """Digits (n, 8, 8) in [0, 1] to (n, 3, 32, 32) in [-1, 1], bilinear."""
    big = functional.interpolate(images[:, None], size=(SMALL_SIDE, SMALL_SIDE), mode="bilinear", align_corners=False)
    return (big * 2 - 1).expand(-1, 3, -1, -1).contiguous()


def stretched_tensor(
    source: Any,
    height: int | None = None,
    width: int | None = None,
    mean: tuple[float, ...] = (0.0, 0.0, 0.0),
    std: tuple[float, ...] = (1.0, 1.0, 1.0),
) -> Tensor:
    """(1, 3, height, width) float32 of the whole image: stretched to the size given (its own by default), normalised.

    With the defaults of ``mean`` and ``std`` values lie in [0, 1].
    """
    image = open_image(source).convert("RGB")
    size = (width or image.width, height or image.height)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    return _normalised(image, mean, std)


def letterbox(picture: Image.Image, height: int, width: int, grey: float) -> tuple[Tensor, tuple[int, int, int, int]]:
    """The whole picture, enlarged or reduced, in the middle of a grey canvas.

    Args:
        picture: RGB.
        height, width: of the canvas, in pixels.
        grey: of the canvas, in [0, 1].

    Returns:
        (1, 3, height, width) in [0, 1], and where on it the picture lies: left, top, right, bottom in pixels.
    """
    factor = min(height / picture.height, width / picture.width)
    inner = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas = torch.full((1, 3, height, width), grey)
    canvas[..., top : top + inner[1], left : left + inner[0]] = stretched_tensor(picture, inner[1], inner[0])
    return canvas, (left, top, left + inner[0], top + inner[1])


def require_images(images: Tensor, channels: int = 3, side: int | None = None) -> None:
    """Raise InputError unless images are floats (batch, channels, height, width), no side 0, of one ``side`` if given.

    Integers are refused: bytes of a picture are not what a network was trained on.
    """
    if not isinstance(images, Tensor):
        raise InputError(f"{type(images).__name__} is no tensor; `preprocess` makes one of a path, PIL image or array")
    expected = f"(batch, {channels}, {side or 'height'}, {side or 'width'})"
    fits = images.ndim == 4 and images.shape[1] == channels and 0 not in images.shape[2:]
    if not fits or (side is not None and tuple(images.shape[2:]) != (side, side)):
        hint = "" if side is None else ": resize them, as `preprocess` does"
        raise InputError(f"images {list(images.shape)}; expected {expected}{hint}")
    if not images.is_floating_point():
        raise InputError(f"images of {images.dtype}; expected floats, as `preprocess` makes them of a picture's bytes")


def to_picture(image: Tensor) -> Image.Image:
    """A picture of (3, H, W) or (H, W) values in [0, 1]; what lies outside is cut off."""
    values = image.detach().float().cpu().clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray((values.permute(1, 2, 0) if values.ndim == 3 else values).numpy())


def preprocessor(dataset: str, side: int = 224, crop: float = 7 / 8) -> Callable[[Any], dict[str, Tensor]]:
    """From raw images to ``forward``'s arguments, as networks for a data set expect them.

    Args:
        dataset: "digits", or a name that starts with "imagenet" or "cifar", in any case.
        side: of ImageNet's images after the crop, in pixels.
        crop: share of the shorter side that ImageNet's networks see, in the middle.
    """
    if dataset == "digits":
        return lambda source: {"images": digits_tensor(source)}
    if dataset.lower().startswith("cifar"):
        return lambda source: {"images": cifar_tensor(source)}
    return lambda source: {"images": imagenet_tensor(source, side, crop)}


def _normalised(image: Image.Image, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    pixels = torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).permute(2, 0, 1)[None]
    return (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


def top_classes(model: nn.Module, images: Tensor, count: int = 5) -> dict[str, Any]:
    """The likeliest classes of one image with their probabilities, most likely first."""
    parameter = next(model.parameters())
    with torch.no_grad():
        return likeliest(model(images.to(parameter.device, parameter.dtype))[0], count)


def likeliest(logits: Tensor, count: int = 5, names: Sequence[str] = ()) -> dict[str, Any]:
    """Of logits (classes,) the likeliest classes with their probabilities, most likely first.

    Classes are numbers, or names where one is given for each.
    """
    probabilities = logits.float().softmax(-1)
    best = probabilities.topk(min(count, len(probabilities)))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return {
        "classes": [
            {"class": names[index] if names else index, "probability": round(value, 4)} for index, value in pairs
        ]
    }
