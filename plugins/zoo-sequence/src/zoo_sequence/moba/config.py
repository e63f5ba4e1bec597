"""The schemas of the layer and of the language model, and how blocks are chosen."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_groups, require_equal_slices
from zoo.nn.language_model import LanguageModelConfig

GATES = ("mean", "window", "sink")
MODES = ("moba", "full")


@dataclass(frozen=True)
class Routing:
    """How blocks are chosen.

    Args:
        block_size: tokens per block.
        topk: blocks that a query reads, its own included.
        gate: "mean" scores a block by query . mean of its keys. The other two ignore the content and show that
            older patterns are special cases: "window" prefers recent blocks (sliding-window attention), "sink" the
            first block and then recent ones (attention sink).
    """

    block_size: int
    topk: int
    gate: str = "mean"


@dataclass
class MoBAConfig:
    """Config of one layer."""

    dim: int = zoo.field(32, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(4, "query heads", minimum=1)
    num_kv_heads: int | None = zoo.field(None, "key/value heads; as many as query heads by default", minimum=1)
    causal: bool = zoo.field(True, "always: the mechanism has no bidirectional form")
    block_size: int = zoo.field(64, "tokens per block", unit="tokens", minimum=1)
    topk: int = zoo.field(3, "blocks that a query reads, its own included", unit="blocks", minimum=1)
    rope_theta: float | None = zoo.field(10_000.0, "base of the rotary positions; none without", minimum=1.0)
    gate: str = zoo.field("mean", "score of a block: its mean key, or a fixed pattern", choices=GATES)
    mode: str = zoo.field("moba", "whether blocks are chosen, or everything is read", choices=MODES)
    decode: str = zoo.field("full", "the same for calls whose cache already holds keys", choices=MODES)

    def __post_init__(self) -> None:
        if not self.causal:
            raise ConfigError(
                "a query may only read blocks before its own, so MoBA has no bidirectional form: causal must be True",
                field="causal",
            )
        require_equal_slices(self.dim, self.num_heads)
        require_equal_groups(self.num_heads, self.num_kv_heads)

    @property
    def routing(self) -> Routing:
        """How blocks are chosen."""
        return Routing(self.block_size, self.topk, self.gate)


@dataclass
class MoBALanguageModelConfig(LanguageModelConfig):
    """Config of the language model; "moba" and "full" are its own kinds of attention."""

    vocab_size: int = zoo.field(97, "tokens of the vocabulary", minimum=1)
    dim: int = zoo.field(32, "model width", unit="features", minimum=1)
    num_layers: int = zoo.field(2, "blocks", minimum=1)
    num_heads: int = zoo.field(4, "query heads", minimum=1)
    num_kv_heads: int | None = zoo.field(2, "key/value heads; none: as many as query heads", minimum=1)
    hidden_dim: int = zoo.field(48, "width of the feed-forward network", unit="features", minimum=1)
    max_length: int = zoo.field(64, "context it is meant for", unit="tokens", minimum=1)
    attention: str = zoo.field("moba", "attention of every block: moba, full, or a drop-in layer by name")
    block_size: int = zoo.field(4, "tokens per block", unit="tokens", minimum=1)
    topk: int = zoo.field(2, "blocks that a query reads, its own included", unit="blocks", minimum=1)
    full_attention_last_layers: int = zoo.field(0, "how many of the last blocks read everything", minimum=0)
    gate: str = zoo.field("mean", "score of a block: its mean key, or a fixed pattern", choices=GATES)
    decode: str = zoo.field("full", "what generated tokens read through the cache", choices=MODES)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.full_attention_last_layers > self.num_layers:
            raise ConfigError(
                f"full_attention_last_layers={self.full_attention_last_layers} of num_layers={self.num_layers}",
                field="full_attention_last_layers",
            )
        if self.full_attention_last_layers and self.attention_pattern:
            raise ConfigError(
                "attention_pattern already says which layers are full: leave full_attention_last_layers at 0",
                field="attention_pattern",
            )

    def attention_names(self) -> list[str]:
        """One name per block."""
        names = super().attention_names()
        full = self.full_attention_last_layers
        return names[: len(names) - full] + ["full"] * full
