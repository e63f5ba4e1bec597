"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.datasets import handwritten_digits
from zoo.evidence.plots import new_figure, saved
from zoo.nn import digits
from zoo.nn.vision_transformer import VisionTransformer
from zoo.targets import require
from zoo_sequence.efficient_attention.config import (
    EfficientAttentionFPNConfig,
    EfficientAttentionResNetConfig,
    EfficientAttentionViTConfig,
)
from zoo_sequence.efficient_attention.layer import EfficientAttention
from zoo_sequence.efficient_attention.networks import EfficientAttentionFPN, build_resnet

SIDE, EPOCHS = 96, 12


def resnet(path: Path) -> None:
    """Which pixels of a photograph move one place of the last map (cross) of a small untrained network: without the two
    modules its neighbourhood alone, with them, in one step, the whole image."""
    torch.manual_seed(0)
    model = build_resnet(EfficientAttentionResNetConfig()).eval()
    _draw_reach(path, model, model.backbone.layer3, "last map", model.attention)


def fpn(path: Path) -> None:
    """Which pixels of a photograph move one place of the pyramid's largest map, p2 (cross), in a small untrained
    network: without the modules the stages' neighbourhood alone, with them, on every level, the whole image."""
    torch.manual_seed(0)
    model = EfficientAttentionFPN(EfficientAttentionFPNConfig()).eval()
    _draw_reach(path, model, model.attention[0], "p2", nn.ModuleList([model.body.attention, model.attention]))


def _draw_reach(path: Path, model: nn.Module, layer: Any, name: str, modules: nn.Module) -> None:
    photograph = require("skimage.data", needed_by="the photograph").astronaut()
    image = torch.from_numpy(photograph.copy()).permute(2, 0, 1)[None].float() / 255
    image = functional.interpolate(image, (SIDE, SIDE), mode="area")
    figure = new_figure(figsize=(8.4, 3.4))
    axes = figure.subplots(1, 3)
    axes[0].imshow(image[0].permute(1, 2, 0).numpy())
    axes[0].set_title("image")
    layers = [each for each in modules.modules() if isinstance(each, EfficientAttention)]
    for axis, title, exists in ((axes[1], "without the modules", False), (axes[2], "with them", True)):
        reach, where = _reach(model, layer, image, [] if exists else layers)
        drawn = axis.imshow((reach + 1e-6).log10().numpy(), cmap="magma", vmin=-6, vmax=0)
        axis.plot(*where, "+", color="cyan", markersize=10)
        axis.set_title(f"{title}: {float((reach > 1e-6).float().mean()):.0%} of the pixels", fontsize=10)
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
    figure.colorbar(drawn, ax=axes[1:], label=f"log10 of the gradient of {name}", shrink=0.8)
    saved(figure, path)


def _reach(
    model: nn.Module, layer: nn.Module, image: Tensor, idle: list[EfficientAttention]
) -> tuple[Tensor, tuple[float, float]]:
    """|d centre / d pixel|, relative to the largest, and the centre's place in the image; ``idle`` modules pass on."""
    found: list[Tensor] = []
    handles = [each.register_forward_hook(lambda module, given, output: given[0]) for each in idle]
    handles.append(layer.register_forward_hook(lambda module, given, output: found.append(output)))
    pixels = image.clone().requires_grad_()
    model(pixels)
    for handle in handles:
        handle.remove()
    row, column = (side // 2 for side in found[-1].shape[-2:])
    (gradient,) = torch.autograd.grad(found[-1][0, :, row, column].square().sum(), pixels)
    strength = gradient[0].abs().sum(0)
    scale = image.shape[-1] / found[-1].shape[-1]
    return strength / strength.max(), ((column + 0.5) * scale, (row + 0.5) * scale)


def vit(path: Path) -> None:
    """A small network that learned handwritten digits for some seconds: where five key channels of its last layer
    gather from in three held-out digits; a channel has one such map, whatever the query."""
    torch.manual_seed(0)
    config = EfficientAttentionViTConfig(image_size=8, patch_size=2, in_channels=1, dim=32, num_layers=2, pool="mean")
    model = VisionTransformer(config)
    digits.fit(model, epochs=EPOCHS, seed=0, learning_rate=5e-3)
    accuracy = digits.measure(model).accuracy
    layer = next(each for each in reversed(list(model.modules())) if isinstance(each, EfficientAttention))
    _, _, images, classes = handwritten_digits()
    tokens: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, given, output: tokens.append(given[0]))
    with torch.no_grad():
        model(images[:3, None])
        keys = functional.linear(tokens[0], layer.keys.weight.flatten(1), layer.keys.bias)
    handle.remove()
    gathered = keys.softmax(1)[:, -16:]
    # The channels that differ most from the plain mean over places.
    channels = gathered.var(1).mean(0).topk(5).indices.tolist()
    figure = new_figure(figsize=(8.6, 4.6))
    figure.suptitle(f"{accuracy:.0%} of held-out digits right after {EPOCHS} epochs")
    for index, line in enumerate(figure.subplots(3, 6)):
        line[0].imshow(images[index].numpy(), cmap="gray_r")
        line[0].set_ylabel(f"a {int(classes[index])}", fontsize=9)
        for axis, channel in zip(line[1:], channels, strict=True):
            drawn = axis.imshow(
                gathered[index, :, channel].view(4, 4).numpy(), cmap="inferno", vmin=0, vmax=float(gathered.max())
            )
            axis.set_title(f"channel {channel}" if not index else "", fontsize=9)
        for axis in line:
            axis.set_xticks([])
            axis.set_yticks([])
    figure.colorbar(drawn, ax=figure.axes, label="share of a key channel", shrink=0.8)
    saved(figure, path)
