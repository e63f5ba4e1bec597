"""MoH-ViT: an image classifier of four stages (the TransNeXt backbone) whose attention is MoH.

Every stage halves the grid with a strided convolution and then has blocks

    x = x + attention(LN(x));    x = x + ConvGLU(LN(x))

Attention is cosine attention with a learned temperature. The first stages aggregate: a query looks at its 3 x 3
neighbours and at a pooled map of the whole grid under ONE softmax; the last stage looks at every token. Both kinds
end in gated heads. Distances become a bias through a small network of log-spaced coordinates.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.drop_path import DropPath, linear_rates
from zoo.nn.heads import merge_heads
from zoo.nn.masks import masked_softmax
from zoo_sequence.moh.config import MoHViTConfig
from zoo_sequence.moh.routing import Heads, Router, Routing, gated_heads

_BIAS_WIDTH = 512
_COORDINATE_RANGE = 8.0
_FIRST_TEMPERATURE = 1 / 0.24


def log_coordinates(side: int, pooled_side: int) -> tuple[Tensor, Tensor]:
    """Relative coordinates of a grid of queries to a grid of pooled keys, log-spaced.

    Returns:
        The distinct coordinates (count, 2), row then column, and the index (side^2, pooled_side^2) of each pair.
    """
    positions = torch.arange(side, dtype=torch.float32)
    centres = functional.adaptive_avg_pool1d(positions[None, None], pooled_side)[0, 0]
    distances, line = (positions[:, None] - centres).unique(return_inverse=True)
    scaled = distances / max(side - 1, 1) * _COORDINATE_RANGE
    spaced = scaled.sign() * (scaled.abs() + 1).log2() / math.log2(_COORDINATE_RANGE)
    table = torch.cartesian_prod(spaced, spaced)
    # (query row, query column, key row, key column)
    index = line[:, None, :, None] * len(distances) + line[None, :, None, :]
    return table, index.reshape(side**2, pooled_side**2)


def neighbours(side: int, window: int) -> tuple[Tensor, Tensor]:
    """The window around every position of a grid, row-major.

    Returns:
        Token indices (side^2, window^2), side^2 where the window leaves the grid, and whether it stays inside.
    """
    grid = functional.pad(torch.arange(side**2).view(1, 1, side, side).float(), [window // 2] * 4, value=side**2)
    index = functional.unfold(grid, window)[0].T.long()
    return index, index < side**2


class CosineAttention(nn.Module):
    """What both kinds of attention share: scaled unit queries, distance bias, router, output projection."""

    def __init__(self, config: MoHViTConfig, stage: int) -> None:
        super().__init__()
        dim, self.num_heads = config.dims[stage], config.num_heads[stage]
        self.skip = config.skip
        self.temperature = nn.Parameter(torch.empty(self.num_heads, 1, 1))
        self.query_embedding = nn.Parameter(torch.empty(self.num_heads, 1, dim // self.num_heads))
        self.cpb_fc1 = nn.Linear(2, _BIAS_WIDTH)
        self.cpb_fc2 = nn.Linear(_BIAS_WIDTH, self.num_heads)
        self.proj = nn.Linear(dim, dim)
        self.router = Router(dim, self.num_heads, config.shared_heads[stage], config.routed_heads[stage])
        side = config.side(stage)
        table, index = log_coordinates(side, max(side // config.sr_ratios[stage], 1))
        self.coordinates: Tensor
        self.pair_index: Tensor
        self.register_buffer("coordinates", table, persistent=False)
        self.register_buffer("pair_index", index, persistent=False)

    def reset_parameters(self) -> None:
        """Temperature 1 / 0.24 after softplus; small query embedding."""
        nn.init.constant_(self.temperature, math.log(math.expm1(_FIRST_TEMPERATURE)))
        nn.init.trunc_normal_(self.query_embedding, std=0.02)

    def split(self, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        """(batch, tokens, parts * dim) to ``parts`` tensors (batch, heads, tokens, head_dim)."""
        return x.unflatten(-1, (parts, self.num_heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)

    def scaled(self, unit_query: Tensor, length_scale: Tensor | float) -> Tensor:
        """Queries times temperature and log length, embedding added."""
        return (unit_query + self.query_embedding) * functional.softplus(self.temperature) * length_scale

    def distance_bias(self) -> Tensor:
        """(heads, queries, keys)."""
        table = self.cpb_fc2(functional.relu(self.cpb_fc1(self.coordinates.to(self.temperature.dtype))))
        return table.T[:, self.pair_index]

    def heads(self, x: Tensor) -> Heads:
        """The heads of one input, ready to be evaluated."""
        raise NotImplementedError

    def gated(self, x: Tensor, routing: Routing) -> Tensor:
        """Every head times its gate, (batch, heads, tokens, head_dim)."""
        return gated_heads(routing, self.heads(x), skip=self.skip)

    def forward(self, x: Tensor, routings: list[Routing] | None = None) -> Tensor:
        """(batch, tokens, dim) to the same shape."""
        routing = self.router(x)
        if routings is not None:
            routings.append(routing)
        return self.proj(merge_heads(self.gated(x, routing)))


class FullAttention(CosineAttention):
    """Every token looks at every token."""

    def __init__(self, config: MoHViTConfig, stage: int) -> None:
        super().__init__(config, stage)
        self.qkv = nn.Linear(config.dims[stage], 3 * config.dims[stage], bias=config.bias)
        self.reset_parameters()

    def gated(self, x: Tensor, routing: Routing) -> Tensor:
        """Every head times its gate, (batch, heads, tokens, head_dim)."""
        query, key, value = self.split(self.qkv(x), 3)
        query = self.scaled(functional.normalize(query, dim=-1), math.log(x.shape[1]))
        return self.attend(query, functional.normalize(key, dim=-1), value, None, routing=routing)

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None, *, routing: Routing
    ) -> Tensor:
        """Cosine attention with distance bias, every head times its gate; no mask."""
        bias = self.distance_bias()[None]

        def heads(which: slice, rows: Tensor | None) -> Tensor:
            q, b = query[:, which], bias[:, which]
            if rows is not None:
                q = _gather(q, rows)
                b = b[0, 0][rows][:, None]
            return functional.scaled_dot_product_attention(q, key[:, which], value[:, which], b, scale=1.0)

        return gated_heads(routing, heads, skip=self.skip)


class AggregatedAttention(CosineAttention):
    """Every token looks at its neighbours and at a pooled map of the grid, under one softmax."""

    def __init__(self, config: MoHViTConfig, stage: int) -> None:
        super().__init__(config, stage)
        dim, window = config.dims[stage], config.window_sizes[stage] or 1
        head_dim = dim // self.num_heads
        self.side = config.side(stage)
        self.pooled_side = max(self.side // config.sr_ratios[stage], 1)
        self.q = nn.Linear(dim, dim, bias=config.bias)
        self.kv = nn.Linear(dim, 2 * dim, bias=config.bias)
        self.sr = nn.Conv2d(dim, dim, 1)
        self.norm = nn.LayerNorm(dim)
        self.relative_pos_bias_local = nn.Parameter(torch.empty(self.num_heads, window**2))
        self.learnable_tokens = nn.Parameter(torch.empty(self.num_heads, head_dim, window**2))
        self.learnable_bias = nn.Parameter(torch.empty(self.num_heads, 1, window**2))
        index, inside = neighbours(self.side, window)
        self.window_index: Tensor
        self.inside: Tensor
        self.length_scale: Tensor
        self.register_buffer("window_index", index, persistent=False)
        self.register_buffer("inside", inside, persistent=False)
        self.register_buffer(
            "length_scale", (inside.sum(1, keepdim=True) + self.pooled_side**2).float().log(), persistent=False
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Small local biases and learnable tokens."""
        super().reset_parameters()
        nn.init.trunc_normal_(self.relative_pos_bias_local, std=0.0004)
        nn.init.trunc_normal_(self.learnable_tokens, std=0.02)
        nn.init.zeros_(self.learnable_bias)

    def pooled(self, x: Tensor) -> Tensor:
        """(batch, tokens, dim) to the tokens of the pooled map."""
        grid = x.transpose(1, 2).unflatten(2, (self.side, self.side))
        grid = functional.adaptive_avg_pool2d(functional.gelu(self.sr(grid)), self.pooled_side)
        return self.norm(grid.flatten(2).transpose(1, 2))

    def heads(self, x: Tensor) -> Heads:
        """Local and pooled attention."""
        (unit,) = self.split(self.q(x), 1)
        unit = functional.normalize(unit, dim=-1)
        query = self.scaled(unit, self.length_scale.to(x.dtype))
        key, value = self.split(self.kv(x), 2)
        # One zero row more: what a window finds outside the grid.
        key, value = (
            functional.pad(functional.normalize(key, dim=-1), (0, 0, 0, 1)),
            functional.pad(value, (0, 0, 0, 1)),
        )
        pooled_key, pooled_value = self.split(self.kv(self.pooled(x)), 2)
        pooled_key = functional.normalize(pooled_key, dim=-1)
        bias = self.distance_bias()[None]

        def attend(which: slice, rows: Tensor | None) -> Tensor:
            q, u, b, index, inside = query[:, which], unit[:, which], bias[:, which], self.window_index, self.inside
            if rows is None:
                near_key, near_value = key[:, which][:, :, index], value[:, which][:, :, index]
            else:
                q, u, b = _gather(q, rows), _gather(u, rows), b[0, 0][rows][:, None]
                index, inside = index[rows], inside[rows][:, None]
                near_key, near_value = (_gather_windows(t[:, which], index) for t in (key, value))
            near = torch.einsum("bhnd,bhnwd->bhnw", q, near_key) + self.relative_pos_bias_local[which, None]
            near = near.masked_fill(~inside, -math.inf)  # never all of a window: its centre is inside
            far = q @ pooled_key[:, which].transpose(-1, -2) + b
            weights = masked_softmax(torch.cat((near, far), -1), None)
            near, far = weights.split((near.shape[-1], far.shape[-1]), -1)
            near = near + u @ self.learnable_tokens[which] + self.learnable_bias[which]
            return torch.einsum("bhnw,bhnwd->bhnd", near, near_value) + far @ pooled_value[:, which]

        return attend


def _gather(x: Tensor, rows: Tensor) -> Tensor:
    """(B, 1, N, d) at rows (B, n): (B, 1, n, d)."""
    return x.gather(2, rows[:, None, :, None].expand(-1, -1, -1, x.shape[-1]))


def _gather_windows(x: Tensor, index: Tensor) -> Tensor:
    """(B, 1, N, d) at window indices (B, n, w): (B, 1, n, w, d)."""
    flat = _gather(x, index.flatten(1))
    return flat.unflatten(2, index.shape[1:])


class ConvGLU(nn.Module):
    """fc2(GELU(depthwise 3 x 3 convolution of a) * b), a and b the halves of fc1."""

    def __init__(self, dim: int, ratio: float, side: int) -> None:
        super().__init__()
        hidden = int(2 * (ratio * dim) / 3)
        self.side = side
        self.fc1 = nn.Linear(dim, 2 * hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, dim) to the same shape."""
        gate, value = self.fc1(x).chunk(2, dim=-1)
        grid = gate.transpose(1, 2).unflatten(2, (self.side, self.side))
        gate = functional.gelu(self.dwconv(grid).flatten(2).transpose(1, 2))
        return self.fc2(gate * value)


class ViTBlock(nn.Module):
    """Pre-norm attention and ConvGLU."""

    def __init__(self, config: MoHViTConfig, stage: int, drop_path: float) -> None:
        super().__init__()
        kind = FullAttention if config.sr_ratios[stage] == 1 else AggregatedAttention
        dim = config.dims[stage]
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = kind(config, stage)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = ConvGLU(dim, config.mlp_ratios[stage], config.side(stage))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, routings: list[Routing] | None = None) -> Tensor:
        """(batch, tokens, dim) to the same shape."""
        x = x + self.drop_path(self.attn(self.norm1(x), routings))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class OverlapPatchEmbed(nn.Module):
    """A strided convolution whose kernel overlaps its neighbours, then LayerNorm: maps to tokens."""

    def __init__(self, in_channels: int, dim: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, dim, kernel, stride, padding=kernel // 2)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, side, side) to (batch, tokens, dim)."""
        return self.norm(self.proj(x).flatten(2).transpose(1, 2))


class Stage(nn.Module):
    """Embedding, blocks and a final norm."""

    def __init__(self, config: MoHViTConfig, stage: int, rates: list[float]) -> None:
        super().__init__()
        self.side = config.side(stage)
        channels = config.dims[stage - 1] if stage else config.in_channels
        kernel, stride = (3, 2) if stage else (2 * config.patch_size - 1, config.patch_size)
        self.patch_embed = OverlapPatchEmbed(channels, config.dims[stage], kernel, stride)
        self.blocks = nn.ModuleList(ViTBlock(config, stage, rate) for rate in rates)
        self.norm = nn.LayerNorm(config.dims[stage], eps=1e-6)

    def forward(self, x: Tensor, routings: list[Routing] | None = None) -> Tensor:
        """Map (batch, channels, 2 side, 2 side) to map (batch, dim, side, side)."""
        tokens = self.patch_embed(x)
        for block in self.blocks:
            tokens = block(tokens, routings)
        return self.norm(tokens).transpose(1, 2).unflatten(2, (self.side, self.side))


class MoHViT(nn.Module):
    """Images (batch, 3, image_size, image_size) to logits (batch, num_classes)."""

    def __init__(self, config: MoHViTConfig) -> None:
        super().__init__()
        self.config = config
        rates = linear_rates(config.drop_path, sum(config.depths))
        starts = [sum(config.depths[:stage]) for stage in range(len(config.depths))]
        self.stages = nn.ModuleList(
            Stage(config, stage, rates[start : start + config.depths[stage]]) for stage, start in enumerate(starts)
        )
        self.head = nn.Linear(config.dims[-1], config.num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Linear layers truncated normal of deviation 0.02, convolutions He fan-out, biases zero."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
            elif isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
            else:
                continue
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def features(self, images: Tensor, *, routings: list[Routing] | None = None) -> Tensor:
        """(batch, last dim): the mean over the tokens of the last stage.

        Raises:
            InputError: the image is not of the configured size.
        """
        side = self.config.image_size
        if tuple(images.shape[-2:]) != (side, side):
            raise InputError(f"image of {tuple(images.shape[-2:])} pixels; expected {side} x {side}")
        x = images
        for stage in self.stages:
            x = stage(x, routings)
        return x.flatten(2).mean(-1)

    def forward(self, images: Tensor, *, routings: list[Routing] | None = None) -> Tensor:
        """Logits; ``routings`` is a list that every layer's decision is appended to, for ``balance_loss``."""
        return self.head(self.features(images, routings=routings))


def vit_example(config: MoHViTConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """Random images."""
    generator = torch.Generator().manual_seed(seed)
    side = config.image_size
    return {"images": torch.randn(batch_size, config.in_channels, side, side, generator=generator)}
