"""What restorers of images share: how good a restored image is, and pairs made from real photographs.

* PSNR = 10 log10(range^2 / mean squared error), in decibels.
* SSIM (Wang et al. 2004): means, variances and covariance under a Gaussian window of 11 pixels, deviation 1.5;
  SSIM = ((2 m1 m2 + C1)(2 c12 + C2)) / ((m1^2 + m2^2 + C1)(v1 + v2 + C2)), averaged where the window fits;
  C1 = (0.01 range)^2, C2 = (0.03 range)^2.

* The error in CIE L*a*b* (D65) of shadow removal, which its papers call RMSE: |dL| + |da| + |db|, averaged over pixels.

Super-resolution measures the luma channel of the image without ``scale`` border pixels.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from zoo_vision import photographs
from zoo_vision.photographs import Split

# Of ITU-R BT.601, for values in [0, 1].
_LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)
# Linear sRGB to CIE XYZ, and the white of D65 (2 degrees).
_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
_D65 = (0.95047, 1.0, 1.08883)


def luma(images: Tensor) -> Tensor:
    """(batch, 3, H, W) in [0, 1] to the Y channel (batch, 1, H, W), 16/255 to 235/255, as the field measures on."""
    weights = torch.tensor(_LUMA, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True) + 16 / 255


def psnr(images: Tensor, truth: Tensor, value_range: float = 1.0) -> Tensor:
    """Decibels of each image: (batch, channels, H, W) twice to (batch,); infinite where they are equal."""
    error = (images - truth).square().flatten(1).mean(1)
    return 10 * torch.log10(value_range**2 / error)


def ssim(images: Tensor, truth: Tensor, value_range: float = 1.0) -> Tensor:
    """Structural similarity of each image, in [-1, 1]: (batch, channels, H, W) twice to (batch,).

    Both sides must have at least 11 pixels.
    """
    return similarity_map(images, truth, value_range).flatten(1).mean(1)


def similarity_map(
    images: Tensor, truth: Tensor, value_range: float = 1.0, *, window: int = 11, padding: int = 0
) -> Tensor:
    """Structural similarity at every place of the window.

    Args:
        images, truth: (batch, channels, H, W).
        value_range: largest value less the smallest.
        window: side of the Gaussian window, in pixels, odd.
        padding: zeros around the images; 0 leaves the places where the window fits.

    Returns:
        (batch, channels, H + 2 padding - window + 1, likewise W).
    """
    channels = images.shape[1]
    steps = torch.arange(window, dtype=images.dtype, device=images.device) - window // 2
    line = torch.exp(-steps.square() / (2 * 1.5**2))
    line = line / line.sum()
    kernel = (line[:, None] * line).expand(channels, 1, window, window)

    def mean(values: Tensor) -> Tensor:
        return functional.conv2d(values, kernel, padding=padding, groups=channels)

    first, second = mean(images), mean(truth)
    variance_1 = mean(images.square()) - first.square()
    variance_2 = mean(truth.square()) - second.square()
    covariance = mean(images * truth) - first * second
    c1, c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
    similarity = (2 * first * second + c1) * (2 * covariance + c2)
    return similarity / ((first.square() + second.square() + c1) * (variance_1 + variance_2 + c2))


def lab(images: Tensor) -> Tensor:
    """sRGB (batch, 3, H, W) in [0, 1] to CIE L*a*b* under D65, L* from 0 to 100."""
    linear = torch.where(images > 0.04045, ((images.clamp(min=0) + 0.055) / 1.055) ** 2.4, images / 12.92)
    matrix = torch.tensor(_XYZ, dtype=images.dtype, device=images.device)
    white = torch.tensor(_D65, dtype=images.dtype, device=images.device).view(3, 1, 1)
    share = torch.einsum("ij,bjhw->bihw", matrix, linear) / white
    bent = torch.where(share > 0.008856, share.clamp(min=0.008856) ** (1 / 3), 7.787 * share + 16 / 116)
    x, y, z = bent.unbind(1)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), 1)


def lab_error(images: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """|dL*| + |da*| + |db*|, the mean over an image's pixels: (batch,).

    Args:
        images, truth: (batch, 3, H, W) in [0, 1].
        mask: (batch, 1, H, W) in {0, 1}, the pixels that count; all by default. An image without one gives NaN.
    """
    apart = (lab(images) - lab(truth)).abs().sum(1, keepdim=True)
    counted = torch.ones_like(apart) if mask is None else mask.to(apart.dtype)
    return (apart * counted).flatten(1).sum(1) / counted.flatten(1).sum(1)


def resized(images: Tensor, height: int, width: int) -> Tensor:
    """Bicubic with the filter widened where it reduces, as MATLAB and Pillow reduce; values stay in [0, 1]."""
    found = functional.interpolate(images, size=(height, width), mode="bicubic", align_corners=False, antialias=True)
    return found.clamp(0, 1)


def patches(split: Split, side: int, count: int, batch_size: int, seed: int) -> Iterator[Tensor]:
    """Batches (batch_size, 3, side, side) in [0, 1] of random windows of photographs, mirrored and turned at random.

    Args:
        split: which photographs.
        side: of a window, in pixels; photographs are first reduced to at most three times that.
        count: of batches.
        batch_size: windows in a batch.
        seed: decides everything.
    """
    generator = torch.Generator().manual_seed(seed)
    pictures = [photographs.photograph(name, 3 * side) for name in photographs.photograph_names(split)]
    for _ in range(count):
        windows = []
        for index in torch.randint(len(pictures), (batch_size,), generator=generator).tolist():
            window = photographs.to_tensor(photographs.crop(pictures[index], side, side, generator))
            window = window.rot90(int(torch.randint(8, (), generator=generator)), (1, 2))
            windows.append(window.flip(2) if torch.randint(2, (), generator=generator) else window)
        yield torch.stack(windows)


def shadowed(images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Lay a shadow over each image: a smooth random region in which light is a quarter to seven tenths as strong.

    The shadow is bluish, as under an open sky, and its border is soft over about two pixels.

    Args:
        images: (batch, 3, H, W) in [0, 1].
        generator: decides the regions and strengths.

    Returns:
        The shadowed images, and masks (batch, 1, H, W) of 0 and 1.
    """
    batch, _, height, width = images.shape
    coarse = torch.randn(batch, 1, 5, 5, generator=generator)
    level = functional.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)
    # A third of the pixels, whatever the noise.
    mask = (level > level.flatten(1).quantile(2 / 3, 1).view(batch, 1, 1, 1)).float()
    strength = 0.25 + 0.45 * torch.rand(batch, 1, 1, 1, generator=generator)
    colour = 1 + torch.tensor([-0.06, 0.0, 0.08]).view(1, 3, 1, 1)
    soft = functional.avg_pool2d(functional.pad(mask, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    return images * (1 - soft * (1 - (strength * colour).clamp(max=1))), mask


def reflected(scenes: Tensor, others: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Photographs through glass that reflects other photographs: scene * a + blurred other * b, cut at 1.

    a lies between 0.75 and 0.95, b between 0.15 and 0.4, and the reflection is out of focus.

    Args:
        scenes, others: (batch, 3, H, W) in [0, 1].
        generator: decides the strengths.

    Returns:
        What a camera sees, the scene's share and the reflection's share of it, each (batch, 3, H, W).
    """
    share = 0.75 + 0.2 * torch.rand(len(scenes), 1, 1, 1, generator=generator)
    strength = 0.15 + 0.25 * torch.rand(len(scenes), 1, 1, 1, generator=generator)
    blurred = functional.avg_pool2d(functional.pad(others, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    transmission, reflection = scenes * share, blurred * strength
    return (transmission + reflection).clamp(max=1), transmission, reflection
