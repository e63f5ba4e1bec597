"""Training on French and Italian numbers that take turns, and recognising those of a WAV file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from zoo.nn.descent import descend, one_cycle
from zoo_seq2seq.camel_asr.config import CamelConfig
from zoo_seq2seq.camel_asr.losses import losses
from zoo_seq2seq.camel_asr.network import Camel, languages_of
from zoo_seq2seq.camel_asr.rescoring import transcribe
from zoo_seq2seq.recognising import held_out, require_task, word_errors
from zoo_seq2seq.spoken_words import SpokenWords
from zoo_seq2seq.teaching import previous

STEPS, SINGLE, BATCH, RATE = 1300, 500, 32, 3e-3
WARP, SLOWEST = 0.1, 2.5
"""Readers differ: the French one who is recognised takes twice as long for a word as the one who is taught."""
LANGUAGES = ("fr", "it")
"""In the places of the paper's English and Mandarin."""
COUNT, MOST = 11, 2
"""Words of each, nought to ten, and of the longest utterance."""


def task_of(config: CamelConfig) -> SpokenWords:
    """The words of the preset ``words``.

    Raises:
        InputError: the network was made for other words or features.
    """
    task = SpokenWords(LANGUAGES, config.analysis(), MOST, COUNT)
    require_task(config, task, "words")
    return task


def recognise(model: Camel, features: Tensor, lengths: Tensor) -> list[list[int]]:
    """Ids of words as the paper finds them: CTC's beam, rescored."""
    return [list(found[0].tokens) for found in transcribe(model, features, lengths)]


def languages(tokens: list[int], config: CamelConfig) -> list[int]:
    """The class of every token; see ``network.languages_of``."""
    found: list[int] = languages_of(torch.tensor(tokens, dtype=torch.long), config).tolist()
    return found


def train(
    config: CamelConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn numbers, each in French or Italian; three minutes on one core for the preset ``words``.

    Returns:
        The network, and its word error rate on utterances in both languages: of real readers of whom nothing was heard,
        one of each language, of synthetic voices that were not taught, and of saying one word to everything.

    Raises:
        InputError: the network was made for other words.
        MissingDependency: recordings, or espeak-ng, are not installed.
    """
    task = task_of(config)
    taught, real, synthetic = task.taught(), held_out(task, task.held_out()), held_out(task, task.other_synthetic())
    torch.manual_seed(seed)
    model, generator = Camel(config), torch.Generator().manual_seed(seed)

    def loss_of(step: int) -> Tensor:
        # Single words first: what they sound like before their order.
        most = 1 if step < SINGLE else task.most
        batch = task.utterances(BATCH, taught, generator, most=most, varied=True, warp=WARP, slowest=SLOWEST)
        return losses(model(batch.features, previous(batch.labels), batch.lengths), batch.labels, config).total

    optimizer = torch.optim.Adam(model.parameters(), RATE)
    rates = one_cycle(optimizer, STEPS)
    descend(model, range(STEPS), loss_of, optimizer, rates=rates, clip=1.0, log=log)
    return model, word_errors(partial(recognise, model), real, synthetic, readers="other readers")


def predict(model: Camel, config: CamelConfig, source: str) -> dict[str, Any]:
    """The numbers that are said in a WAV file, the language of each, and the score: CTC's beam, rescored.

    Raises:
        InputError: the network was made for other words; no WAV file that could be read, or one of silence.
    """
    task = task_of(config)
    best = transcribe(model, task.features(source))[0][0]
    return {
        "text": task.text(best.tokens),
        "languages": " ".join(LANGUAGES[kind - 1] for kind in languages(list(best.tokens), config) if kind),
        "score": round(best.score, 3),
    }
