"""What the trained layers do with a captured pose: which groups of joints a joint asks, and what reaches it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import zoo
from zoo.evidence.plots import new_figure, saved
from zoo.nn.attention import scores
from zoo.nn.masks import masked_softmax
from zoo_pose import motions, skeletons
from zoo_pose.hopfir.layers import HopAttention, IntragroupRefinement
from zoo_pose.hopfir.network import HopFIR
from zoo_pose.skeletons import HUMAN36M

_NAMES = [joint.replace("right_", "r ").replace("left_", "l ") for joint in HUMAN36M.joints]


def hop_weights(layer: HopAttention, x: Tensor) -> Tensor:
    """What each joint's query gives to each joint's groups: (batch, hops, 17, 17), rows sum to 1.

    Args:
        layer: with ``attend="joints"``.
        x: (batch, 17, dim), its input.
    """
    groups = layer.hops @ x[:, None]
    query, key = torch.einsum("bjc,kcd->bkjd", x, layer.q), torch.einsum("bkjc,kcd->bkjd", groups, layer.k)
    return masked_softmax(scores(query * query.shape[-1] ** -0.5, key), layer.hops.any(-1)[None, :, None, :])


def _on_a_dance(model: HopFIR, layer: nn.Module) -> Tensor:
    """(frames, 17, dim): what a layer of the network is given on a held-out dance that a camera sees."""
    *_, (pixels, _) = itertools.islice(motions.sequences("held-out"), 9)
    found: list[Tensor] = []
    with torch.no_grad(), layer.register_forward_pre_hook(lambda _, given: found.append(given[0])):
        model(skeletons.normalise(pixels, motions.WIDTH, motions.HEIGHT))
    return found[0]


def _table(axis: Any, values: Tensor, title: str, top: float, *, rows: bool) -> Any:
    image = axis.imshow(values.numpy(), cmap="viridis", vmin=0, vmax=top)
    axis.set_title(title, fontsize=10)
    axis.set_xticks(range(len(_NAMES)), _NAMES, rotation=90, fontsize=8)
    axis.set_yticks(range(len(_NAMES)), _NAMES if rows else [""] * len(_NAMES), fontsize=8)
    return image


def attention_picture(path: Path) -> None:
    """Whose groups of joints each joint attends to, by limbs in between: first block, trained, on a held-out dance."""
    model = zoo.load("hopfir/motions")
    layer = next(module for module in model.modules() if isinstance(module, HopAttention))
    with torch.no_grad():
        weights = hop_weights(layer, _on_a_dance(model, layer)).mean(0)
    figure = new_figure(figsize=(8.4, 7.6))
    axes = figure.subplots(2, len(weights) // 2, sharex=True)
    top = float(weights.max())
    for hop, (axis, values) in enumerate(zip(axes.flat, weights, strict=True)):
        image = _table(axis, values, f"head of {hop} limb{'' if hop == 1 else 's'}", top, rows=hop % 2 == 0)
    figure.colorbar(image, ax=axes, label="attention weight", shrink=0.6)
    figure.supylabel("joint that asks", fontsize=10)
    figure.supxlabel("joint around which the group lies", fontsize=10)
    saved(figure, path)


def refinement_picture(path: Path) -> None:
    """How much each joint's output depends on each one's input: the first refinement, trained, on a held-out dance."""
    model = zoo.load("hopfir/motions")
    layer = next(module for module in model.modules() if isinstance(module, IntragroupRefinement))
    given = _on_a_dance(model, layer)
    frames = given[:: max(1, len(given) // 4)][:4]

    def reach(x: Tensor) -> Tensor:
        jacobian = torch.autograd.functional.jacobian(lambda y: layer(y[None])[0], x)
        assert isinstance(jacobian, Tensor)
        return jacobian.square().sum((1, 3)).sqrt()

    # Groups beside one another.
    groups = [[0, 7, 8, 9, 10], [1, 2, 3], [4, 5, 6], [11, 12, 13], [14, 15, 16]]
    order = [joint for group in groups for joint in group]
    values = torch.stack([reach(x) for x in frames]).mean(0)[order][:, order]
    figure = new_figure(figsize=(6.4, 5.4))
    axis = figure.subplots()
    image = axis.imshow(values.numpy(), cmap="viridis", vmin=0)
    names = [_NAMES[joint] for joint in order]
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axis.set_yticks(range(len(names)), names, fontsize=7)
    axis.set_xlabel("input of the joint", fontsize=9)
    axis.set_ylabel("output of the joint", fontsize=9)
    axis.set_title("size of the gradient; exactly 0 between groups", fontsize=9)
    figure.colorbar(image, ax=axis, label="Frobenius norm of the derivative", shrink=0.8)
    saved(figure, path)
