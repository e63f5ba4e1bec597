"""Windows of real exercises, cut from a smartwatch's recordings (``zoo_activity.watch``)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo_activity.mvft.config import MVFTConfig
from zoo_activity.mvft.network import preprocess
from zoo_activity.watch import HELD_OUT, recordings


@dataclass(frozen=True)
class Windows:
    """Windows (count, T, 6), standardised within their recording, and the exercise of each (count,)."""

    signals: Tensor
    exercises: Tensor


def windows(config: MVFTConfig, *, held_out: bool) -> Windows:
    """Half overlapping windows of the subjects that are held out, or of all others."""
    prepare = preprocess(config)
    parts = [
        (prepare(signal)["window"], exercise)
        for signal, exercise, subject in recordings()
        if (subject in HELD_OUT) == held_out and len(signal) >= config.window
    ]
    signals = torch.cat([part for part, _ in parts])
    return Windows(signals, torch.cat([torch.full((len(part),), exercise) for part, exercise in parts]))
