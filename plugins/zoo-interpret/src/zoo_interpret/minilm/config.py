"""The schema of the model."""

from __future__ import annotations

from dataclasses import dataclass

import zoo


@dataclass
class MiniLMConfig:
    """Config of the model; the defaults are those of all-MiniLM-L6-v2."""

    vocab_size: int = zoo.field(30522, "tokens", minimum=2)
    dim: int = zoo.field(384, "width of the residual stream", unit="features", minimum=1)
    hidden_dim: int = zoo.field(1536, "width of the feed-forward networks", unit="features", minimum=1)
    num_layers: int = zoo.field(6, "blocks", minimum=1)
    num_heads: int = zoo.field(12, "heads", minimum=1)
    max_length: int = zoo.field(512, "learned positions", unit="tokens", minimum=1)
    dropout: float = zoo.field(0.1, "of embeddings, maps and outputs, in training", minimum=0.0, maximum=1.0)
    eps: float = zoo.field(1e-12, "added to the variance in the norms", minimum=0.0)
    attention: str = zoo.field("sdpa", "implementation, as transformers takes it: sdpa, eager or zoo-..., registered")

    def __post_init__(self) -> None:
        if self.dim % self.num_heads:
            raise zoo.ConfigError(f"dim={self.dim} is not divisible by num_heads={self.num_heads}", field="dim")
