"""The pictures of the cards: a held-out article about hockey, and what perturbations of its attention do."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from zoo_seq2seq import newsgroups
from zoo_seq2seq.attention_at.config import AttentionATConfig
from zoo_seq2seq.attention_at.method import AttentionAT

SHOWN = (
    "the leafs played a great game last night and the goalie stopped everything until the third period when the power "
    "play finally scored off a rebound in front of the net i still think that they will lose the series in seven"
)
EPSILON = 5.0


def _hockey(logits: Tensor) -> str:
    return f"{float(logits.detach().sigmoid()):.1%} hockey"


def before_and_after(path: Path) -> None:
    """Attention over a text about hockey before and after adversarial perturbations of its scores, of a classifier that
    was trained plainly on two newsgroups and of one that was trained with Attention AT."""
    weights: dict[str, Tensor] = {}
    for preset, name in (("newsgroups", "trained plainly"), ("newsgroups-at", "trained with AT")):
        opened, words = newsgroups.opened(f"attention-at-classifier/{preset}", SHOWN)
        r, _ = AttentionAT(AttentionATConfig(epsilon=EPSILON)).perturbation(
            opened.proceed, opened.scores, torch.ones(1)
        )
        for moved, when in ((0 * r, "as it is"), (r, f"perturbed by norm {EPSILON:g}")):
            scores = (opened.scores + moved).detach()
            weights[f"{name}, {when}: {_hockey(opened.proceed(scores))}"] = scores.softmax(-1)[0]
    newsgroups.draw_words(words, weights, path=path)


def perturbations(path: Path) -> None:
    """What AT, iAT as written and iAT with unnormalised differences add to the score of each word of a text about
    hockey; the first two are the same."""
    from zoo.evidence.plots import new_figure, saved

    opened, words = newsgroups.opened("attention-at-classifier/newsgroups", SHOWN)
    figure = new_figure(figsize=(9.5, 4.2))
    axis = figure.subplots()
    for place, (mode, colour) in enumerate((("at", "#2a6f97"), ("iat", "#61a5c2"), ("iat-unnormalised", "#d1495b"))):
        method = AttentionAT(AttentionATConfig(mode, EPSILON))
        r, _ = method.perturbation(opened.proceed, opened.scores, torch.ones(1))
        axis.bar(
            [each + 0.28 * (place - 1) for each in range(len(words))], r[0].tolist(), 0.28, color=colour, label=mode
        )
    axis.axhline(0, color="0.5", linewidth=0.8)
    axis.set_xticks(range(len(words)), words, rotation=75, ha="right", fontsize=8)
    axis.set_ylabel("added to the attention score")
    axis.set_title(f"perturbations of norm {EPSILON:g} that raise the loss of {_hockey(opened.proceed(opened.scores))}")
    axis.legend()
    saved(figure, path)


def classifiers(path: Path) -> None:
    """Attention of the bundled baseball-or-hockey classifiers over the same text: trained plainly, with Attention AT,
    and with Attention iAT."""
    weights: dict[str, Tensor] = {}
    for preset, name in (
        ("newsgroups", "plain"),
        ("newsgroups-at", "Attention AT"),
        ("newsgroups-iat", "Attention iAT"),
    ):
        opened, words = newsgroups.opened(f"attention-at-classifier/{preset}", SHOWN)
        weights[f"{name}: {_hockey(opened.proceed(opened.scores))}"] = opened.scores.detach().softmax(-1)[0]
    newsgroups.draw_words(words, weights, path=path)
