"""The picture on a card."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo.datasets import handwritten_digits
from zoo.evidence.attention_plots import attention_over_images
from zoo_sequence.minimal_transformer.layer import MinimalAttention


def digits(path: Path) -> None:
    """Held-out handwritten digits under the bundled network, which has one matrix for queries and keys and none for
    values and output: how strongly the class token of its last layer looks at each patch."""
    model = zoo.load("minimal-transformer/digits")
    _, _, images, labels = handwritten_digits()
    layer = [each for each in model.modules() if isinstance(each, MinimalAttention)][-1]
    chosen = [int((labels == digit).nonzero()[0]) for digit in (0, 3, 4, 7, 8)]
    seen: list[torch.Tensor] = []
    handle = layer.register_forward_hook(lambda module, given, output: seen.append(module.scores(given[0])))
    with torch.no_grad():
        model(images[chosen, None])
    handle.remove()
    weights = seen[0].softmax(-1)[:, :, 0, 1:]
    side = round(weights.shape[-1] ** 0.5)
    titles = ("image", *(f"head {head}" for head in range(weights.shape[1])))
    attention_over_images(images[chosen, None], weights.unflatten(-1, (side, side)), titles=titles, path=path)
