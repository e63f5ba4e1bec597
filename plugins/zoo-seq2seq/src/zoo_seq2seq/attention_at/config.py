"""The schemas of the methods."""

from __future__ import annotations

from dataclasses import dataclass

import zoo

MODES = ("at", "iat", "iat-unnormalised", "iat-released")


@dataclass
class AttentionATConfig:
    """Config of adversarial training of attention."""

    mode: str = zoo.field("at", "which perturbation", choices=MODES)
    epsilon: float = zoo.field(1.0, "norm of a sentence's perturbation", minimum=0.0)
    weight: float = zoo.field(1.0, "lambda: of the adversarial loss", minimum=0.0)
    positive_weight: float | None = zoo.field(None, "of the positive class in the loss", minimum=0.0)


@dataclass
class AttentionIATConfig(AttentionATConfig):
    """The same along differences of scores."""

    mode: str = zoo.field("iat", "which perturbation", choices=MODES)
