"""The schemas of the attentions and of the networks."""

from __future__ import annotations

from dataclasses import dataclass

import zoo

VERSIONS = ("v0", "v1", "v2")
ATTENTIONS = ("dca", "gmm", "content", "location-sensitive")


def _require_odd(config: object, *names: str) -> None:
    for name in names:
        if getattr(config, name) % 2 == 0:
            raise zoo.ConfigError(
                f"{name}={getattr(config, name)} is even; filters centred on a token have an odd number of taps",
                field=name,
            )


def _require_positive(config: object, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and value <= 0:
            raise zoo.ConfigError(f"{name}={value} must be greater than 0", field=name)


@dataclass
class DCAConfig:
    """Config of dynamic convolution attention."""

    query_dim: int = zoo.field(256, "Q: width of queries", unit="features", minimum=1)
    hidden_dim: int = zoo.field(128, "width inside both tanh", unit="features", minimum=1)
    static_channels: int = zoo.field(8, "static filters", minimum=1)
    static_kernel_size: int = zoo.field(21, "taps of a static filter", unit="tokens", minimum=1)
    dynamic_channels: int = zoo.field(8, "filters that a query makes", minimum=1)
    dynamic_kernel_size: int = zoo.field(21, "taps of such a filter", unit="tokens", minimum=1)
    prior_length: int = zoo.field(11, "L: a step moves on by 0 to L - 1 tokens", unit="tokens", minimum=1, maximum=4096)
    prior_alpha: float = zoo.field(0.1, "alpha of the beta-binomial prior, above 0")
    prior_beta: float = zoo.field(0.9, "its beta, above 0; the mean step is (L - 1) alpha / (alpha + beta)")

    def __post_init__(self) -> None:
        _require_odd(self, "static_kernel_size", "dynamic_kernel_size")
        _require_positive(self, "prior_alpha", "prior_beta")


@dataclass
class GMMConfig:
    """Config of GMM attention."""

    query_dim: int = zoo.field(256, "Q: width of queries", unit="features", minimum=1)
    hidden_dim: int = zoo.field(128, "width inside the tanh", unit="features", minimum=1)
    num_mixtures: int = zoo.field(5, "K: components of the mixture", minimum=1)
    version: str = zoo.field("v2", "how parameters are made positive; see the paper's Table 1", choices=VERSIONS)
    initial_delta: float | None = zoo.field(
        None, "step that the output's bias starts with (the paper's b: 1); none: the bias starts at 0", unit="tokens"
    )
    initial_sigma: float | None = zoo.field(
        None, "width that the output's bias starts with (the paper's b: 10); none: the bias starts at 0", unit="tokens"
    )

    def __post_init__(self) -> None:
        _require_positive(self, "initial_delta", "initial_sigma")


@dataclass
class TacotronConfig:
    """Config of the network; defaults are bshall/Tacotron's on LJSpeech."""

    num_symbols: int = zoo.field(91, "symbols of the text", minimum=1)
    embedding_dim: int = zoo.field(256, "width of their embedding", unit="features", minimum=1)
    encoder_prenet_hidden: int = zoo.field(256, "hidden width of the encoder's pre-net", unit="features", minimum=1)
    encoder_prenet_dim: int = zoo.field(128, "its output, the CBHG's input", unit="features", minimum=1)
    encoder_prenet_dropout: float = zoo.field(0.5, "after both of its layers", minimum=0.0, maximum=1.0)
    bank_size: int = zoo.field(16, "K: the bank has convolutions of 1 to K taps", minimum=1)
    bank_channels: int = zoo.field(128, "channels of each", minimum=1)
    projection_channels: int = zoo.field(128, "channels between the projections", minimum=1)
    num_highways: int = zoo.field(4, "highway layers", minimum=0)
    highway_dim: int = zoo.field(128, "their width", unit="features", minimum=1)
    encoder_rnn_dim: int = zoo.field(128, "GRU cells per direction; the memory is twice as wide", minimum=1)
    num_mels: int = zoo.field(80, "mel bands of a frame", minimum=1)
    prenet_hidden: int = zoo.field(256, "hidden width of the decoder's pre-net", unit="features", minimum=1)
    prenet_dim: int = zoo.field(128, "its output", unit="features", minimum=1)
    prenet_dropout: float = zoo.field(0.5, "after both of its layers", minimum=0.0, maximum=1.0)
    prenet_fixed: bool = zoo.field(False, "whether dropout of both pre-nets stays on in inference")
    attention_rnn_dim: int = zoo.field(256, "Q: cells of the attention LSTM", minimum=1)
    decoder_rnn_dim: int = zoo.field(256, "cells of the two residual LSTMs", minimum=1)
    reduction_factor: int = zoo.field(2, "r: frames of a decoder step", unit="frames", minimum=1)
    zoneout: float = zoo.field(
        0.1, "share of the LSTMs' outputs that keep their last value in training", minimum=0.0, maximum=1.0
    )
    attention: str = zoo.field(
        "dca", "content and location-sensitive are what the paper compares with", choices=ATTENTIONS
    )
    attention_hidden: int = zoo.field(128, "width inside the attention", unit="features", minimum=1)
    static_channels: int = zoo.field(8, "static filters of dca and location-sensitive", minimum=1)
    static_kernel_size: int = zoo.field(21, "their taps", unit="tokens", minimum=1)
    dynamic_channels: int = zoo.field(8, "dca: filters that a query makes", minimum=1)
    dynamic_kernel_size: int = zoo.field(21, "dca: their taps", unit="tokens", minimum=1)
    prior_length: int = zoo.field(
        11, "dca: a step moves on by 0 to this - 1 tokens", unit="tokens", minimum=1, maximum=4096
    )
    prior_alpha: float = zoo.field(0.1, "dca: alpha of the beta-binomial prior, above 0")
    prior_beta: float = zoo.field(0.9, "dca: its beta, above 0")
    num_mixtures: int = zoo.field(5, "gmm: components of the mixture", minimum=1)
    gmm_version: str = zoo.field("v2", "gmm: how parameters are made positive", choices=VERSIONS)
    initial_delta: float | None = zoo.field(1.0, "gmm: step at the start; none: its bias starts at 0", unit="tokens")
    initial_sigma: float | None = zoo.field(10.0, "gmm: width at the start; none: its bias starts at 0", unit="tokens")

    def __post_init__(self) -> None:
        _require_odd(self, "static_kernel_size", "dynamic_kernel_size")
        _require_positive(self, "prior_alpha", "prior_beta", "initial_delta", "initial_sigma")

    @property
    def memory_dim(self) -> int:
        """Width of the memory."""
        return 2 * self.encoder_rnn_dim

    def dca(self) -> DCAConfig:
        """The config of its dynamic convolution attention."""
        return DCAConfig(
            self.attention_rnn_dim,
            self.attention_hidden,
            self.static_channels,
            self.static_kernel_size,
            self.dynamic_channels,
            self.dynamic_kernel_size,
            self.prior_length,
            self.prior_alpha,
            self.prior_beta,
        )

    def gmm(self) -> GMMConfig:
        """The config of its GMM attention."""
        return GMMConfig(
            self.attention_rnn_dim,
            self.attention_hidden,
            self.num_mixtures,
            self.gmm_version,
            self.initial_delta,
            self.initial_sigma,
        )


@dataclass
class TacotronGMMConfig(TacotronConfig):
    """The same, with GMM attention (V2b) by default."""

    attention: str = zoo.field("gmm", "what aligns; see location-relative-attention", choices=ATTENTIONS)
