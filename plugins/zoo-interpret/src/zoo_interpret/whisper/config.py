"""The schema of the model."""

from __future__ import annotations

from dataclasses import dataclass

import zoo


@dataclass
class WhisperConfig:
    """Config of the model; the defaults are those of tiny.en."""

    vocab_size: int = zoo.field(51864, "tokens", minimum=2)
    dim: int = zoo.field(384, "width of the residual streams", unit="features", minimum=2)
    num_layers: int = zoo.field(4, "blocks of the encoder, and of the decoder", minimum=1)
    num_heads: int = zoo.field(6, "heads", minimum=1)
    mlp_ratio: float = zoo.field(4.0, "width of the feed-forward networks, times dim", minimum=0.1)
    mel_bins: int = zoo.field(80, "channels of the spectrogram", minimum=1)
    source_length: int = zoo.field(1500, "encoder states, two frames of 10 ms each", minimum=2)
    max_length: int = zoo.field(448, "positions of the decoder", unit="tokens", minimum=1)
    attention: str = zoo.field("sdpa", "implementation, as transformers takes it: sdpa, eager or zoo-..., registered")

    def __post_init__(self) -> None:
        if self.dim % self.num_heads:
            raise zoo.ConfigError(f"dim={self.dim} is not divisible by num_heads={self.num_heads}", field="dim")
        if self.dim % 2:
            raise zoo.ConfigError(f"dim={self.dim} must be even, for sines and cosines", field="dim")
