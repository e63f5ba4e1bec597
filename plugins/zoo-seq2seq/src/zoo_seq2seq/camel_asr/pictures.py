"""The pictures of the cards: what the networks cost, since none is trained."""

from __future__ import annotations

from pathlib import Path

from zoo.evidence.cost_pictures import presets_picture


def recogniser(path: Path) -> None:
    """Parameters of the untrained recogniser's presets, and multiply-adds of one forward pass over 15 seconds of speech
    (1500 frames, the tiny one's of 10 filters instead of 80) and 40 tokens, counted without computing."""
    presets_picture("seq2seq:camel-asr", path)


def experts(path: Path) -> None:
    """Parameters of the untrained pair of language experts in each preset, and multiply-adds of one forward pass over
    the entry's example, counted without computing."""
    presets_picture("seq2seq:camel-asr-experts", path)
