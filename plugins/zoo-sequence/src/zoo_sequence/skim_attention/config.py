"""The schemas of the four models, whose defaults are the paper's base size, and of the benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

HEADS = ("none", "mlm", "token-classification")
CORES = ("bert", "layoutlm")


@dataclass
class DocumentConfig:
    """What every model that reads words and boxes has."""

    vocab_size: int = zoo.field(30_522, "words known", minimum=1)
    type_vocab_size: int = zoo.field(2, "token types known", minimum=1)
    dim: int = zoo.field(768, "width of the hidden states", unit="features", minimum=1)
    num_layers: int = zoo.field(12, "layers", minimum=1)
    num_heads: int = zoo.field(12, "heads, of skim-attention and of the layers", minimum=1)
    hidden_dim: int = zoo.field(3072, "width between the two feed-forward layers", unit="features", minimum=1)
    layout_dim: int = zoo.field(768, "width of the layout embeddings", unit="features", minimum=1)
    max_2d_positions: int = zoo.field(1024, "rows of each layout table; coordinates are below", minimum=1)
    max_length: int = zoo.field(512, "rows of a table of 1-D positions, where there is one", unit="tokens", minimum=1)
    head: str = zoo.field("none", "what reads the hidden states", choices=HEADS)
    num_classes: int = zoo.field(13, "classes of the token classifier", minimum=1)
    pooler: bool = zoo.field(False, "whether the first token is pooled")
    dropout: float = zoo.field(0.1, "of embeddings, sublayers and classifier", minimum=0.0, maximum=1.0)
    attention_dropout: float = zoo.field(0.1, "of attention weights", minimum=0.0, maximum=1.0)
    eps: float = zoo.field(1e-12, "of layer normalisation", minimum=0.0)


@dataclass
class SkimConfig(DocumentConfig):
    """What every model with skim-attention has."""

    skim_head_dim: int = zoo.field(64, "width of a query and of a key", unit="features", minimum=1)
    num_layout_layers: int = zoo.field(0, "layers of the layout encoder; none leaves boxes uncontextualised", minimum=0)
    num_layout_heads: int = zoo.field(12, "heads of the layout encoder", minimum=1)
    degrade_2d_positions: bool = zoo.field(False, "ablation: a box is its centre")
    use_1d_positions: bool = zoo.field(False, "ablation: a box is its place in the sequence; no layout encoder")

    def __post_init__(self) -> None:
        if self.degrade_2d_positions and self.use_1d_positions:
            raise ConfigError("degrade_2d_positions and use_1d_positions exclude each other", field="use_1d_positions")
        if self.contextualised and self.layout_dim % self.num_layout_heads:
            raise ConfigError(
                f"layout_dim={self.layout_dim} is not divisible by num_layout_heads={self.num_layout_heads}",
                field="num_layout_heads",
            )

    @property
    def contextualised(self) -> bool:
        """Whether there is a layout encoder."""
        return self.num_layout_layers > 0 and not self.use_1d_positions


@dataclass
class SkimformerConfig(SkimConfig):
    """Config of Skimformer."""

    head_dim: int | None = zoo.field(None, "width of a value; dim / num_heads by default", unit="features", minimum=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head_dim is None:
            require_equal_slices(self.dim, self.num_heads)

    @property
    def value_dim(self) -> int:
        """Width of a value, per head."""
        return self.head_dim or self.dim // self.num_heads


@dataclass
class LongSkimformerConfig(SkimformerConfig):
    """Config of LongSkimformer."""

    window: list[int] = zoo.field(
        [512], "keys around a query, half on each side: for all layers, or one for each", unit="tokens", minimum=2
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.window) not in (1, self.num_layers):
            raise ConfigError(
                f"{len(self.window)} windows for {self.num_layers} layers; give one, or one for each", field="window"
            )
        if any(window % 2 for window in self.window):
            raise ConfigError("a window has two equal sides: it must be even", field="window")

    @property
    def reaches(self) -> list[int]:
        """Of each layer, how many tokens it sees on either side."""
        windows = self.window * self.num_layers if len(self.window) == 1 else self.window
        return [window // 2 for window in windows]


@dataclass
class SkimmingMaskConfig(SkimConfig):
    """Config of SkimmingMask."""

    pooler: bool = zoo.field(True, "whether the first token is pooled")
    core: str = zoo.field("bert", "the encoder that obeys the mask", choices=CORES)
    top_k: int = zoo.field(128, "keys that a query may attend to, per head", unit="tokens", minimum=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_equal_slices(self.dim, self.num_heads)


@dataclass
class SkimEmbedConfig(DocumentConfig):
    """Config of BERT with projected layout embeddings."""

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)


@dataclass
class LayoutAnalysisConfig:
    """Config of the benchmark."""

    count: int = zoo.field(200, "pages drawn", minimum=1)
    seed: int = zoo.field(1_000_000, "of the first page drawn; those after count on", minimum=0)
    path: str = zoo.field("", "a DocBank page (.txt) or a folder of them, instead of drawn pages")
    max_length: int = zoo.field(512, "words shown at once; longer pages are cut", unit="tokens", minimum=1)
    vocab_size: int = zoo.field(128, "ids that words are hashed to", minimum=3)
    max_2d_positions: int = zoo.field(256, "coordinates that boxes are scaled to", minimum=2)

    def __post_init__(self) -> None:
        if self.path and not Path(self.path).expanduser().exists():
            raise ConfigError("no such file or folder", field="path")
