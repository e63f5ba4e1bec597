"""The schemas of the benchmark, the probe and the method."""

from __future__ import annotations

from dataclasses import dataclass

import zoo

FEATURES = ("residual_blocks", "head_outputs")


@dataclass
class GridTomConfig:
    """Config of the benchmark."""

    num_samples: int = zoo.field(200, "clips, each with a true and a false belief", minimum=1)
    order: str = zoo.field("first", "beliefs about the world, or about the other's belief", choices=("first", "second"))
    view: str = zoo.field(
        "full", "what the system sees: everything, or what the protagonist sees", choices=("full", "protagonist")
    )
    width: int = zoo.field(10, "cells, walls among them; three rooms side by side", minimum=10)
    height: int = zoo.field(7, "cells, walls among them", minimum=7)
    cell: int = zoo.field(32, "side of a cell", unit="pixels", minimum=4)
    seed: int = zoo.field(0, "of colours, rooms and places", minimum=0)


@dataclass
class TomProbeConfig:
    """Config of the probe; the defaults are the authors'."""

    features: str = zoo.field(
        "residual_blocks", "what is probed: blocks of the stream, or heads' outputs as the paper says", choices=FEATURES
    )
    C: float = zoo.field(0.015, "inverse strength of the penalty", minimum=1e-9)
    max_iter: int = zoo.field(400, "steps of the solver", minimum=1)
    validation: float = zoo.field(0.25, "share of samples that are held out", minimum=0.01, maximum=0.99)
    seed: int = zoo.field(101, "of the split", minimum=0)
    topk: int = zoo.field(32, "how many blocks are best", unit="blocks", minimum=1)


@dataclass
class TomSteeringConfig:
    """Config of the method."""

    alpha: float = zoo.field(5.0, "strength, in standard deviations; negative steers away")
    topk: int = zoo.field(32, "blocks that random steering takes, where no probe's are given", minimum=1)
    seed: int = zoo.field(0, "of random steering", minimum=0)
