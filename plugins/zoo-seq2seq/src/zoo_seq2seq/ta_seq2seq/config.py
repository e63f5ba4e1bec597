"""The schemas of the law of the next word, of the network and of topics."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError

ACTIVATIONS = ("none", "tanh")


@dataclass
class BiasedLawConfig:
    """Config of the law of the next word."""

    vocab_size: int = zoo.field(30_000, "words", minimum=1)
    state_dim: int = zoo.field(1000, "width of decoder states", unit="features", minimum=1)
    embedding_dim: int = zoo.field(620, "width of word embeddings", unit="features", minimum=1)
    context_dim: int = zoo.field(2000, "width of the message's context", unit="features", minimum=1)
    logit_activation: str = zoo.field("none", "of logits: tanh as in the equations, or none", choices=ACTIVATIONS)
    biased: bool = zoo.field(True, "whether topic words have a second term")


@dataclass
class TopicAwareConfig:
    """Config of the network."""

    source_vocab_size: int = zoo.field(30_000, "words of messages", minimum=1)
    target_vocab_size: int = zoo.field(30_000, "words of replies", minimum=1)
    embedding_dim: int = zoo.field(620, "width of word embeddings", unit="features", minimum=1)
    dim: int = zoo.field(1000, "GRU cells of the decoder, and of the encoder per direction", minimum=1)
    topic_dim: int = zoo.field(200, "z: topics, the width of topic words' vectors", minimum=1)
    topic_attention: bool = zoo.field(True, "whether the decoder attends to topic words")
    biased_generation: bool = zoo.field(True, "whether topic words are likelier to be said")
    logit_activation: str = zoo.field("none", "of logits: tanh as in the equations, or none", choices=ACTIVATIONS)
    readout: str = zoo.field(
        "linear",
        "logits of the language term: linear, or the maxout of the authors' code",
        choices=("linear", "maxout"),
    )

    def __post_init__(self) -> None:
        if self.readout == "maxout" and self.dim % 2:
            raise ConfigError(f"maxout takes the larger of two states each: dim={self.dim} is odd", field="dim")

    def law(self) -> BiasedLawConfig:
        """The config of its law."""
        return BiasedLawConfig(
            self.target_vocab_size,
            self.dim,
            self.embedding_dim,
            2 * self.dim,
            self.logit_activation,
            self.biased_generation,
        )
