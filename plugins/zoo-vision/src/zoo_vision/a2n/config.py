"""The schema of the super-resolver."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError


@dataclass
class A2NConfig:
    """Config of A2N and A2N-M."""

    scale: int = zoo.field(4, "how many times larger the answer is on each side", choices=(2, 3, 4))
    dim: int = zoo.field(40, "width of the blocks", unit="channels", minimum=1)
    upsampling_dim: int = zoo.field(24, "width after the first enlargement", unit="channels", minimum=1)
    num_blocks: int = zoo.field(16, "attention-in-attention blocks", minimum=1)
    reduction: int = zoo.field(4, "dim over the hidden width of the network that weighs the branches", minimum=1)
    temperature: float = zoo.field(30.0, "divides the scores of the branches before softmax", minimum=1e-6)
    plain_kernel: int = zoo.field(3, "side of the branch without attention: 3 in A2N, 1 in A2N-M", choices=(1, 3))
    value_range: float = zoo.field(255.0, "largest value of an image; weights are trained for one", minimum=1e-6)

    def __post_init__(self) -> None:
        if self.reduction > self.dim:
            raise ConfigError(
                f"reduction={self.reduction} leaves no hidden feature at dim={self.dim}", field="reduction"
            )
