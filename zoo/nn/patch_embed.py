"""Images to tokens: a convolution whose stride is its kernel."""

from __future__ import annotations

from torch import Tensor, nn

from zoo.errors import InputError


class PatchEmbed(nn.Module):
    """(batch, channels, height, width) to (batch, tokens, dim), patches in row-major order."""

    def __init__(self, patch_size: int, dim: int, in_channels: int = 3) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.proj = nn.Conv2d(in_channels, dim, patch_size, stride=patch_size)

    def forward(self, images: Tensor) -> Tensor:
        """Embed every patch.

        Raises:
            InputError: the sides are not multiples of the patch size.
        """
        height, width = images.shape[-2:]
        if height % self.patch_size or width % self.patch_size:
            raise InputError(
                f"image of {height} x {width} pixels does not divide into patches of {self.patch_size}; "
                "resize or pad it"
            )
        return self.proj(images).flatten(2).transpose(1, 2)
