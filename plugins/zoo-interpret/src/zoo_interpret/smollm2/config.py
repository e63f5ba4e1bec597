"""The schema of the model."""

from __future__ import annotations

from dataclasses import dataclass

import zoo


@dataclass
class SmolLM2Config:
    """Config of the model; the defaults are those of 135 million parameters."""

    vocab_size: int = zoo.field(49152, "tokens", minimum=2)
    dim: int = zoo.field(576, "width of the residual stream", unit="features", minimum=2)
    hidden_dim: int = zoo.field(1536, "width of the gated feed-forward networks", unit="features", minimum=1)
    num_layers: int = zoo.field(30, "blocks", minimum=1)
    num_heads: int = zoo.field(9, "query heads", minimum=1)
    num_kv_heads: int = zoo.field(3, "key/value heads, each read by num_heads / num_kv_heads query heads", minimum=1)
    max_length: int = zoo.field(8192, "longest context", unit="tokens", minimum=1)
    rope_theta: float = zoo.field(100000.0, "base of the rotary positions", minimum=1.0)
    eps: float = zoo.field(1e-5, "added to the variance in the norms", minimum=0.0)
    attention: str = zoo.field("sdpa", "implementation, as transformers takes it: sdpa, eager or zoo-moba, registered")

    def __post_init__(self) -> None:
        if self.dim % (2 * self.num_heads):
            raise zoo.ConfigError(
                f"dim={self.dim} is not {self.num_heads} heads of an even width, as rotary positions need", field="dim"
            )
        if self.num_heads % self.num_kv_heads:
            raise zoo.ConfigError(
                f"num_heads={self.num_heads} is not divisible by num_kv_heads={self.num_kv_heads}", field="num_kv_heads"
            )
