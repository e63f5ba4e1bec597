"""Mamba's mixer, and the ways in which it runs over a sequence."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.selective_scan import selective_scan
from zoo_vision.dynamicvis.config import MixerConfig

_SLOWEST, _FASTEST = 1e-3, 0.1


class RMSNorm(nn.Module):
    """x / sqrt(mean x^2 + 1e-5), times a learned weight; in at least float32."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) to the same shape."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return self.weight * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-5)).to(x.dtype)


class Mamba(nn.Module):
    """Gate, causal convolution and selective scan (Mamba 1)."""

    def __init__(self, config: MixerConfig) -> None:
        super().__init__()
        inner = config.expand * config.dim
        self.state_size = config.state_size
        self.rank = math.ceil(config.dim / 16)
        self.in_proj = nn.Linear(config.dim, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, config.conv_kernel, padding=config.conv_kernel - 1, groups=inner)
        self.x_proj = nn.Linear(inner, self.rank + 2 * config.state_size, bias=False)
        self.dt_proj = nn.Linear(self.rank, inner)
        self.A_log = nn.Parameter(torch.empty(inner, config.state_size))
        self.D = nn.Parameter(torch.empty(inner))
        self.out_proj = nn.Linear(inner, config.dim, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """States that forget at rates 1, 2, .., and step sizes log-uniform in [0.001, 0.1]."""
        with torch.no_grad():
            rates = torch.arange(1, self.state_size + 1, dtype=self.A_log.dtype, device=self.A_log.device)
            self.A_log.copy_(rates.log().expand_as(self.A_log))
            low, high = math.log(_SLOWEST), math.log(_FASTEST)
            step = torch.exp(torch.rand_like(self.dt_proj.bias) * (high - low) + low)
            # The inverse of softplus.
            self.dt_proj.bias.copy_(step + torch.log(-torch.expm1(-step)))
        nn.init.ones_(self.D)
        nn.init.uniform_(self.dt_proj.weight, -(self.rank**-0.5), self.rank**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, L, dim) to the same shape; a token sees itself and what came before."""
        hidden, gate = self.in_proj(x).chunk(2, -1)
        hidden = functional.silu(self.conv1d(hidden.mT)[..., : x.shape[1]].mT)
        mixed = self.x_proj(hidden)
        low_rank, write, read = mixed.split((self.rank, self.state_size, self.state_size), -1)
        step = functional.softplus(self.dt_proj(low_rank))
        answer = selective_scan(hidden, step, -torch.exp(self.A_log), write, read, self.D)
        return self.out_proj(answer.to(gate.dtype) * functional.silu(gate))


class ScanBlock(nn.Module):
    """F: norm, Mamba along one path or several with the same weights, shortcut."""

    def __init__(self, config: MixerConfig) -> None:
        super().__init__()
        self.path = config.path
        self.pre_norm = RMSNorm(config.dim)
        self.mamba_layer = Mamba(config)
        if config.path.endswith("gate"):
            count = 3 if "shuffle" in config.path else 2
            self.gate_layer = nn.Sequential(nn.Linear(count * config.dim, count, bias=False), nn.Softmax(-1))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, L, dim) to the same shape."""
        normed = self.pre_norm(x)
        if self.path == "forward":
            return x + self.mamba_layer(normed)
        ways = [normed, normed.flip(1)]
        shuffle = self._shuffle(x) if "shuffle" in self.path else None
        if shuffle is not None:
            ways.append(normed[:, shuffle])
        answers = list(self.mamba_layer(torch.cat(ways)).unflatten(0, (len(ways), x.shape[0])).unbind())
        answers[1] = answers[1].flip(1)
        if shuffle is not None:
            answers[2] = answers[2][:, shuffle.argsort()]
        if not self.path.endswith("gate"):
            return x + torch.stack(answers).mean(0)
        shares = self.gate_layer(torch.cat([answer.mean(1) for answer in answers], -1))
        weighed = [answer * shares[:, index, None, None] for index, answer in enumerate(answers)]
        return x + torch.stack(weighed).sum(0)

    def _shuffle(self, x: Tensor) -> Tensor:
        """A new order in training, and always the same one in evaluation."""
        generator = None if self.training else torch.Generator().manual_seed(0)
        return torch.randperm(x.shape[1], generator=generator).to(x.device)
