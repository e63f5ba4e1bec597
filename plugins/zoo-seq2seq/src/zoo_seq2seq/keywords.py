"""A synthetic task of keywords.

Sentences of 12 words out of 200; two of them are keywords of the label, of which each label has ten. All others are
drawn from the rest. Keywords are the truth against which attention is held.
"""

from __future__ import annotations

import torch

from zoo_seq2seq.attention_classifier import AttentionClassifierConfig
from zoo_seq2seq.sentences import Sentences

LENGTH, VOCABULARY, KEYWORDS = 12, 200, 10
SMALL = AttentionClassifierConfig(VOCABULARY, 24, 16)
"""A small classifier for the task: 24 features a word, 16 cells a direction."""


def draw(count: int, seed: int, *, fillers: tuple[int, int] = (2 * KEYWORDS, VOCABULARY)) -> Sentences:
    """Sentences whose other words are drawn from a range of the vocabulary."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (count,), generator=generator)
    ids = torch.randint(*fillers, (count, LENGTH), generator=generator)
    words = torch.randint(KEYWORDS, (count, 2), generator=generator) + KEYWORDS * labels[:, None]
    places = torch.rand(count, LENGTH, generator=generator).argsort(1)[:, :2]
    keywords = torch.zeros(count, LENGTH, dtype=torch.bool).scatter(1, places, True)
    return Sentences(ids.scatter(1, places, words), labels, None, keywords)
