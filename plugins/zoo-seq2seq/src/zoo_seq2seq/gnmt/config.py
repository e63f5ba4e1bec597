"""The schemas of the network, of its search and of its word pieces."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo_seq2seq.search import SearchOptions
from zoo_seq2seq.wordpieces import MODELS, SPECIAL


@dataclass
class GNMTConfig:
    """Config of the translation network."""

    vocab_size: int = zoo.field(32_000, "word pieces, the same number on both sides", minimum=1)
    dim: int = zoo.field(1024, "LSTM cells of a layer, and width of embeddings", unit="features", minimum=1)
    num_layers: int = zoo.field(8, "layers of the encoder, the first one bidirectional, and of the decoder", minimum=2)
    variant: str = zoo.field(
        "v1",
        "attention asked by the bottom layer's last output and fed to all layers (v1), or asked by its present output "
        "and fed to those above (v2)",
        choices=("v1", "v2"),
    )
    share_embedding: bool = zoo.field(True, "whether both sides have one table of embeddings")
    attention: str = zoo.field(
        "additive", "how the source is read; last: only its last word", choices=("additive", "last")
    )
    normalized: bool = zoo.field(True, "whether attention's v has unit length, a scale and a bias")
    residual: bool = zoo.field(True, "whether layers from the third on add their input")
    first_state: str = zoo.field("zero", "what the decoder starts from", choices=("zero", "encoder"))
    clip_state: float | None = zoo.field(None, "bound of LSTM cells and layer outputs, for quantised inference")
    clip_logits: float | None = zoo.field(None, "bound of logits, for quantised inference")
    init_range: float = zoo.field(0.04, "parameters start uniform within it", minimum=0.0)
    dropout: float = zoo.field(0.2, "on the inputs of every LSTM layer", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        for name in ("clip_state", "clip_logits"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"{name}={value} must be positive", field=name)


@dataclass
class BeamSearchConfig:
    """Config of the search."""

    beam_size: int = zoo.field(3, "hypotheses kept", minimum=1)
    num_best: int = zoo.field(1, "hypotheses returned", minimum=1)
    alpha: float = zoo.field(0.2, "of the length penalty", minimum=0.0)
    beta: float = zoo.field(0.2, "of the coverage penalty", minimum=0.0)
    length_constant: float = zoo.field(5.0, "c of the length penalty", minimum=0.0)
    pruning: float | None = zoo.field(3.0, "how far below the best a token or a hypothesis may be", unit="nats")
    max_ratio: float = zoo.field(2.0, "longest hypothesis, in lengths of its source", minimum=0.0)
    max_extra: int = zoo.field(5, "and tokens more", unit="tokens", minimum=1)

    def __post_init__(self) -> None:
        self.options()

    def options(self) -> SearchOptions:
        """The same for the plugin's search."""
        return SearchOptions(self.beam_size, self.num_best, self.alpha, self.beta, self.length_constant, self.pruning)


@dataclass
class WordPieceConfig:
    """Config of the word pieces."""

    vocab_size: int = zoo.field(32_000, "pieces, the four marks included", minimum=len(SPECIAL) + 1)
    model: str = zoo.field("wordpiece", "how pieces are learnt", choices=MODELS)
    strip_accents: bool = zoo.field(False, "whether accents and capitals are taken off")
