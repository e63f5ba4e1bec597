"""The schema of PISA."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.nn.heads import require_equal_slices

NEGATIVES = ("popularity", "uniform")


@dataclass
class PISAConfig:
    """Config of PISA."""

    num_items: int = zoo.field(10_000, "tracks; ids are 1 to num_items", minimum=1)
    dim: int = zoo.field(128, "width of a track's and a session's embedding", minimum=1)
    max_length: int = zoo.field(20, "sessions of a history", unit="sessions", minimum=1)
    session_length: int = zoo.field(10, "slots of a session", unit="tracks", minimum=1)
    num_blocks: int = zoo.field(2, "blocks of the transformer over sessions", minimum=1)
    num_heads: int = zoo.field(2, "heads of its attention", minimum=1)
    num_favorites: int = zoo.field(20, "tracks of highest base level that stand for a user", minimum=1)
    flatten: float = zoo.field(0.5, "exponent g on activations: 0 weighs tracks equally, 1 by raw shares", minimum=0.0)
    spread: bool = zoo.field(True, "whether spreading activation counts")
    partial_matching: bool = zoo.field(True, "whether partial matching counts")
    causal: bool = zoo.field(True, "whether a session sees earlier ones alone")
    input_scale: bool = zoo.field(True, "whether session embeddings are multiplied by sqrt(dim)")
    lambda_ls: float = zoo.field(0.5, "weight of the long-term term, in scores and loss", minimum=0.0)
    lambda_task: float = zoo.field(0.9, "weight of the ranking loss against the session loss", minimum=0.0, maximum=1.0)
    lambda_pos: float = zoo.field(0.9, "weight of the target's part of the ranking loss", minimum=0.0, maximum=1.0)
    strict_reference_loss: bool = zoo.field(False, "as the authors': no session loss where any target is padded")
    negatives: str = zoo.field("popularity", "how negatives are drawn for training", choices=NEGATIVES)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)

    @property
    def num_components(self) -> int:
        """Activations that are in use: base level, spreading, partial matching."""
        return 1 + self.spread + self.partial_matching
