"""PVT-v2: a pyramid of transformers whose keys and values are reduced by convolutions.

Names of parameters are the published ones. Source: "PVT v2", arXiv 2106.13797.
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.heads import merge_heads, split_heads
from zoo_vision.mccl.config import STAGES, MCCLConfig

_EPS = 1e-6


class PatchEmbedding(nn.Module):
    """Overlapping patches: (batch, channels, H, W) to (batch, H / stride, W / stride, dim), rounded up."""

    def __init__(self, kernel: int, stride: int, channels: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, kernel, stride, padding=kernel // 2)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Embed."""
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


class ReducedAttention(nn.Module):
    """Attention of all positions to positions of a map reduced by a convolution of side ``reduction``."""

    def __init__(self, dim: int, num_heads: int, reduction: int) -> None:
        super().__init__()
        self.num_heads, self.reduction = num_heads, reduction
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)
        if reduction > 1:
            self.sr = nn.Conv2d(dim, dim, reduction, stride=reduction)
            self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, H, W, dim) to the same shape."""
        seen = x
        if self.reduction > 1:
            seen = self.norm(self.sr(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        key, value = self.kv(seen.flatten(1, 2)).chunk(2, -1)
        q, k, v = (split_heads(part, self.num_heads) for part in (self.q(x.flatten(1, 2)), key, value))
        attended = merge_heads(functional.scaled_dot_product_attention(q, k, v))
        return self.proj(attended).unflatten(1, x.shape[1:3])


class DepthwiseConvolution(nn.Module):
    """3 x 3, each channel by itself, on (batch, H, W, dim)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve."""
        return self.dwconv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class ConvolutionalMLP(nn.Module):
    """Linear, depthwise convolution, GELU, linear."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.dwconv = DepthwiseConvolution(hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, H, W, dim) to the same shape."""
        return self.fc2(functional.gelu(self.dwconv(self.fc1(x))))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float, reduction: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=_EPS)
        self.attn = ReducedAttention(dim, num_heads, reduction)
        self.norm2 = nn.LayerNorm(dim, eps=_EPS)
        self.mlp = ConvolutionalMLP(dim, int(dim * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, H, W, dim) to the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PVTv2(nn.Module):
    """Images (batch, 3, H, W) to maps at strides 4, 8, 16 and 32, sides rounded up."""

    def __init__(self, config: MCCLConfig) -> None:
        super().__init__()
        before = 3
        for stage in range(STAGES):
            dim = config.embed_dims[stage]
            kernel, stride = (7, 4) if stage == 0 else (3, 2)
            blocks = (
                Block(dim, config.num_heads[stage], config.mlp_ratios[stage], config.sr_ratios[stage])
                for _ in range(config.depths[stage])
            )
            self.add_module(f"patch_embed{stage + 1}", PatchEmbedding(kernel, stride, before, dim))
            self.add_module(f"block{stage + 1}", nn.ModuleList(blocks))
            self.add_module(f"norm{stage + 1}", nn.LayerNorm(dim, eps=_EPS))
            before = dim
        # Sides from which a stage's map is no smaller than the kernel that reduces it.
        self.least = max(4 * 2**stage * (ratio - 1) + 1 for stage, ratio in enumerate(config.sr_ratios))
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=math.sqrt(2 * module.groups / module.out_channels / _area(module)))
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> list[Tensor]:
        """x1..x4."""
        x, maps = images, []
        for stage in range(1, STAGES + 1):
            x = self.get_submodule(f"patch_embed{stage}")(x)
            for block in self.get_submodule(f"block{stage}").children():
                x = block(x)
            x = self.get_submodule(f"norm{stage}")(x).permute(0, 3, 1, 2)
            maps.append(x)
        return maps


def _area(layer: nn.Conv2d) -> int:
    return layer.kernel_size[0] * layer.kernel_size[1]
