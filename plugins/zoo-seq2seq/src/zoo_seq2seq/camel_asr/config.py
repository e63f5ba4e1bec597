"""The schemas of the experts and of the network."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.nn.heads import require_equal_slices
from zoo_seq2seq.log_mel import Analysis

MIXES = ("linear", "weighted")
FIRST = 4
"""The first token that is a word: below it are padding (CTC's blank), unknown, start and end."""


@dataclass
class ExpertsConfig:
    """Config of the language experts."""

    dim: int = zoo.field(256, "d: width", unit="features", minimum=1)
    num_heads: int = zoo.field(4, "heads of both attentions", minimum=1)
    adapter_dim: int = zoo.field(256, "b: width inside adapters", unit="features", minimum=1)
    mix: str = zoo.field("linear", "how streams become one: a matrix of both, or a weight for each", choices=MIXES)
    dropout: float = zoo.field(0.1, "in adapters and attention", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)


@dataclass
class CamelConfig:
    """Config of the network."""

    vocab_size: int = zoo.field(6000, "V: tokens of both languages and four marks", minimum=FIRST + 2)
    num_english: int = zoo.field(3000, "English tokens, from 4 on; Mandarin ones follow", minimum=1)
    num_language_classes: int = zoo.field(
        3, "L: classes of the language decoder; marks, English, Mandarin, further ones", minimum=3
    )
    num_mels: int = zoo.field(80, "filters of the features", minimum=7)
    sample_rate: int = zoo.field(16_000, "of waveforms that features are made of", unit="Hz", minimum=1000)
    energy_floor: float = zoo.field(1e-10, "energy below which a filter hears silence", minimum=1e-30)
    dim: int = zoo.field(256, "d: width", unit="features", minimum=1)
    num_layers: int = zoo.field(9, "plain encoder layers", minimum=0)
    num_moe_layers: int = zoo.field(3, "encoder layers with experts, behind the plain ones", minimum=1)
    num_heads: int = zoo.field(4, "heads everywhere", minimum=1)
    hidden_dim: int = zoo.field(1024, "width inside feed-forward layers of the encoder", unit="features", minimum=1)
    cgmlp_dim: int = zoo.field(1536, "c: width inside convolutional gating, both halves", unit="features", minimum=2)
    cgmlp_kernel: int = zoo.field(31, "width of the gating convolution", unit="frames", minimum=1)
    merge_kernel: int = zoo.field(31, "width of the convolution over both branches", unit="frames", minimum=1)
    adapter_dim: int = zoo.field(256, "b: width inside adapters", unit="features", minimum=1)
    mix: str = zoo.field("linear", "how streams become one: a matrix of both, or a weight for each", choices=MIXES)
    decoder_layers: int = zoo.field(6, "layers of the decoder", minimum=0)
    decoder_hidden_dim: int = zoo.field(2048, "width inside decoders' feed-forward layers", unit="features", minimum=1)
    ld_layers: int = zoo.field(3, "layers of the language decoder; 0: without it, and without bias", minimum=0)
    dropout: float = zoo.field(0.1, "everywhere", minimum=0.0, maximum=1.0)
    ctc_weight: float = zoo.field(0.3, "w of the loss", minimum=0.0, maximum=1.0)
    language_weight: float = zoo.field(0.3, "beta: of language-wise CTC", minimum=0.0)
    ld_weight: float = zoo.field(0.3, "gamma: of the language decoder's loss", minimum=0.0)
    language_in_ctc: bool = zoo.field(False, "whether beta lies inside w's part: w (L_ctc + beta L_lang)")

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        if self.num_english >= self.vocab_size - FIRST:
            raise zoo.ConfigError(
                f"num_english={self.num_english} of {self.vocab_size - FIRST} words leaves none to Mandarin",
                field="num_english",
            )
        if self.cgmlp_dim % 2:
            raise zoo.ConfigError(f"cgmlp_dim={self.cgmlp_dim} must be even: half are gates", field="cgmlp_dim")
        for name in ("cgmlp_kernel", "merge_kernel"):
            if getattr(self, name) % 2 == 0:
                raise zoo.ConfigError(f"{name}={getattr(self, name)} must be odd, to have a centre", field=name)

    def analysis(self) -> Analysis:
        """How features are made of waveforms."""
        return Analysis(num_mels=self.num_mels, sample_rate=self.sample_rate, floor=self.energy_floor)

    def experts(self) -> ExpertsConfig:
        """The config of its experts."""
        return ExpertsConfig(self.dim, self.num_heads, self.adapter_dim, self.mix, self.dropout)
