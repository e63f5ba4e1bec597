"""The schemas of SpikMamba."""

from __future__ import annotations

import math
from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

LIF_AXES = ("time", "leading")


@dataclass
class SpikMambaConfig:
    """Config of the network with spiking linear attention."""

    image_size: int = zoo.field(128, "side of a frame, a multiple of patch_size", unit="pixels", minimum=1)
    patch_size: int = zoo.field(4, "side of a patch", unit="pixels", minimum=1)
    in_channels: int = zoo.field(3, "channels of a frame", minimum=1)
    num_frames: int = zoo.field(16, "frames of a clip", minimum=1)
    dim: int = zoo.field(256, "width of a token, a multiple of 4", minimum=4)
    num_heads: int = zoo.field(8, "heads of the attention", minimum=1)
    depth: int = zoo.field(2, "blocks", minimum=0)
    mlp_ratio: float = zoo.field(4.0, "hidden width of the MLPs over dim", minimum=0.0)
    num_classes: int = zoo.field(32, "actions", minimum=1)
    tau: float = zoo.field(2.0, "time constant of the neurons; 1: no memory", unit="steps", minimum=1.0)
    v_threshold: float = zoo.field(1.0, "membrane at which a neuron fires")
    v_reset: float | None = zoo.field(0.0, "membrane after firing; None subtracts v_threshold instead")
    surrogate_slope: float = zoo.field(4.0, "slope of the sigmoid whose gradient stands for the step's", minimum=0.0)
    lif_axis: str = zoo.field(
        "time", "time of a neuron: a clip's frames, or all frames of the batch, as the authors' code", choices=LIF_AXES
    )
    patch_dropout: float = zoo.field(0.25, "channels of the patches' convolution", minimum=0.0, maximum=1.0)
    dropout: float = zoo.field(0.3, "after the positions", minimum=0.0, maximum=1.0)
    qk_dropout: float = zoo.field(0.3, "of queries and keys, before their normalisation", minimum=0.0, maximum=1.0)
    drop_path: float = zoo.field(0.3, "branches of the last block, from 0 at the first", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        if self.dim % 4:
            raise ConfigError(
                f"dim={self.dim}: pairs of channels turn by row and by column; give a multiple of 4", field="dim"
            )
        if self.image_size % self.patch_size:
            raise ConfigError(
                f"image_size={self.image_size} is no multiple of patch_size={self.patch_size}", field="image_size"
            )

    @property
    def side(self) -> int:
        """Tokens along a side of a frame."""
        return self.image_size // self.patch_size

    @property
    def num_tokens(self) -> int:
        """Tokens of a frame."""
        return self.side**2


@dataclass
class SpikMambaSSMConfig(SpikMambaConfig):
    """Config of the network with attention both ways and a Mamba."""

    patch_size: int = zoo.field(8, "side of a patch", unit="pixels", minimum=1)
    num_classes: int = zoo.field(300, "actions", minimum=1)
    carry_membrane: bool = zoo.field(
        True, "attention to reversed tokens starts from the membranes that the first way leaves, as the authors' code"
    )
    mamba_layers: int = zoo.field(1, "bidirectional Mambas over the tokens of all frames", minimum=0)
    state_size: int = zoo.field(16, "width of the scan's state, per channel", minimum=1)
    conv_kernel: int = zoo.field(4, "tokens that the causal convolution sees", minimum=1)
    expand: int = zoo.field(2, "the scan's channels over dim", minimum=1)
    dt_rank: int = zoo.field(0, "rank of the step sizes; 0: dim / 16, rounded up", minimum=0)
    rms_eps: float = zoo.field(1e-5, "under the root of the Mambas' norms", minimum=0.0)

    @property
    def rank(self) -> int:
        """Rank of the step sizes."""
        return self.dt_rank or math.ceil(self.dim / 16)
