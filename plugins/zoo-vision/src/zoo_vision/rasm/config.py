"""The schemas of regional attention and of the network."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices


def _require_middle(kernel_size: int) -> None:
    if kernel_size % 2 == 0:
        raise ConfigError(f"kernel_size={kernel_size} has no middle; expected an odd number", field="kernel_size")


@dataclass
class RegionalAttentionConfig:
    """Config of the bare attention."""

    dim: int = zoo.field(128, "width", unit="channels", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    kernel_size: int = zoo.field(11, "keys along each axis, odd", minimum=1)
    dilation: int = zoo.field(2, "distance between neighbouring keys", unit="pixels", minimum=1)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        _require_middle(self.kernel_size)


@dataclass
class RASMConfig:
    """Config of the network."""

    embed_dim: int = zoo.field(32, "width at full resolution; it doubles with every halving", minimum=1)
    depths: list[int] = zoo.field(
        [2, 2, 2, 2, 2, 2, 2, 2, 2],
        "layers: 0 to 2 the encoder's, 4 the bottleneck's, 6 to 8 the decoder's; 3 and 5 only shift stochastic depth",
        minimum=1,
    )
    num_heads: list[int] = zoo.field(
        [1, 2, 4, 8, 16, 16, 8, 4, 2], "heads in the places of depths; those at 2, 4 and 6 are used", minimum=1
    )
    kernel_size: int = zoo.field(11, "keys along each axis, odd", minimum=1)
    dilation: int = zoo.field(2, "distance between neighbouring keys", unit="pixels", minimum=1)
    mlp_ratio: float = zoo.field(4.0, "hidden width of LeFF over the layer's width", minimum=0.0)
    drop_path: float = zoo.field(0.1, "stochastic depth of the bottleneck", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        for name in ("depths", "num_heads"):
            if len(getattr(self, name)) != 9:
                raise ConfigError(f"{len(getattr(self, name))} {name}; expected nine", field=name)
        for place, factor in ((2, 4), (4, 8), (6, 8)):
            if self.embed_dim * factor % self.num_heads[place]:
                raise ConfigError(
                    f"num_heads[{place}]={self.num_heads[place]} does not divide the width {self.embed_dim * factor}",
                    field="num_heads",
                )
        _require_middle(self.kernel_size)
        if int(self.embed_dim * self.mlp_ratio) < 1:
            raise ConfigError(f"mlp_ratio={self.mlp_ratio} leaves no hidden channel", field="mlp_ratio")
