"""The schemas of the write step and of the network."""

from __future__ import annotations

from dataclasses import dataclass

import zoo

GATES = ("mlp", "linear", "closed")


@dataclass
class WriteConfig:
    """Config of the write step."""

    state_dim: int = zoo.field(512, "d: width of decoder states", unit="features", minimum=1)
    memory_dim: int = zoo.field(512, "m: width of the memory", unit="features", minimum=1)
    gate: str = zoo.field("mlp", "what says how much stays; closed: everything stays", choices=GATES)
    gate_dim: int | None = zoo.field(None, "width inside the gate; that of the memory by default", minimum=1)
    gate_bias: float = zoo.field(1.0, "initial bias of the gate: above 0 the memory stays at first")


@dataclass
class ScratchpadConfig:
    """Config of the network."""

    source_vocab_size: int = zoo.field(32_000, "source words", minimum=1)
    target_vocab_size: int = zoo.field(32_000, "target words", minimum=1)
    embedding_dim: int = zoo.field(256, "width of word embeddings", unit="features", minimum=1)
    encoder_dim: int = zoo.field(256, "LSTM cells of the encoder, per direction", minimum=1)
    encoder_layers: int = zoo.field(2, "layers of the encoder", minimum=1)
    decoder_dim: int = zoo.field(512, "LSTM cells of a decoder layer", minimum=1)
    decoder_layers: int = zoo.field(2, "layers of the decoder", minimum=1)
    num_features: int = zoo.field(
        0, "values of a further feature of source words, such as the answer's place", minimum=0
    )
    feature_dim: int = zoo.field(16, "width of that feature's embedding", unit="features", minimum=1)
    copy: bool = zoo.field(False, "whether source words can be copied")
    extra_vocab_size: int = zoo.field(0, "further words that only copying can say", minimum=0)
    read: str = zoo.field(
        "bahdanau",
        "whether the state before the step reads, or (luong) the one after it",
        choices=("bahdanau", "luong"),
    )
    attention: str = zoo.field(
        "additive", "how the memory is read; last: only the last word's place", choices=("additive", "last")
    )
    gate: str = zoo.field("mlp", "what says how much stays; closed: everything stays", choices=GATES)
    gate_dim: int | None = zoo.field(None, "width inside the gate; that of the memory by default", minimum=1)
    gate_bias: float = zoo.field(1.0, "initial bias of the gate: above 0 the memory stays at first")
    dropout: float = zoo.field(0.2, "between layers", minimum=0.0, maximum=1.0)

    @property
    def memory_dim(self) -> int:
        """Width of the memory."""
        return 2 * self.encoder_dim

    def write(self) -> WriteConfig:
        """The config of its write step."""
        return WriteConfig(self.decoder_dim, self.memory_dim, self.gate, self.gate_dim, self.gate_bias)
