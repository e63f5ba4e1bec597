"""After training: the two branches of every RepConvN as one convolution."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_vision.yolo9tr.blocks import Conv, RepConvN

Network = TypeVar("Network", bound=nn.Module)


def folded(conv: Conv) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a convolution and its batch norm (in eval mode) together."""
    norm = conv.bn
    assert norm.running_var is not None
    assert norm.running_mean is not None
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    return conv.conv.weight * factor.view(-1, 1, 1, 1), norm.bias - norm.running_mean * factor


def one_convolution(block: RepConvN) -> nn.Sequential:
    """A 3 x 3 convolution with bias, and SiLU, that compute what the block computes in eval mode."""
    (wide, wide_bias), (point, point_bias) = folded(block.conv1), folded(block.conv2)
    dim = wide.shape[0]
    conv = nn.Conv2d(dim, dim, 3, padding=1).to(wide)
    with torch.no_grad():
        conv.weight.copy_(wide + functional.pad(point, (1, 1, 1, 1)))
        assert conv.bias is not None
        conv.bias.copy_(wide_bias + point_bias)
    return nn.Sequential(conv, nn.SiLU())


def fused(model: Network) -> Network:
    """A copy in eval mode in which every RepConvN is one convolution; it can no longer be trained as before."""
    model = copy.deepcopy(model).eval()
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, RepConvN):
                setattr(parent, name, one_convolution(child))
    return model
