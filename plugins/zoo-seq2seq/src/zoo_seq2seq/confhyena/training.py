"""Training on Italian words, and recognising those of a WAV file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.descent import descend, one_cycle
from zoo_seq2seq.confhyena.config import ConfHyenaConfig
from zoo_seq2seq.confhyena.network import ConfHyena
from zoo_seq2seq.decoding import PAD
from zoo_seq2seq.recognising import held_out, require_task, word_errors
from zoo_seq2seq.search import greedy_search
from zoo_seq2seq.spoken_words import SpokenWords, Utterances
from zoo_seq2seq.teaching import ctc_loss, following, previous

STEPS, BATCH, RATE, CTC_WEIGHT = 1500, 32, 2e-3, 0.5
LANGUAGES = ("it",)


def task_of(config: ConfHyenaConfig) -> SpokenWords:
    """The words of the preset ``words``.

    Raises:
        InputError: the network was made for other words or features.
    """
    task = SpokenWords(LANGUAGES, config.analysis())
    require_task(config, task, "words")
    return task


def loss_of(model: ConfHyena, batch: Utterances) -> Tensor:
    """Cross entropy of the decoder, labels smoothed by 0.1, and CTC in the middle of the encoder, half of it; 0 is the
    blank."""
    output = model(batch.features, previous(batch.labels), batch.lengths)
    tokens = functional.cross_entropy(
        output.logits.flatten(0, 1), following(batch.labels).flatten(), ignore_index=PAD, label_smoothing=0.1
    )
    return tokens + CTC_WEIGHT * ctc_loss(output.ctc_logits, output.ctc_lengths, batch.labels)


def recognise(model: ConfHyena, features: Tensor, lengths: Tensor, most: int = 8) -> list[list[int]]:
    """Ids of words, greedily."""
    mask = torch.arange(features.shape[1]) < lengths[:, None]
    found = greedy_search(model, features, mask, max_lengths=most)
    return [found.ids(row) for row in range(len(features))]


def train(
    config: ConfHyenaConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn Italian numbers, days and months; a few minutes on one core for the preset ``words``.

    Returns:
        The network, and its word error rate on a real reader of whom nothing was heard, on synthetic voices that were
        not taught, and that of saying one word to everything.

    Raises:
        InputError: the network was made for other words.
        MissingDependency: recordings, or espeak-ng, are not installed.
    """
    task = task_of(config)
    taught, real, synthetic = task.taught(), held_out(task, task.held_out()), held_out(task, task.other_synthetic())
    torch.manual_seed(seed)
    model, generator = ConfHyena(config), torch.Generator().manual_seed(seed)

    def loss_at(step: int) -> Tensor:
        # Single words first: what they sound like before their order.
        most = 1 if 2 * step < STEPS else task.most
        return loss_of(model, task.utterances(BATCH, taught, generator, most=most, varied=True))

    optimizer = torch.optim.Adam(model.parameters(), RATE)
    rates = one_cycle(optimizer, STEPS)
    descend(model, range(STEPS), loss_at, optimizer, rates=rates, clip=1.0, log=log)
    return model, word_errors(partial(recognise, model), real, synthetic, readers="another reader")


def predict(model: ConfHyena, config: ConfHyenaConfig, source: str) -> dict[str, Any]:
    """The words that are said in a WAV file, and what CTC hears in every frame of the encoder."""
    task = task_of(config)
    features = task.features(source)
    with torch.no_grad():
        ctc = model.encoder(features).ctc_logits[0].argmax(-1).tolist()
    words = recognise(model, features, torch.tensor([features.shape[1]]))[0]
    heard = [index for place, index in enumerate(ctc) if index and (not place or index != ctc[place - 1])]
    return {"text": task.text(words), "ctc": task.text(heard)}
