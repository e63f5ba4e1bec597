"""The module: gates over the planes of a map (batch, channels, height, width)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_vision.triplet_attention.config import TripletConfig


class Conv(nn.Module):
    """Convolution 2 -> 1 and batch norm, under the module file's names."""

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=(kernel_size - 1) // 2, bias=False)
        self.bn = nn.BatchNorm2d(1, eps=1e-5, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 2, P, Q) to (batch, 1, P, Q)."""
        return self.bn(self.conv(x))


class Gate(nn.Module):
    """Attention over the plane of the last two axes."""

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        self.conv = Conv(kernel_size)

    def weights(self, x: Tensor) -> Tensor:
        """(batch, A, P, Q) to gate values (batch, 1, P, Q) in (0, 1)."""
        pooled = torch.stack((x.amax(1), x.mean(1)), dim=1)
        return self.conv(pooled).sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, A, P, Q) to the same shape."""
        return x * self.weights(x)


class TripletAttention(nn.Module):
    """(batch, channels, height, width) to the same shape, for any sizes."""

    def __init__(self, config: TripletConfig) -> None:
        super().__init__()
        self.cw = Gate(config.kernel_size)
        self.hc = Gate(config.kernel_size)
        self.hw = None if config.no_spatial else Gate(config.kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        """Average of the gated inputs.

        Raises:
            InputError: ``x`` has no four axes.
        """
        if x.ndim != 4:
            raise InputError(f"shape {tuple(x.shape)}; expected (batch, channels, height, width)")
        total = self.cw(x.transpose(1, 2)).transpose(1, 2) + self.hc(x.transpose(1, 3)).transpose(1, 3)
        return total / 2 if self.hw is None else (total + self.hw(x)) / 3


def example(config: TripletConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """A random map."""
    return {"x": torch.randn(batch_size, 6, 9, 7, generator=torch.Generator().manual_seed(seed))}


def attention_maps(model: nn.Module, inputs: Tensor, block: int = 0) -> Tensor:
    """Where one block's gate over the H-W plane looks.

    Args:
        model: a network with the module, or the module itself.
        inputs: what the model takes.
        block: number of the module in the network, from the input; negative from the output.

    Returns:
        Gate values in (0, 1): (batch, height / stride, width / stride).

    Raises:
        InputError: there is no such gate.
    """
    gates = [part.hw for part in model.modules() if isinstance(part, TripletAttention) and part.hw is not None]
    if not -len(gates) <= block < len(gates):
        raise InputError(f"block={block}: the model has {len(gates)} gates over the H-W plane")
    gate, found = gates[block], []

    def keep(module: nn.Module, args: tuple[Tensor]) -> None:
        found.append(gate.weights(args[0])[:, 0])

    handle = gate.register_forward_pre_hook(keep)
    try:
        with torch.no_grad():
            model(inputs)
    finally:
        handle.remove()
    return found[0]
