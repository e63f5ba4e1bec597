"""Recognisers of spoken words: how often they are wrong, beside one that hears nothing, and a WAV file as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_seq2seq.edits import error_rate
from zoo_seq2seq.spoken_words import FIRST, SpokenWords, Utterances, Voice

Recognise = Callable[[Tensor, Tensor], list[list[int]]]
"""From features (batch, frames, mel) and lengths (batch,) to ids of words."""
COUNT, BATCH, SEED = 300, 50, 99


def held_out(task: SpokenWords, voices: Mapping[str, Sequence[Voice]], count: int = COUNT) -> list[Utterances]:
    """Batches of random utterances of voices, always the same."""
    generator = torch.Generator().manual_seed(SEED)
    return [task.utterances(BATCH, voices, generator) for _ in range(count // BATCH)]


def heard_and_said(recognise: Recognise, batches: Sequence[Utterances]) -> list[tuple[list[int], list[int]]]:
    """Ids of words that are recognised in every utterance, and those that it consists of."""
    pairs: list[tuple[list[int], list[int]]] = []
    for batch in batches:
        pairs += zip(recognise(batch.features, batch.lengths), _true(batch.labels), strict=True)
    return pairs


def word_error(recognise: Recognise, batches: Sequence[Utterances]) -> float:
    """Edits per word of utterances."""
    return error_rate(heard_and_said(recognise, batches))


def word_errors(
    recognise: Recognise, real: Sequence[Utterances], synthetic: Sequence[Utterances], *, readers: str
) -> dict[str, float]:
    """What a training reports: errors on real ``readers`` who were not heard in it, on other synthetic voices, and of
    saying one word to everything."""
    found = {
        f"word error of {readers}": word_error(recognise, real),
        "word error of other synthetic voices": word_error(recognise, synthetic),
        "word error of one word for all": deaf_word_error(real),
    }
    return {name: round(error, 3) for name, error in found.items()}


def deaf_word_error(batches: Sequence[Utterances]) -> float:
    """The lowest error of saying one and the same word to every utterance."""
    labels = [ids for batch in batches for ids in _true(batch.labels)]
    said = {index for ids in labels for index in ids}
    return min(error_rate([([index], ids) for ids in labels]) for index in said)


def _true(labels: Tensor) -> list[list[int]]:
    return [[index for index in row if index >= FIRST] for row in labels.tolist()]


def require_task(config: Any, task: SpokenWords, preset: str) -> None:
    """Raise InputError where a network was made for other words or features than a task's."""
    analysis = task.analysis
    wanted = {"vocab_size": task.vocab_size, "num_mels": analysis.num_mels, "sample_rate": analysis.sample_rate}
    other = [f"{name}={getattr(config, name)}" for name, value in wanted.items() if getattr(config, name) != value]
    if other:
        raise InputError(
            f"a network with {', '.join(other)} has no words here: take the preset {preset!r}, or give features and "
            "tokens of your own to the model"
        )
