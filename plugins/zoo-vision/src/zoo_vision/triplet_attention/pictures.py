"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import zoo
from zoo.evidence.plots import new_figure, saved_small
from zoo_vision import panels
from zoo_vision.triplet_attention.gates import TripletAttention, attention_maps


def gates(path: Path) -> None:
    """The three gates of the first block of the bundled ResNet for a held-out handwritten digit: over height and width,
    over height and channels, and over channels and width.
    """
    model = zoo.load("triplet-attention-resnet/digits")
    digits, _ = panels.one_digit_each()
    module = next(part for part in model.modules() if isinstance(part, TripletAttention))
    found: list[Tensor] = []

    def keep(part: nn.Module, args: tuple[Tensor]) -> None:
        found.append(args[0])

    handle = module.register_forward_pre_hook(keep)
    with torch.no_grad():
        model(digits[3:4])
        x = found[0]
        assert module.hw is not None
        weights = (module.hw.weights(x), module.hc.weights(x.transpose(1, 3)), module.cw.weights(x.transpose(1, 2)))
    handle.remove()
    figure, axes = panels.grid(1, 4, 2.2, 2.2)
    panels.show(axes[0, 0], digits[3].mean(0), "digit", colours="gray")
    # The planes as the module turns them: (H, W), (H, C), (C, W).
    names = (("gate H-W", "width", "height"), ("gate H-C", "channel", "height"), ("gate C-W", "width", "channel"))
    for axis, (title, across, down), each in zip(axes[0, 1:], names, weights, strict=True):
        drawn = panels.show(axis, each[0, 0], title, below=across, low=0, high=1)
        axis.set_aspect("auto")
        axis.set_ylabel(down, fontsize=9)
    figure.colorbar(drawn, ax=axes[0, :], label="gate")
    saved_small(figure, path)


def network(path: Path) -> None:
    """Held-out handwritten digits, what the bundled network calls them, and the gate over height and width in its
    second and third block (the first leaves it at a half).
    """
    model = zoo.load("triplet-attention-resnet/digits")
    figure, axes, digits = panels.digits_and_answers(model, ("digit", "block 2", "block 3"))
    drawn: Any = None
    for block in range(2):
        for column, gate in enumerate(attention_maps(model, digits, block + 1)):
            drawn = panels.show(axes[block + 1, column], gate, low=0.3, high=0.7)
    figure.colorbar(drawn, ax=axes[1:, :], label="gate")
    saved_small(figure, path)


def cost(path: Path) -> None:
    """What triplet attention costs in MobileNetV2 at 224 x 224, counted block by block: multiply-adds of the
    convolutions of each inverted residual, and of the three gates that follow its projection.
    """
    with torch.device("meta"):
        model = zoo.load("triplet-attention-mobilenetv2/k7", weights=None, device="meta")
        image = torch.empty(1, 3, 224, 224)
    counted: list[tuple[float, float]] = []
    gate: list[int] = []
    other: list[int] = []

    def count(layer: nn.Conv2d, args: Any, output: Tensor) -> None:
        products = output.numel() * layer.in_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]
        (gate if layer in inside else other).append(products)

    def close(part: nn.Module, args: Any, output: Tensor) -> None:
        counted.append((sum(other) / 1e6, sum(gate) / 1e6))
        gate.clear()
        other.clear()

    modules = [part for part in model.modules() if isinstance(part, TripletAttention)]
    inside = {layer for part in modules for layer in part.modules() if isinstance(layer, nn.Conv2d)}
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    for part in modules:
        part.register_forward_hook(close)
    with torch.no_grad():
        model(image)
    figure = new_figure(figsize=(8, 3.2))
    axis = figure.subplots()
    places = range(1, len(counted) + 1)
    axis.bar([place - 0.2 for place in places], [each[0] for each in counted], 0.4, label="convolutions before")
    axis.bar([place + 0.2 for place in places], [each[1] for each in counted], 0.4, label="triplet attention")
    axis.set_yscale("log")
    axis.set_xticks(list(places))
    axis.set_xlabel("module, from the input")
    axis.set_ylabel("million multiply-adds")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, 1.15), ncols=2)
    saved_small(figure, path)
