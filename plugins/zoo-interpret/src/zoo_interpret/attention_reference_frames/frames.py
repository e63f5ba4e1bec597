"""Which reference frame: a rule of the zoo's own, from received attention."""

from __future__ import annotations

import torch
from torch import Tensor

FRAMES = ("centralised", "bidirectional", "distributed", "none")


def frame_features(received_layer: Tensor, centralisation: Tensor, gini: Tensor) -> Tensor:
    """Mean received attention of the first token, of the last, of the top three together; centralisation; Gini. (5,)

    Args:
        received_layer: (layers, T), the mean of every layer's heads.
        centralisation, gini: (layers, heads).
    """

    top = received_layer.topk(min(3, received_layer.shape[-1]), dim=-1).values.sum(-1)
    parts = (received_layer[:, 0], received_layer[:, -1], top, centralisation, gini)
    return torch.stack([part.double().mean() for part in parts])


def frame_type(received_layer: Tensor, *, causal: bool, end: int = -1) -> str:
    """One of ``FRAMES``.

    Args:
        received_layer: (layers, T).
        causal: a decoder has no bidirectional frame.
        end: the position of the end anchor: the last token, or the separator.
    """
    length = received_layer.shape[-1]
    first, last = received_layer[:, 0].double(), received_layer[:, end].double()
    start, stop = float(first.mean()), float(last.mean())
    if start > 0.25 and start > 2 * stop:
        return "centralised"
    if not causal and min(start, stop) > 3 / length and trend(first) * trend(last) < 0:
        return "bidirectional"
    top = float(received_layer.topk(min(3, length), dim=-1).values.sum(-1).mean())
    return "distributed" if top > 0.3 else "none"


def trend(values: Tensor) -> float:
    """Slope of values (layers,) over layers; 0 for a single one."""

    places = torch.arange(len(values), dtype=values.dtype)
    centred = places - places.mean()
    spread = float(centred.square().sum())
    return float((centred * values).sum()) / spread if spread else 0.0
