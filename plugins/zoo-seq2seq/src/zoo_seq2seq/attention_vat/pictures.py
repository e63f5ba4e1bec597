"""The pictures of the cards: what perturbations of attention do to a text that says nothing of the sport."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from zoo_seq2seq import newsgroups
from zoo_seq2seq.attention_vat.config import AttentionVATConfig
from zoo_seq2seq.attention_vat.method import AttentionVAT
from zoo_seq2seq.exposed import Exposed
from zoo_seq2seq.perturbing import divergence, random_direction

SHOWN = (
    "i watched the game last night and our team lost again the coach should go and the fans are angry will they trade "
    "a player before the season ends or wait for the draft"
)
EPSILON = 5.0


def divergences(path: Path) -> None:
    """How far the prediction of a text that says nothing of the sport moves under virtual adversarial perturbations of
    growing norm, beside 200 random ones, of the bundled classifiers with and without such training."""
    from zoo.evidence.plots import new_figure, saved

    figure = new_figure(figsize=(9.5, 3.6))
    names = (("newsgroups-supervised", "300 labels alone"), ("newsgroups", "300 labels and VAT"))
    axes = figure.subplots(1, 2, sharey=True)
    norms = torch.linspace(1, 12, 12)
    for axis, (preset, title) in zip(axes, names, strict=True):
        opened, _ = newsgroups.opened(f"attention-vat-classifier/{preset}", SHOWN)
        generator = torch.Generator().manual_seed(0)
        found = AttentionVAT(AttentionVATConfig(epsilon=1.0)).perturbation(
            opened.proceed, opened.scores, generator=generator
        )
        random = torch.stack([random_direction(opened.scores, None, generator) for _ in range(200)])
        axis.plot(norms, [float(_moved(opened, norm * found)) for norm in norms], color="#d1495b", label="VAT")
        spread = torch.stack([torch.stack([_moved(opened, norm * each) for each in random]) for norm in norms])
        axis.plot(norms, spread.mean(1), color="#2a6f97", label="random, mean")
        axis.fill_between(norms, spread.amin(1), spread.amax(1), color="#2a6f97", alpha=0.2, label="random, all of 200")
        axis.set(title=title, xlabel="norm of the perturbation of scores")
    axes[0].set_yscale("log")
    axes[0].set_ylabel("KL divergence of the prediction (nats)")
    axes[0].legend()
    saved(figure, path)


@torch.no_grad()
def _moved(opened: Exposed, r: Tensor) -> Tensor:
    return divergence(opened.proceed(opened.scores), opened.proceed(opened.scores + r))[0]


def perturbations(path: Path) -> None:
    """What VAT and iVAT with unnormalised differences add to the score of each word of a text that says nothing of the
    sport, of the bundled classifier: neither needs a label."""
    from zoo.evidence.plots import new_figure, saved

    opened, words = newsgroups.opened("attention-vat-classifier/newsgroups-supervised", SHOWN)
    figure = new_figure(figsize=(9.5, 4.2))
    axis = figure.subplots()
    for place, (mode, colour) in enumerate((("vat", "#2a6f97"), ("ivat-unnormalised", "#d1495b"))):
        r = AttentionVAT(AttentionVATConfig(mode, EPSILON)).perturbation(
            opened.proceed, opened.scores, generator=torch.Generator().manual_seed(0)
        )
        moved = f"{mode}: divergence {float(_moved(opened, r)):.1e} nats"
        axis.bar(
            [each + 0.4 * (place - 0.5) for each in range(len(words))], r[0].tolist(), 0.4, color=colour, label=moved
        )
    axis.axhline(0, color="0.5", linewidth=0.8)
    axis.set_xticks(range(len(words)), words, rotation=75, ha="right", fontsize=8)
    axis.set_ylabel("added to the attention score")
    axis.set_title(f"perturbations of norm {EPSILON:g} that move the prediction most")
    axis.legend()
    saved(figure, path)


def classifiers(path: Path) -> None:
    """Attention over a text that says nothing of the sport, of the bundled classifiers that were taught by 300 labelled
    articles: with these alone, and with virtual adversarial training on all others."""
    weights: dict[str, Tensor] = {}
    for preset, name in (("newsgroups-supervised", "300 labels alone"), ("newsgroups", "300 labels and VAT")):
        opened, words = newsgroups.opened(f"attention-vat-classifier/{preset}", SHOWN)
        share = float(opened.proceed(opened.scores).detach().sigmoid())
        weights[f"{name}: {share:.1%} hockey"] = opened.scores.detach().softmax(-1)[0]
    newsgroups.draw_words(words, weights, path=path)
