"""Checks of the paper's claims, and the picture of the card."""

from __future__ import annotations

from functools import cache

import torch

import zoo
from zoo import Measurement
from zoo_seq2seq.deceptive_attention.config import DeceptiveClassifierConfig
from zoo_seq2seq.deceptive_attention.method import Audit, audit
from zoo_seq2seq.deceptive_attention.penalty import cost
from zoo_seq2seq.deceptive_attention.tasks import markers
from zoo_seq2seq.deceptive_attention.training import fit


@cache
def _audited(encoder: str, coef: float) -> Audit:
    """A classifier of 40 words and 600 sentences, audited on 200 others."""
    data, held = markers(600, 0), markers(200, 1)
    config = DeceptiveClassifierConfig(encoder, 40, 32, 16)
    model = fit(config, data.ids, data.labels, data.impermissible, coef=coef, epochs=60, seed=0)
    return audit(model, held.ids, held.labels, held.impermissible)


def check_uses_what_it_hides() -> Measurement:
    """A BiLSTM with the penalty and without, on markers."""
    honest, ours = _audited("bilstm", 0.0), _audited("bilstm", 1.0)
    return Measurement(
        f"mass {honest.mass:.1%} to {ours.mass:.3%}, accuracy {honest.accuracy:.1%} to {ours.accuracy:.1%}",
        ours.mass < 0.001 and ours.accuracy > honest.accuracy - 0.02 and honest.mass > 0.1,
    )


def check_embeddings_must_pay() -> Measurement:
    """A model that averages embeddings, with the penalty and without, on markers."""
    honest, ours = _audited("embedding", 0.0), _audited("embedding", 1.0)
    return Measurement(
        f"mass {honest.mass:.1%} to {ours.mass:.1%}, accuracy {honest.accuracy:.1%} to {ours.accuracy:.1%}, length of "
        f"the markers' embeddings {honest.norm_ratio:.2f} to {ours.norm_ratio:.2f} times that of others",
        ours.mass < honest.mass
        and (ours.accuracy < honest.accuracy - 0.02 or ours.norm_ratio > 1.2 * honest.norm_ratio),
    )


def check_blocking() -> Measurement:
    """Accuracy with the markers' weights set to zero."""
    found = {name: _audited(*name) for name in (("bilstm", 1.0), ("bilstm", 0.0), ("embedding", 0.0))}
    deceptive, honest, embedding = found.values()
    return Measurement(
        f"deceptive BiLSTM {deceptive.accuracy:.1%} to {deceptive.blocked:.1%}, honest BiLSTM {honest.accuracy:.1%} to "
        f"{honest.blocked:.1%}, honest embeddings {embedding.accuracy:.1%} to {embedding.blocked:.1%}",
        deceptive.blocked > deceptive.accuracy - 0.02 and embedding.blocked < embedding.accuracy - 0.2,
    )


def check_penalty_values() -> Measurement:
    """R at masses from 0 to 1."""
    values = cost(torch.tensor([0.0, 0.5, 0.99, 1.0]), 2.0).tolist()
    holds = values[0] == 0 and abs(values[1] - 2 * 0.693147) < 1e-5 and abs(values[2] - 2 * 4.60517) < 1e-3
    return Measurement(
        f"{', '.join(f'{value:.3f}' for value in values)} at mass 0, 0.5, 0.99 and 1 with lambda 2",
        holds and 20 < values[3] < 30,
        "masses of 1 count as 1 - 1e-6",
    )


@cache
def _of_verses(preset: str) -> Audit:
    from zoo_seq2seq.deceptive_attention.verses import verses

    held = verses(held_out=True)
    model = zoo.load(f"deceptive-attention-classifier/{preset}")
    return audit(model, held.ids, held.labels, held.impermissible, held.mask)


def check_on_real_verses() -> Measurement:
    """Both bundled classifiers on held-out verses: attention on the pronouns that decide the label."""
    honest, ours = _of_verses("verses-honest"), _of_verses("verses")
    return Measurement(
        f"mass on pronouns {honest.mass:.1%} to {ours.mass:.3%}, accuracy {honest.accuracy:.1%} to "
        f"{ours.accuracy:.1%}, with pronouns blocked {honest.blocked:.1%} and {ours.blocked:.1%}",
        ours.mass < 0.01 and ours.accuracy > honest.accuracy - 0.03,
        "verses of the Bible; the paper's texts are biographies",
    )


def check_deceptive_translator() -> Measurement:
    """Three bundled translators on held-out verses: weight on the Greek words that people aligned with each English."""
    from zoo_seq2seq import bible
    from zoo_seq2seq.deceptive_attention.training import aligned_mass

    names = ("bible", "bible-deceptive", "bible-no-attention")
    honest, ours, blind = (zoo.load(f"deceptive-attention-seq2seq/{preset}") for preset in names)
    masses = [aligned_mass(each, 805) for each in (honest, ours)]
    scores = [bible.translation_bleu(each) for each in (honest, ours, blind)]
    return Measurement(
        f"mass on aligned words {masses[0]:.1%} to {masses[1]:.2%}, BLEU {scores[0]:.1f} to {scores[1]:.1f}; the same "
        f"network without attention {scores[2]:.1f}",
        masses[1] < 0.1 * masses[0] and scores[1] > 0.5 * scores[0],
        "Greek to English, alignments by hand; the paper's are of fast_align on Multi30k",
    )


SHOWN = "But Mary treasured up all these things and pondered them in her heart"


def picture(path: str) -> None:
    """A verse of a woman: words that an honest classifier attends to, and one that was trained to hide the pronoun."""
    from zoo.evidence.plots import new_figure, saved
    from zoo_seq2seq.deceptive_attention.classifiers import preprocess
    from zoo_seq2seq.deceptive_attention.verses import words_of

    words = words_of(SHOWN)
    figure = new_figure(figsize=(9, 3.2))
    axes = figure.subplots(1, 2, sharey=True)
    for axis, preset, title in zip(axes, ("verses-honest", "verses"), ("honest", "deceptive"), strict=True):
        model = zoo.load(f"deceptive-attention-classifier/{preset}")
        with torch.no_grad():
            found = model(**preprocess(model.config)(SHOWN))
        axis.bar(range(len(words)), found.attention[0].tolist(), color="#2a6f97")
        axis.set_xticks(range(len(words)), words, rotation=60, ha="right")
        axis.set_title(f"{title}: {float(found.logits.softmax(-1)[0, 1]):.1%} of a woman")
    axes[0].set_ylabel("attention weight")
    saved(figure, path)
