"""Checks of the paper's claims."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

import zoo
from zoo import Measurement
from zoo_seq2seq.attention_at.config import AttentionATConfig
from zoo_seq2seq.attention_at.method import AttentionAT
from zoo_seq2seq.attention_at.training import TAU, adversarial, attacked, judged
from zoo_seq2seq.attention_classifier import AttentionClassifier, AttentionClassifierConfig
from zoo_seq2seq.exposed import Exposed
from zoo_seq2seq.keywords import SMALL, draw
from zoo_seq2seq.perturbing import losses, of_length
from zoo_seq2seq.sentences import Sentences, accuracy, agreement, clean_loss, fit


def _case() -> tuple[Exposed, Tensor]:
    """A random classifier opened for 20 sentences of up to 9 words, and labels."""
    torch.manual_seed(0)
    model = AttentionClassifier(AttentionClassifierConfig(30, 10, 6)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(30, (20, 9), generator=generator)
    mask = torch.arange(9) < torch.randint(3, 10, (20, 1), generator=generator)
    return model.expose(ids, mask), torch.randint(2, (20,), generator=generator)


def check_first_order_maximal() -> Measurement:
    """Norms, and the loss beside that of 100 random perturbations of the same norm."""
    opened, labels = _case()
    assert opened.mask is not None
    epsilon = 0.1
    r, _ = AttentionAT(AttentionATConfig(epsilon=epsilon)).perturbation(
        opened.proceed, opened.scores, labels, opened.mask
    )
    with torch.no_grad():
        worst = losses(opened.proceed(opened.scores + r), labels)
        generator = torch.Generator().manual_seed(2)
        beaten = []
        for _ in range(100):
            drawn = torch.randn(r.shape, generator=generator) * opened.mask
            random = losses(opened.proceed(opened.scores + of_length(drawn, epsilon)), labels)
            beaten.append(worst >= random - 1e-7)
    share = float(torch.stack(beaten).float().mean())
    norms = r.norm(dim=1)
    return Measurement(
        f"norms {float(norms.min()):.4f} to {float(norms.max()):.4f}; loss at least that of {share:.1%} of 2,000 "
        "random ones",
        bool(((norms - epsilon).abs() < 1e-5).all()) and share == 1 and not r[~opened.mask].any(),
    )


def check_iat_is_at() -> Measurement:
    """Perturbations of AT, of iAT as written, and of iAT without normalised differences."""
    opened, labels = _case()
    at, iat, plain = (
        AttentionAT(AttentionATConfig(mode, 2.0)).perturbation(opened.proceed, opened.scores, labels, opened.mask)[0]
        for mode in ("at", "iat", "iat-unnormalised")
    )
    same, other = float((iat - at).abs().max()), float((plain - at).abs().max())
    return Measurement(
        f"iAT differs from AT by up to {same:.1e} of norm 2, unnormalised by {other:.2f}", same < 1e-6 < 0.1 < other
    )


_COUNT, _EPOCHS = 600, 25


@cache
def _data() -> tuple[Sentences, Sentences]:
    return draw(_COUNT, 0), draw(1000, 1)


@cache
def _trained(mode: str, epsilon: float) -> AttentionClassifier:
    data = _data()[0]
    objective = clean_loss if mode == "none" else adversarial(mode, epsilon)
    return fit(SMALL, data, objective, epochs=_EPOCHS)


def check_correlation_with_importance() -> Measurement:
    """Kendall's tau of attention and gradient importance, trained plainly and with AT at norm 1, on keywords."""
    held = _data()[1]
    plain, ours = (agreement(_trained(mode, 1.0), held) for mode in ("none", "at"))
    scores = [accuracy(_trained(mode, 1.0), held) for mode in ("none", "at")]
    return Measurement(
        f"tau {plain.kendall:.3f} to {ours.kendall:.3f}, Pearson {plain.pearson:.3f} to {ours.pearson:.3f}, mass on "
        f"keywords {plain.mass:.2f} to {ours.mass:.2f}, accuracy {scores[0]:.1%} to {scores[1]:.1%}",
        ours.kendall > plain.kendall and ours.pearson > plain.pearson,
        "one synthetic task, one seed",
    )


def check_robustness() -> Measurement:
    """Accuracy under the worst score noise of norm 3, trained plainly and with AT at norm 3, on keywords."""
    held = _data()[1]
    plain, ours = (attacked(_trained(mode, 3.0), held, 3.0) for mode in ("none", "at"))
    return Measurement(f"{plain:.1%} trained plainly, {ours:.1%} with AT", ours > plain, "one synthetic task, one seed")


def check_sensitivity() -> Measurement:
    """Accuracy of AT at norms 1, 5 and 30, on keywords."""
    held = _data()[1]
    found = {epsilon: accuracy(_trained("at", epsilon), held) for epsilon in (1.0, 5.0, 30.0)}
    gap = max(found.values()) - min(found.values())
    return Measurement(
        ", ".join(f"{value:.1%} at {epsilon:g}" for epsilon, value in found.items()),
        gap < 0.02,
        "one synthetic task, one seed",
    )


def check_on_newsgroups() -> Measurement:
    """The bundled classifiers on held-out articles: accuracy, plain and under the worst score noise of norm 5, and how
    attention goes with the gradient's importance."""
    found = {
        name: judged(zoo.load(f"attention-at-classifier/{preset}"))
        for name, preset in (("plain", "newsgroups"), ("AT", "newsgroups-at"), ("iAT", "newsgroups-iat"))
    }
    plain, ours = found["plain"], found["AT"]
    return Measurement(
        "; ".join(
            f"{name} {each['accuracy']:.1%}, attacked {each['accuracy under attack']:.1%}, tau {each[TAU]:.2f}"
            for name, each in found.items()
        ),
        ours["accuracy under attack"] > plain["accuracy under attack"] and ours[TAU] > plain[TAU],
        "baseball or hockey of 20 Newsgroups, small classifiers, one seed; iAT with unnormalised differences",
    )
