"""The schemas of the methods."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError

MODES = ("vat", "ivat", "ivat-unnormalised")


@dataclass
class AttentionVATConfig:
    """Config of virtual adversarial training of attention."""

    mode: str = zoo.field("vat", "which perturbation", choices=MODES)
    epsilon: float = zoo.field(1.0, "norm of a sentence's perturbation", minimum=0.0)
    xi: float = zoo.field(1.0, "distance at which the divergence's gradient is taken")
    iterations: int = zoo.field(1, "power iterations", minimum=0)
    weight: float = zoo.field(1.0, "lambda: of the divergence", minimum=0.0)

    def __post_init__(self) -> None:
        if self.xi <= 0:
            raise ConfigError(f"xi={self.xi}: the divergence has no gradient at 0; expected more", field="xi")


@dataclass
class AttentionIVATConfig(AttentionVATConfig):
    """The same along differences of scores."""

    mode: str = zoo.field("ivat", "which perturbation", choices=MODES)
