"""The network: spins to log amplitudes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.exporting import on_the_way_to_onnx
from zoo.nn.heads import merge_heads, split_heads
from zoo_sequence.transformer_wave_function.config import WaveFunctionConfig


def offsets(side: int) -> Tensor:
    """(n, n) int64: flat index of the periodic offset from patch i to patch j."""
    rows, columns = torch.arange(side).repeat_interleave(side), torch.arange(side).repeat(side)
    down = (rows[None] - rows[:, None]) % side
    right = (columns[None] - columns[:, None]) % side
    return down * side + right


class PatchAttention(nn.Module):
    """Attention over patches, (batch, n, d) to the same shape."""

    def __init__(self, config: WaveFunctionConfig) -> None:
        super().__init__()
        self.config = config
        heads, patches, dim = config.num_heads, config.num_patches, config.dim
        shape = (heads, patches) if config.translation_invariant else (heads, patches, patches)
        self.alpha = nn.Parameter(torch.empty(shape))
        self.v = nn.Linear(dim, dim)
        self.W = nn.Linear(dim, dim)
        content = config.attention in ("standard", "decoupled")
        self.q = nn.Linear(dim, dim) if content else None
        self.k = nn.Linear(dim, dim) if content else None
        self.offsets: Tensor
        self.register_buffer("offsets", offsets(config.side), persistent=False)

    def positional(self) -> Tensor:
        """The free part (heads, n, n)."""
        return self.alpha[:, self.offsets] if self.config.translation_invariant else self.alpha

    def weights(self, x: Tensor) -> Tensor:
        """alpha of every configuration: (batch or 1, heads, n, n)."""
        free = self.positional()[None]
        kind = self.config.attention
        if kind == "factored":
            return free
        if kind == "positional-softmax" or self.q is None or self.k is None:
            return free.softmax(-1)
        query, key = (split_heads(projection(x), self.config.num_heads) for projection in (self.q, self.k))
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        return (scores + free).softmax(-1) if kind == "standard" else scores.softmax(-1) + free

    def forward(self, x: Tensor) -> Tensor:
        """Attend."""
        mixed = self.weights(x) @ split_heads(self.v(x), self.config.num_heads)
        return self.W(merge_heads(mixed))


class Block(nn.Module):
    """Pre-norm block."""

    def __init__(self, config: WaveFunctionConfig) -> None:
        super().__init__()
        dim = config.dim
        self.layer_norm_1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = PatchAttention(config)
        self.layer_norm_2 = nn.LayerNorm(dim, eps=1e-6)
        self.ff = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(approximate="tanh"), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n, d) to the same shape."""
        x = x + self.attn(self.layer_norm_1(x))
        return x + self.ff(self.layer_norm_2(x))


class OutputHead(nn.Module):
    """Sum of patches to a complex number: sum over features of log cosh."""

    def __init__(self, config: WaveFunctionConfig) -> None:
        super().__init__()
        dim = config.dim
        self.out_layer_norm = nn.LayerNorm(dim, eps=1e-6)
        self.output_layer0 = nn.Linear(dim, dim)
        self.output_layer1 = nn.Linear(dim, dim)
        normalised = config.head == "normalised"
        self.norm2: nn.Module = nn.LayerNorm(dim, eps=1e-6) if normalised else nn.Identity()
        self.norm3: nn.Module = nn.LayerNorm(dim, eps=1e-6) if normalised else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n, d) to complex (batch,)."""
        z = self.out_layer_norm(x.sum(-2))
        return log_cosh(self.norm2(self.output_layer0(z)), self.norm3(self.output_layer1(z))).sum(-1)


def log_cosh(real: Tensor, imaginary: Tensor) -> Tensor:
    """log cosh(real + i imaginary), without overflow: flip to Re >= 0, then u + log1p(exp(-2u)) - log 2."""
    if real.dtype != torch.float64:
        real, imaginary = real.float(), imaginary.float()
    u = torch.complex(real, imaginary)
    u = torch.where(real < 0, -u, u)
    return u + torch.log1p(torch.exp(-2 * u)) - math.log(2)


class WaveFunction(nn.Module):
    """Spins (batch, L * L), +-1 in row-major order, to complex log amplitudes (batch,), float64 by default."""

    def __init__(self, config: WaveFunctionConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Linear(config.patch_size**2, config.dim)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.head = OutputHead(config)
        self.double()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier uniform for matrices and alpha, zero biases."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, PatchAttention):
                nn.init.xavier_uniform_(module.alpha)
                with torch.no_grad():
                    module.alpha.mul_(self.config.alpha_scale)

    def patches(self, spins: Tensor) -> Tensor:
        """(batch, n, b * b): row-major patches, row-major inside.

        Raises:
            InputError: another number of spins.
        """
        side, size = self.config.side, self.config.patch_size
        if spins.shape[-1] != self.config.lattice_size**2:
            raise InputError(f"{spins.shape[-1]} spins; expected {self.config.lattice_size**2}")
        blocks = spins.unflatten(-1, (side, size, side, size)).transpose(-3, -2)
        return blocks.flatten(-2).flatten(-3, -2).to(self.embed.weight.dtype)

    def forward(self, spins: Tensor) -> Tensor:
        """Log amplitudes.

        Raises:
            InputError: an export to ONNX, which has no complex numbers.
        """
        if on_the_way_to_onnx():
            raise InputError("log amplitudes are complex numbers, which ONNX has not: use torch.export")
        x = self.embed(self.patches(spins))
        for layer in self.layers:
            x = layer(x)
        return self.head(x)

    def attention_weights(self, spins: Tensor) -> list[Tensor]:
        """alpha (batch or 1, heads, n, n) of every layer."""
        x, found = self.embed(self.patches(spins)), []
        for layer in self.layers:
            assert isinstance(layer, Block)
            found.append(layer.attn.weights(layer.layer_norm_1(x)))
            x = layer(x)
        return found


def attention_input_dependence(model: WaveFunction, spins: Tensor) -> float:
    """Variance over configurations of each attention weight, divided by its mean squared; the mean of all."""
    with torch.no_grad():
        ratios = [
            (weights.var(0, correction=0) / weights.mean(0).square().clamp(min=1e-30)).mean()
            for weights in model.attention_weights(spins)
        ]
    return float(torch.stack(ratios).mean())


def example(config: WaveFunctionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random balanced configurations."""
    generator = torch.Generator().manual_seed(seed)
    sites = config.lattice_size**2
    spins = torch.rand(batch_size, sites, generator=generator).argsort(1)
    return {"spins": torch.where(spins < sites // 2, 1, -1)}
