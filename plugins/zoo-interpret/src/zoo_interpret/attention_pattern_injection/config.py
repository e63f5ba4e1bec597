"""The schemas of the networks and of the probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import zoo

MODES = ("mask", "synthesize")


@dataclass
class EncoderConfig:
    """Config of the encoder, BERT's with patterns."""

    vocab_size: int = zoo.field(30522, "tokens", minimum=1)
    dim: int = zoo.field(768, "width", unit="features", minimum=1)
    num_layers: int = zoo.field(6, "layers", minimum=1)
    num_heads: int = zoo.field(12, "heads", minimum=1)
    hidden_dim: int = zoo.field(3072, "width of the feed-forward networks", unit="features", minimum=1)
    max_length: int = zoo.field(512, "positions", unit="tokens", minimum=1)
    types: int = zoo.field(2, "segments", minimum=1)
    dropout: float = zoo.field(0.1, "of embeddings, attention and outputs", minimum=0, maximum=1)
    eps: float = zoo.field(1e-12, "of the norms", minimum=0)
    cls_id: int = zoo.field(101, "id that begins a sentence", minimum=0)
    sep_id: int = zoo.field(102, "id that ends a sentence", minimum=0)
    pad_id: int = zoo.field(0, "id of padding, whose embedding is not trained", minimum=0)
    heads_per_pattern: int = zoo.field(1, "heads of every layer with each of the four patterns; 0 for none", minimum=0)
    matching: str = zoo.field("mask", "how the matching-token pattern is injected", choices=MODES)
    intra: str = zoo.field("mask", "how the intra-sentence (intra-context) pattern is injected", choices=MODES)
    positional: str = zoo.field("synthesize", "how the next and the previous token are injected", choices=MODES)
    reach: int = zoo.field(1, "tokens ahead or behind that positional heads may see", unit="tokens", minimum=1)
    reference_padding: bool = zoo.field(
        False,
        "padding as the authors' code has it, which recordings need: rows that no pattern allows anything see it, and "
        "its ids count as words and as ends of sentences",
    )
    pals: bool = zoo.field(False, "patterns in branches beside the layers, whose own heads have none")
    pal_dim: int = zoo.field(256, "width of the branches", unit="features", minimum=1)
    pal_heads: int = zoo.field(4, "heads of the branches, the first four with patterns", minimum=4)

    def __post_init__(self) -> None:
        """Heads divide widths, and there are enough of them."""
        for width, heads, name in (
            (self.dim, self.num_heads, "num_heads"),
            (self.pal_dim, self.pal_heads, "pal_heads"),
        ):
            if width % heads:
                raise zoo.ConfigError(f"a width of {width} is not divisible by {name}={heads}", field=name)
        if not self.pals and 4 * self.heads_per_pattern > self.num_heads:
            raise zoo.ConfigError(
                f"heads_per_pattern={self.heads_per_pattern} needs {4 * self.heads_per_pattern} heads; there are "
                f"{self.num_heads}",
                field="heads_per_pattern",
            )


@dataclass
class SegmentationConfig(EncoderConfig):
    """Config of the segmentation network."""

    head_dim: int = zoo.field(128, "width of the classifier's hidden layer", unit="features", minimum=1)


@dataclass
class RelevanceConfig:
    """Config of the probe."""

    task: str = zoo.field("summary", "whose form the patterns take", choices=("summary", "segmentation"))
    cls_id: int = zoo.field(101, "id that begins a sentence", minimum=0)
    sep_id: int = zoo.field(102, "id that ends a sentence", minimum=0)
    level: float = zoo.field(0.01, "of significance, before Bonferroni's correction", minimum=0, maximum=1)
    keep: Optional[float] = zoo.field(  # noqa: UP045 (OmegaConf reads Optional)
        None, "only the heads whose importance is in this top share are tested; by default all", minimum=0, maximum=1
    )


@dataclass
class InjectionConfig:
    """Config of the method for models of transformers."""

    task: str = zoo.field("summary", "whose form the patterns take", choices=("summary", "segmentation"))
    cls_id: int = zoo.field(101, "id that begins a sentence", minimum=0)
    sep_id: int = zoo.field(102, "id that ends a sentence", minimum=0)
    heads_per_pattern: int = zoo.field(1, "heads of every layer with each of the four patterns", minimum=0)
    matching: str = zoo.field("mask", "how the matching-token pattern is injected", choices=MODES)
    intra: str = zoo.field("mask", "how the intra-sentence (intra-context) pattern is injected", choices=MODES)
    positional: str = zoo.field("synthesize", "how the next and the previous token are injected", choices=MODES)
    reach: int = zoo.field(1, "tokens ahead or behind that positional heads may see", unit="tokens", minimum=1)
