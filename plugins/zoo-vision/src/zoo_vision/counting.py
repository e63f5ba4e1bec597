"""Multiply-adds of convolutional networks, counted by hooks on real modules."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


def multiply_adds(model: nn.Module, inputs: Tensor, per_norm_output: int = 0) -> int:
    """Multiply-adds of one forward pass in eval mode.

    Args:
        model: any network; on the meta device nothing is computed.
        inputs: its only argument, on the same device.
        per_norm_output: what an output element of a batch norm counts.

    Returns:
        The sum over convolutions and linear layers (outputs times inputs per output) and batch norms. Biases,
        poolings, activations, additions and products of maps are not counted.
    """
    total = 0

    def count(module: nn.Module, args: Any, output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d | nn.Linear):
            total += output.numel() * module.weight[0].numel()
        else:
            total += output.numel() * per_norm_output

    counted = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)
    handles: list[RemovableHandle] = []
    training = model.training
    try:
        handles += [part.register_forward_hook(count) for part in model.modules() if isinstance(part, counted)]
        with torch.no_grad():
            model.eval()(inputs)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return total
