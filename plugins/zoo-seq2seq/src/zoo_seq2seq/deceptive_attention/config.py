"""The schemas of the penalty and of the models."""

from __future__ import annotations

from dataclasses import dataclass

import zoo

REDUCTIONS = ("mean", "max")
ENCODERS = ("embedding", "bilstm", "bilstm-no-attention")


@dataclass
class DeceptiveAttentionConfig:
    """Config of the penalty."""

    coef: float = zoo.field(1.0, "lambda: weight of the penalty", minimum=0.0)
    reduce: str = zoo.field("mean", "over heads: all of them, or (max) the worst alone", choices=REDUCTIONS)
    separate: bool = zoo.field(True, "whether transformers' layers keep both kinds of words apart")


@dataclass
class DeceptiveClassifierConfig:
    """Config of a classifier with one attention."""

    encoder: str = zoo.field("bilstm", "what attention reads", choices=ENCODERS)
    vocab_size: int = zoo.field(20_000, "words", minimum=1)
    embedding_dim: int = zoo.field(128, "width of word embeddings", unit="features", minimum=1)
    hidden_dim: int = zoo.field(64, "LSTM cells, per direction", minimum=1)
    num_classes: int = zoo.field(2, "classes", minimum=1)


@dataclass
class DeceptiveTranslatorConfig:
    """Config of the translator."""

    source_vocab_size: int = zoo.field(100, "source symbols", minimum=1)
    target_vocab_size: int = zoo.field(100, "target symbols", minimum=1)
    embedding_dim: int = zoo.field(256, "width of embeddings", unit="features", minimum=1)
    encoder_dim: int = zoo.field(512, "GRU cells of the encoder, per direction", minimum=1)
    decoder_dim: int = zoo.field(512, "GRU cells of the decoder", minimum=1)
    attention: str = zoo.field(
        "additive", "weights: learnt, all equal, or the first place alone", choices=("additive", "uniform", "first")
    )
    dropout: float = zoo.field(0.5, "of embeddings", minimum=0.0, maximum=1.0)
