"""The schema of IGANet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices


@dataclass
class IGANetConfig:
    """Config of IGANet."""

    dim: int = zoo.field(512, "width of a joint's token", minimum=1)
    num_layers: int = zoo.field(3, "blocks", minimum=1)
    num_heads: int = zoo.field(8, "heads of the attention branch", minimum=1)
    encoder_widths: Optional[list[int]] = zoo.field(  # noqa: UP045 (OmegaConf reads this form)
        None, "widths between the encoder's linear maps; dim / 8, dim / 4, dim / 2 by default", minimum=1
    )
    mlp_dim: Optional[int] = zoo.field(None, "width inside uMLP; dim / 2 by default", minimum=1)  # noqa: UP045
    qkv_bias: bool = zoo.field(True, "whether query, key and value have biases")
    graph_to_attention: float = zoo.field(0.5, "s1: weight of what the graph branch gives to attention")
    attention_to_graph: float = zoo.field(0.8, "s2: weight of what the attention branch gives to the graph")
    attention_dropout: float = zoo.field(0.2, "of attention weights", minimum=0.0, maximum=1.0)
    projection_dropout: float = zoo.field(0.25, "after the attention's projection", minimum=0.0, maximum=1.0)
    exchange_dropout: float = zoo.field(0.15, "of what the branches give each other", minimum=0.0, maximum=1.0)
    mlp_dropout: float = zoo.field(0.2, "after each stage of uMLP", minimum=0.0, maximum=1.0)
    drop_path: float = zoo.field(0.2, "stochastic depth of the last block; grows from 0", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        if self.encoder_widths is None and self.dim % 8:
            raise ConfigError(f"dim={self.dim} is not divisible by 8: give encoder_widths", field="dim")
        if self.mlp_dim is None and self.dim % 2:
            raise ConfigError(f"dim={self.dim} is odd: give mlp_dim", field="dim")
