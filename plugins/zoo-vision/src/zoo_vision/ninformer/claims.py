"""What the paper promises and a machine can check."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

import zoo
from zoo import Measurement
from zoo.nn import digits
from zoo.nn.descent import descend
from zoo_vision.images import upsample_digits
from zoo_vision.ninformer.block import MixerBlock, NiNformerBlock, NiNformerStack
from zoo_vision.ninformer.config import NiNformerBlockConfig

_SMALL = NiNformerBlockConfig(dim=12, hidden_dim=20, num_tokens=7, num_layers=1, dropout=0.0)


class _One(nn.Module):
    """Stands for a mixer whose gate is 1 everywhere."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)


def check_gate_depends_on_data() -> Measurement:
    """How the gate of a token answers to other tokens, and how that answer differs between two inputs.

    The gate multiplies the linear part of its token, so the Jacobian of the gated output with respect to another token
    changes with the input.
    """
    torch.manual_seed(0)
    unit = NiNformerBlock(_SMALL).eval().mgu.double()
    jacobians = []
    for seed in (1, 2):
        x = torch.randn(1, 7, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        jacobian: Any = torch.autograd.functional.jacobian(unit, x)
        jacobians.append(jacobian[0, 0, :, 0, 1])
    size = float(jacobians[0].abs().mean())
    change = float((jacobians[0] - jacobians[1]).abs().mean())
    scaled = unit(2 * x) / unit.proj(2 * x) - unit(x) / unit.proj(x)
    ratio = float(scaled.abs().mean().detach())
    return Measurement(
        f"response of a token to another {size:.2g}, changing by {change:.2g} between inputs; doubling the input "
        f"changes the gate by {ratio:.2g}",
        size > 1e-4 and change > 0.1 * size and ratio > 1e-3,
    )


def check_no_attention_matrix() -> Measurement:
    """Every tensor that a forward pass makes, at twice as many tokens as any width."""
    config = NiNformerBlockConfig(dim=12, hidden_dim=20, num_tokens=50, num_layers=1, dropout=0.0)
    model = NiNformerStack(config).eval()
    with _Shapes() as seen:
        model(torch.randn(2, 50, 12))
    square = [shape for shape in seen.shapes if shape[-2:] == (50, 50)]
    return Measurement(
        f"{len(square)} of {len(seen.shapes)} tensors are tokens by tokens", not square and len(seen.shapes) > 10
    )


class _Shapes(TorchDispatchMode):
    """The shapes of all tensors that are made inside."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor):
            self.shapes.append(tuple(made.shape))
        return made


def check_open_gate() -> Measurement:
    """A block whose mixer gives 1 everywhere against a linear map of each token with shortcuts, written out."""
    torch.manual_seed(0)
    block = NiNformerBlock(_SMALL).eval()
    x = torch.randn(2, 7, 12)
    block.mgu.Mixer = _One()  # type: ignore[assignment]
    with torch.no_grad():
        plain = x + block.mgu.proj(block.norm(x))
        plain = plain + block.ffn(block.norm(plain))
        difference = float((block(x) - plain).abs().max())
    return Measurement(f"difference {difference:g}", difference == 0)


def check_fixed_tokens() -> Measurement:
    """One token more than the weights are for."""
    model = NiNformerStack(_SMALL).eval()
    try:
        model(torch.randn(1, 8, 12))
    except zoo.InputError as error:
        return Measurement(f"refused: {error}", True)
    return Measurement("accepted", False)


def check_products_of_tokens() -> Measurement:
    """Training error on targets x_t * tanh(u . x_(t+1)), after 300 steps, for both kinds of block over three seeds."""
    errors: dict[str, list[float]] = {"gated": [], "mixer": []}
    for seed in range(3):
        for kind, found in errors.items():
            found.append(_product_error(kind, seed))
    means = {kind: sum(found) / len(found) for kind, found in errors.items()}
    worst, best = max(errors["gated"]), min(errors["mixer"])
    return Measurement(
        f"held-out squared error {means['gated']:.3f} gated (worst {worst:.3f}), {means['mixer']:.3f} Mixer (best "
        f"{best:.3f})",
        worst < best,
    )


def _product_error(kind: str, seed: int) -> float:
    config = replace(_SMALL, dim=16, hidden_dim=32, num_tokens=8)
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    block = NiNformerBlock(config) if kind == "gated" else nn.Sequential(MixerBlock(config), MixerBlock(config))
    model = nn.Sequential(block, nn.Linear(16, 16))
    direction = torch.randn(16, generator=generator)

    def draw(count: int) -> tuple[Tensor, Tensor]:
        x = torch.randn(count, 8, 16, generator=generator)
        return x, x * torch.tanh(x.roll(-1, 1) @ direction)[..., None]

    def loss_of(batch: tuple[Tensor, Tensor]) -> Tensor:
        return functional.mse_loss(model(batch[0]), batch[1])

    descend(model, (draw(64) for _ in range(300)), loss_of, torch.optim.Adam(model.parameters(), 3e-3))
    with torch.no_grad():
        return float(loss_of(draw(512)))


def check_digits() -> Measurement:
    """The bundled classifier on 360 held-out digits, beside a linear model of the same pixels."""
    ours = digits.measure(zoo.load("ninformer/digits"), view=upsample_digits).accuracy
    baseline = digits.linear_accuracy()
    return Measurement(f"{ours:.1%} of 360 held-out digits; a linear model {baseline:.1%}", ours > baseline)
