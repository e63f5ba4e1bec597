"""Leaky integrate-and-fire neurons (LIF)."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_activity.spikmamba.config import SpikMambaConfig


class _Step(torch.autograd.Function):
    """The step at 0, with a sigmoid's gradient. That is no derivative of the step, so there is no second one."""

    generate_vmap_rule = True

    @staticmethod
    def forward(excess: Tensor, slope: float) -> Tensor:
        return (excess >= 0).to(excess.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.slope = inputs[1]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        if torch.is_grad_enabled():
            raise InputError(
                "a spiking neuron's surrogate gradient cannot be differentiated again: leave out create_graph=True; "
                "torch.func asks for that always, torch.autograd.grad does not"
            )
        (excess,) = ctx.saved_tensors
        smooth = torch.sigmoid(ctx.slope * excess)
        return grads[0] * ctx.slope * smooth * (1 - smooth), None


def fire(excess: Tensor, slope: float) -> Tensor:
    """1 where ``excess`` >= 0, else 0; its gradient is that of sigmoid(slope * excess).

    Raises:
        InputError: in a backward pass with ``create_graph=True``, or of ``torch.func``.
    """
    if not excess.requires_grad:
        return (excess >= 0).to(excess.dtype)
    return cast(Tensor, _Step.apply(excess, slope))


def lif(
    x: Tensor,
    membrane: Tensor | None = None,
    *,
    tau: float = 2.0,
    threshold: float = 1.0,
    reset: float | None = 0.0,
    slope: float = 4.0,
) -> tuple[Tensor, Tensor]:
    """Neurons over the leading axis.

    Args:
        x: (time, ...) input currents.
        membrane: (...) what an earlier part of the input left; None is rest, ``reset`` or 0.
        tau: time constant in steps.
        threshold: membrane that fires.
        reset: membrane after firing, to which it leaks too; None subtracts the threshold, and leaks to 0.
        slope: of the surrogate gradient.

    Returns:
        Spikes (time, ...), 0 or 1, in the dtype of ``x``, and the membrane (...), in at least float32.
    """
    currents = x.to(torch.promote_types(x.dtype, torch.float32))
    rest = reset or 0.0
    v = torch.full_like(x[:1].sum(0), rest, dtype=currents.dtype) if membrane is None else membrane
    spikes = []
    for current in currents.unbind():
        v = v + (current - (v - rest)) / tau
        spike = fire(v - threshold, slope)
        fired = spike.detach()
        v = v - fired * threshold if reset is None else v * (1 - fired) + rest * fired
        spikes.append(spike)
    return (torch.stack(spikes) if spikes else currents).to(x.dtype), v


def settings_of(config: SpikMambaConfig) -> dict[str, Any]:
    """The keyword arguments of ``lif`` for a config."""
    return {
        "tau": config.tau,
        "threshold": config.v_threshold,
        "reset": config.v_reset,
        "slope": config.surrogate_slope,
    }


class LIF(nn.Module):
    """Neurons over frames of clips; holds no state, so that a call cannot see an earlier one unless told to."""

    def __init__(self, config: SpikMambaConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, x: Tensor, frames: int, membrane: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Currents (clips * frames, ...), clip by clip, to spikes of that shape and the membrane left.

        The membrane is (clips, ...), or (...) where one runs through all clips.
        """
        settings = settings_of(self.config)
        if self.config.lif_axis == "leading":
            return lif(x, membrane, **settings)
        spikes, membrane = lif(x.unflatten(0, (-1, frames)).transpose(0, 1), membrane, **settings)
        return spikes.transpose(0, 1).flatten(0, 1), membrane
