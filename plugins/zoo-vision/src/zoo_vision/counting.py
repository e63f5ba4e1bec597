"""Multiply-adds of convolutional networks, as their papers count them."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from zoo.counting import flops


def multiply_adds(model: nn.Module, inputs: Tensor, per_norm_output: int = 0) -> int:
    """Multiply-adds of one forward pass in eval mode.

    Args:
        model: any network, on any device; nothing is computed.
        inputs: its only argument.
        per_norm_output: what an output element of a batch norm counts.

    Returns:
        The sum over convolutions and products of matrices (outputs times inputs per output) and batch norms. Biases,
        poolings, activations, additions and products of maps are not counted.
    """
    normalised = 0

    def count(module: nn.Module, args: Any, output: Tensor) -> None:
        nonlocal normalised
        normalised += output.numel()

    training = model.training
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    handles = [norm.register_forward_hook(count) for norm in norms]
    try:
        products = flops(model.eval(), inputs) // 2
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return products + per_norm_output * normalised
