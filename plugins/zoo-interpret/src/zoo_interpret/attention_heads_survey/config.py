"""The schemas of the taxonomy, of the scores and of the replacements."""

from __future__ import annotations

import re
from dataclasses import dataclass

import zoo


@dataclass
class TaxonomyConfig:
    """Config of the taxonomy: it has none."""


@dataclass
class HeadScoresConfig:
    """Config of the scores; thresholds are ours."""

    repeat_length: int = zoo.field(50, "random tokens R that are repeated", unit="tokens", minimum=1)
    prompts: int = zoo.field(4, "random sequences that scores are averaged over", minimum=1)
    copy_tokens: int = zoo.field(256, "tokens of the vocabulary that ov_copy is measured on; 0: all", minimum=0)
    copy_top: int = zoo.field(5, "ov_copy counts tokens with fewer logits than this above", minimum=1)
    matching: float = zoo.field(0.4, "previous, duplicate and induction heads score more", minimum=0.0, maximum=1.0)
    sink: float = zoo.field(0.5, "heads with more on the first token are sinks", minimum=0.0, maximum=1.0)
    copy: float = zoo.field(0.5, "heads that copy more of the tokens are movers", minimum=0.0, maximum=1.0)
    retrieval: float = zoo.field(0.1, "retrieval heads score more", minimum=0.0, maximum=1.0)
    seed: int = zoo.field(0, "of the random sequences and tokens", minimum=0)


@dataclass
class HeadReplacementConfig:
    """Config of the replacements."""

    how: str = zoo.field(
        "zero",
        "what heads' outputs become: zero, their mean over references, or a reference's",
        choices=("zero", "mean", "patch"),
    )
    heads: list[str] = zoo.field(["0.0"], 'heads "LAYER.HEAD", counted from 0')

    def __post_init__(self) -> None:
        wrong = [name for name in self.heads if not re.fullmatch(r"\d+\.\d+", name)]
        if wrong:
            raise zoo.ConfigError(f"heads={wrong}: they are written like '12.3', layer and head", field="heads")

    def places(self) -> list[tuple[int, int]]:
        """(layer, head) of the heads."""
        return [(int(layer), int(head)) for layer, head in (name.split(".") for name in self.heads)]
