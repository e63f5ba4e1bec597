"""The schemas of HopFIR."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

ATTEND = ("joints", "hops")
BASES = ("mgcn", "semgcn")
# The longest path between two of Human3.6M's joints has 8 limbs.
MOST_HOPS = 9


def _require_hops(dim: int, num_hops: int) -> None:
    if dim % num_hops:
        raise ConfigError(f"dim={dim} is not divisible by num_hops={num_hops}: each hop is a head", field="num_hops")


@dataclass
class HopAttentionConfig:
    """Config of the hop-wise attention alone."""

    dim: int = zoo.field(128, "width of a joint's token", minimum=1)
    num_hops: int = zoo.field(4, "hops 0, 1, ... with a head each", minimum=1, maximum=MOST_HOPS)
    attend: str = zoo.field(
        "joints", "what the softmax runs over: the groups of all joints, or a joint's own", choices=ATTEND
    )
    dropout: float = zoo.field(0.1, "after the output projection", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        _require_hops(self.dim, self.num_hops)


@dataclass
class RefinementConfig:
    """Config of the intragroup refinement alone."""

    dim: int = zoo.field(128, "width of a joint's token", minimum=1)
    num_heads: int = zoo.field(4, "heads of the attention within groups", minimum=1)
    dropout: float = zoo.field(0.1, "after the output projection", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)


@dataclass
class HopFIRConfig:
    """Config of HopFIR."""

    dim: int = zoo.field(128, "width of a joint's token", minimum=1)
    num_blocks: int = zoo.field(4, "blocks of hop-wise attention, graph convolution and refinement", minimum=1)
    num_hops: int = zoo.field(4, "hops 0, 1, ... with a head each", minimum=1, maximum=MOST_HOPS)
    attend: str = zoo.field(
        "joints", "what the softmax runs over: the groups of all joints, or a joint's own", choices=ATTEND
    )
    num_heads: int = zoo.field(4, "heads of the refinement's attention", minimum=1)
    base: str = zoo.field("mgcn", "graph convolution: modulated, or semantic (learnt edge weights)", choices=BASES)
    hop_attention: bool = zoo.field(True, "whether blocks begin with hop-wise attention")
    refinement: bool = zoo.field(True, "whether blocks end with intragroup refinement")
    dropout: float = zoo.field(0.1, "after the attentions' output projections", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        _require_hops(self.dim, self.num_hops)
        require_equal_slices(self.dim, self.num_heads)
