"""The schemas of the attention layers and of the translation network."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError

SCORES = ("dot", "general", "concat", "location")
WINDOWS = ("global", "local-m", "local-p")
GAUSSIANS = ("weights", "scores")


@dataclass
class LuongAttentionConfig:
    """Config of an attention layer for recurrent decoders."""

    dim: int = zoo.field(64, "width of decoder states and memory", unit="features", minimum=1)
    score: str = zoo.field("general", "how a state is compared with the memory", choices=SCORES)
    window: str = zoo.field("global", "which source words are seen", choices=WINDOWS)
    half_width: int = zoo.field(10, "D: words seen on either side of a local window's centre", unit="words", minimum=0)
    sigma: float | None = zoo.field(None, "deviation of local-p's Gaussian; half_width / 2 by default", unit="words")
    gaussian: str = zoo.field("weights", "what local-p's Gaussian multiplies", choices=GAUSSIANS)
    max_source: int = zoo.field(50, "source words that the location score can see", unit="words", minimum=1)

    def __post_init__(self) -> None:
        require_window(self.window, self.score, self.half_width, self.sigma)


@dataclass
class LocalMonotonicConfig(LuongAttentionConfig):
    """Config of a layer whose window moves on by a word a step."""

    window: str = zoo.field("local-m", "which source words are seen", choices=WINDOWS)


@dataclass
class LocalPredictiveConfig(LuongAttentionConfig):
    """Config of a layer that predicts where its window lies."""

    window: str = zoo.field("local-p", "which source words are seen", choices=WINDOWS)


@dataclass
class LuongNMTConfig:
    """Config of the translation network."""

    source_vocab_size: int = zoo.field(50_000, "source words", minimum=1)
    target_vocab_size: int = zoo.field(50_000, "target words", minimum=1)
    dim: int = zoo.field(1000, "LSTM cells of a layer", minimum=1)
    embedding_dim: int = zoo.field(1000, "width of word embeddings", unit="features", minimum=1)
    num_layers: int = zoo.field(4, "layers of the encoder and of the decoder", minimum=1)
    window: str = zoo.field("local-p", "which source words are seen", choices=("none", *WINDOWS))
    score: str = zoo.field("general", "how a state is compared with the memory", choices=SCORES)
    half_width: int = zoo.field(10, "D: words seen on either side of a local window's centre", unit="words", minimum=0)
    sigma: float | None = zoo.field(None, "deviation of local-p's Gaussian; half_width / 2 by default", unit="words")
    gaussian: str = zoo.field("weights", "what local-p's Gaussian multiplies", choices=GAUSSIANS)
    max_source: int = zoo.field(50, "source words that the location score can see", unit="words", minimum=1)
    input_feeding: bool = zoo.field(True, "whether the decoder reads its last attentional state")
    reverse_source: bool = zoo.field(True, "whether the source is read from its end")
    source_end: bool = zoo.field(False, "whether sources end with an end mark, which attention does not see")
    dropout: float = zoo.field(0.2, "on the inputs of every LSTM layer", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        if self.window != "none":
            require_window(self.window, self.score, self.half_width, self.sigma)

    def attention(self) -> LuongAttentionConfig:
        """The config of its attention layer."""
        return LuongAttentionConfig(
            self.dim, self.score, self.window, self.half_width, self.sigma, self.gaussian, self.max_source
        )


def require_window(window: str, score: str, half_width: int, sigma: float | None) -> None:
    """Raise ConfigError where a score and a window do not go together, or a Gaussian has no width."""
    if score == "location" and window != "global":
        raise ConfigError(
            f"the location score gives every place of the source a score of its own: window={window!r} needs dot, "
            "general or concat",
            field="score",
        )
    if sigma is not None and sigma <= 0:
        raise ConfigError(f"sigma={sigma} must be positive", field="sigma")
    if window == "local-p" and half_width == 0 and sigma is None:
        raise ConfigError("half_width=0 makes sigma = half_width / 2 zero; give sigma", field="half_width")
