"""The bidirectional Mamba over the tokens of all frames (that of VideoMamba)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.selective_scan import selective_scan
from zoo_activity.spikmamba.config import SpikMambaSSMConfig

_SLOWEST, _FASTEST = 1e-3, 0.1


class BiMamba(nn.Module):
    """Gate, causal convolution and selective scan, in both directions; what ends in ``_b`` reads backwards."""

    def __init__(self, config: SpikMambaSSMConfig) -> None:
        super().__init__()
        inner, self.rank, self.state_size = config.expand * config.dim, config.rank, config.state_size
        self.in_proj = nn.Linear(config.dim, 2 * inner, bias=False)
        for way in ("", "_b"):
            conv = nn.Conv1d(inner, inner, config.conv_kernel, padding=config.conv_kernel - 1, groups=inner)
            self.add_module(f"conv1d{way}", conv)
            self.add_module(f"x_proj{way}", nn.Linear(inner, self.rank + 2 * self.state_size, bias=False))
            self.add_module(f"dt_proj{way}", nn.Linear(self.rank, inner))
            self.register_parameter(f"A{way}_log", nn.Parameter(torch.empty(inner, self.state_size)))
            self.register_parameter(f"D{way}", nn.Parameter(torch.ones(inner)))
        self.out_proj = nn.Linear(inner, config.dim, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """States that forget at rates 1, 2, .., and step sizes log-uniform in [0.001, 0.1]."""
        low, high = math.log(_SLOWEST), math.log(_FASTEST)
        with torch.no_grad():
            for way in ("", "_b"):
                decay, dt = self.get_parameter(f"A{way}_log"), self.get_submodule(f"dt_proj{way}")
                rates = torch.arange(1, self.state_size + 1, dtype=decay.dtype, device=decay.device)
                decay.copy_(rates.log().expand_as(decay))
                bias = dt.get_parameter("bias")
                step = torch.exp(torch.rand_like(bias) * (high - low) + low)
                # The inverse of softplus.
                bias.copy_(step + torch.log(-torch.expm1(-step)))
                nn.init.uniform_(dt.get_parameter("weight"), -(self.rank**-0.5), self.rank**-0.5)

    def scan(self, hidden: Tensor, way: str) -> Tensor:
        """(B, L, inner) to the same shape; a token sees itself and what came before."""
        length = hidden.shape[1]
        hidden = functional.silu(self.get_submodule(f"conv1d{way}")(hidden.mT)[..., :length].mT)
        mixed = self.get_submodule(f"x_proj{way}")(hidden)
        low_rank, write, read = mixed.split((self.rank, self.state_size, self.state_size), -1)
        step = functional.softplus(self.get_submodule(f"dt_proj{way}")(low_rank))
        # Not get_parameter: tensors that are no parameters stand here while operations are counted.
        decay = -torch.exp(getattr(self, f"A{way}_log"))
        return selective_scan(hidden, step, decay, write, read, getattr(self, f"D{way}")).to(hidden.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, C) to the same shape."""
        hidden, gate = self.in_proj(x).chunk(2, -1)
        answer = self.scan(hidden, "") + self.scan(hidden.flip(1), "_b").flip(1)
        return self.out_proj(answer * functional.silu(gate))


class MambaLayer(nn.Module):
    """x + BiMamba(RMSNorm(x))."""

    def __init__(self, config: SpikMambaSSMConfig) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(config.dim, eps=config.rms_eps)
        self.mixer = BiMamba(config)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, C) to the same shape."""
        return x + self.mixer(self.norm(x))
