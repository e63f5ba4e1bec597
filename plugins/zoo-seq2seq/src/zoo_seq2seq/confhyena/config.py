"""The schemas of the operator and of the networks."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.nn.heads import require_equal_slices
from zoo_seq2seq.log_mel import Analysis


@dataclass
class HyenaConfig:
    """Config of the operator."""

    dim: int = zoo.field(512, "d: width", unit="features", minimum=1)
    num_heads: int = zoo.field(8, "h: heads, which share their filters", minimum=1)
    causal: bool = zoo.field(False, "whether frames see the past alone")
    max_length: int = zoo.field(6000, "l_max: longest input, which filters are stretched over", minimum=1)
    order: int = zoo.field(2, "N: products, with a long convolution between two", minimum=2)
    filter_dim: int = zoo.field(64, "width of the network that makes filters", unit="features", minimum=1)
    dropout: float = zoo.field(0.0, "before and after long convolutions", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)


@dataclass
class ConfHyenaConfig:
    """Config of the networks."""

    vocab_size: int = zoo.field(8000, "V: target pieces", minimum=2)
    ctc_vocab_size: int = zoo.field(8000, "V_src: CTC's labels, the blank with them", minimum=1)
    num_mels: int = zoo.field(80, "filters of the features", minimum=1)
    sample_rate: int = zoo.field(16_000, "of waveforms that features are made of", unit="Hz", minimum=1000)
    energy_floor: float = zoo.field(1e-10, "energy below which a filter hears silence", minimum=1e-30)
    dim: int = zoo.field(512, "d: width", unit="features", minimum=2)
    num_layers: int = zoo.field(12, "encoder layers", minimum=1)
    num_heads: int = zoo.field(8, "heads, of the decoder too", minimum=1)
    hidden_mult: int = zoo.field(4, "width inside feed-forward layers of the encoder, in d", minimum=1)
    conv_kernel: int = zoo.field(31, "width of the convolution inside layers", unit="frames", minimum=1)
    half_step: bool = zoo.field(True, "whether feed-forward layers count half")
    subsample_dim: int = zoo.field(1024, "channels of the first subsampling convolution", minimum=2)
    subsample_kernels: list[int] = zoo.field([5, 5], "widths of the subsampling convolutions", unit="frames")
    subsample_stride: int = zoo.field(2, "stride of each", minimum=1)
    scale_embedding: bool = zoo.field(True, "whether what is subsampled is multiplied by the root of d")
    ctc_layer: int = zoo.field(8, "layer, from 1, after which CTC reads", minimum=1)
    compress: bool = zoo.field(True, "whether frames of equal labels become one after that")
    mixing: str = zoo.field(
        "hyena",
        "Hyena operators in all layers, up to the CTC layer alone, or (attention) in none: a Conformer",
        choices=("hyena", "hybrid", "attention"),
    )
    causal: bool = zoo.field(False, "whether Hyena operators see the past alone")
    max_length: int = zoo.field(6000, "l_max of the filters", minimum=1)
    order: int = zoo.field(2, "N of the operators", minimum=2)
    filter_dim: int = zoo.field(64, "width of the network that makes filters", unit="features", minimum=1)
    decoder_layers: int = zoo.field(6, "layers of the decoder", minimum=0)
    decoder_hidden_dim: int = zoo.field(2048, "width inside its feed-forward layers", unit="features", minimum=1)
    dropout: float = zoo.field(0.1, "everywhere", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        if self.ctc_layer > self.num_layers:
            raise zoo.ConfigError(f"ctc_layer={self.ctc_layer} of {self.num_layers} layers", field="ctc_layer")
        if self.subsample_dim % 2:
            raise zoo.ConfigError(
                f"subsample_dim={self.subsample_dim} must be even: half are gates", field="subsample_dim"
            )
        if self.conv_kernel % 2 == 0 or any(kernel % 2 == 0 for kernel in self.subsample_kernels):
            raise zoo.ConfigError("kernels must be odd, to have a centre", field="conv_kernel")

    def analysis(self) -> Analysis:
        """How features are made of waveforms."""
        return Analysis(num_mels=self.num_mels, sample_rate=self.sample_rate, floor=self.energy_floor)

    def hyena(self) -> HyenaConfig:
        """The config of its operators."""
        return HyenaConfig(
            self.dim, self.num_heads, self.causal, self.max_length, self.order, self.filter_dim, self.dropout
        )


@dataclass
class HybridConfig(ConfHyenaConfig):
    """Config of the hybrid."""

    mixing: str = zoo.field(
        "hybrid",
        "Hyena operators in all layers, up to the CTC layer alone, or (attention) in none: a Conformer",
        choices=("hyena", "hybrid", "attention"),
    )
