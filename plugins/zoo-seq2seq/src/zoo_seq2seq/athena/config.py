"""The schema of the reasoner."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError


@dataclass
class AthenaConfig:
    """Config of the reasoner, without its language model."""

    lm_hidden_size: int = zoo.field(768, "width of the language model's states", unit="features", minimum=1)
    hidden_size: int | None = zoo.field(None, "h: width of thoughts; that of the language model by default", minimum=1)
    num_heads: int = zoo.field(
        12, "heads of a width of lm_hidden_size; as many fewer as thoughts are narrower", minimum=1
    )
    ff_size: int = zoo.field(3072, "width inside feed-forward layers; at least that of thoughts", minimum=1)
    constants: list[float] = zoo.field([], "numbers that problems do not mention")
    norm: str = zoo.field("pre", "layer norm before or after", choices=("pre", "post"))
    chain: int = zoo.field(1, "what kept thoughts do to the context: nothing, join it, replace it", choices=(0, 1, 2))
    goal: int = zoo.field(0, "what the answer looks at: the last token of the question, or all", choices=(0, 1))
    max_depth: int = zoo.field(19, "most rounds, the first one counted", minimum=1)
    strength: float = zoo.field(0.95, "probability of an answer that ends the expansion", minimum=0.0, maximum=1.0)
    threshold: float = zoo.field(0.5, "probability from which a thought is kept", minimum=0.0, maximum=1.0)
    limit_thoughts: int = zoo.field(2000, "expansion ends before a round with more thoughts than these", minimum=1)
    dropout: float = zoo.field(0.5, "after attention and feed-forward layers", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        heads = self.num_heads * self.dim
        if heads % self.lm_hidden_size or self.dim % self.heads:
            raise ConfigError(
                f"num_heads={self.num_heads} of lm_hidden_size={self.lm_hidden_size} leave no whole number of equal "
                f"heads for thoughts of width {self.dim}",
                field="num_heads",
            )

    @property
    def dim(self) -> int:
        """Width of thoughts."""
        return self.hidden_size or self.lm_hidden_size

    @property
    def heads(self) -> int:
        """Heads of thoughts."""
        return max(self.num_heads * self.dim // self.lm_hidden_size, 1)

    @property
    def inner_dim(self) -> int:
        """Width inside feed-forward layers."""
        return max(self.ff_size, self.dim)
