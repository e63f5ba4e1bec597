"""The schemas of the probe and of the probing classifiers."""

from __future__ import annotations

from dataclasses import dataclass

import zoo


@dataclass
class BertLookConfig:
    """Config of the probe."""

    cls_id: int = zoo.field(101, "token id of [CLS]", minimum=0)
    sep_id: int = zoo.field(102, "token id of [SEP]", minimum=0)
    punct_ids: list[int] = zoo.field([1012, 1010], "token ids of . and ,", minimum=0)
    separators: str = zoo.field(
        "two",
        "denominators of the [SEP] selectors: two separators as in the paper, or the true count",
        choices=("two", "count"),
    )
    reduce: str = zoo.field("sum", "JS distances over documents", choices=("sum", "mean"))
    js: bool = zoo.field(
        False,
        "whether JS distances between heads are computed; the maps of all layers of a text are held for it",
    )


@dataclass
class AttentionProbeConfig:
    """Config of the attention-only probe."""

    num_maps: int = zoo.field(144, "heads L H; every one counts twice, with its transpose", minimum=1)


@dataclass
class WordsProbeConfig(AttentionProbeConfig):
    """Config of the attention-and-words probe."""

    dim: int = zoo.field(300, "width of the fixed word vectors", unit="features", minimum=1)
    align_words: bool = zoo.field(False, "the paper's alignment of weights and candidates instead of the code's")


@dataclass
class DistanceProbeConfig:
    """Config of the words-and-distances baseline."""

    dim: int = zoo.field(300, "width of the fixed word vectors", unit="features", minimum=1)
    hidden: int = zoo.field(256, "width of the hidden layer", unit="features", minimum=1)
    align_words: bool = zoo.field(False, "the paper's alignment of words and candidates instead of the code's")
