"""Training on markers, on verses, and on clauses in two languages."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo.nn.descent import descend, shuffled
from zoo_seq2seq import bible
from zoo_seq2seq.clauses import greek_english
from zoo_seq2seq.deceptive_attention import penalty, verses
from zoo_seq2seq.deceptive_attention.classifiers import DeceptiveClassifier
from zoo_seq2seq.deceptive_attention.config import (
    DeceptiveAttentionConfig,
    DeceptiveClassifierConfig,
    DeceptiveTranslatorConfig,
)
from zoo_seq2seq.deceptive_attention.method import DeceptiveAttention, audit
from zoo_seq2seq.deceptive_attention.translator import DeceptiveTranslator
from zoo_seq2seq.decoding import PAD, TranslationOutput
from zoo_seq2seq.translating import Batch, batch_of, encoded

EPOCHS = 15
HONEST = "verses-honest"


def fit(
    config: DeceptiveClassifierConfig,
    ids: Tensor,
    labels: Tensor,
    impermissible: Tensor,
    *,
    coef: float,
    epochs: int,
    seed: int,
    mask: Tensor | None = None,
    learning_rate: float = 5e-3,
) -> DeceptiveClassifier:
    """A classifier trained with Adam in batches of 50, in eval mode.

    Args:
        config: of it.
        ids, impermissible: (count, length).
        labels: (count,).
        coef: lambda; 0 trains an honest one.
        epochs: passes.
        seed: of weights and order.
        mask: boolean (count, length), True for words.
        learning_rate: constant.
    """
    torch.manual_seed(seed)
    model = DeceptiveClassifier(config)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), learning_rate)
    drawn = shuffled(len(ids), 50, epochs, generator)
    with DeceptiveAttention(DeceptiveAttentionConfig(coef)).attach(model) as loss:

        def loss_of(index: Tensor) -> Tensor:
            part = {"input_ids": ids[index]}
            if mask is not None:
                part["attention_mask"] = mask[index]
            return loss(labels=labels[index], impermissible=impermissible[index], **part).loss

        descend(model, drawn, loss_of, optimizer)
    return model


def train(
    config: DeceptiveClassifierConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn whether verses are of a man or a woman, with pronouns impermissible; ``verses-honest`` without a penalty.

    Returns:
        The classifier, and what an audit says on held-out verses.

    Raises:
        InputError: another vocabulary than ours.
        MissingDependency: ``bible-alignments`` is not installed.
    """
    verses.require_our_words(config.vocab_size)
    data, held = verses.verses(held_out=False), verses.verses(held_out=True)
    model = fit(
        config,
        data.ids,
        data.labels,
        data.impermissible,
        coef=0.0 if preset == HONEST else 1.0,
        epochs=EPOCHS,
        seed=seed,
        mask=data.mask,
        learning_rate=2e-3,
    )
    found = audit(model, held.ids, held.labels, held.impermissible, held.mask)
    log(f"{found}")
    return model, {
        "accuracy": round(found.accuracy, 4),
        "accuracy with pronouns blocked": round(found.blocked, 4),
        "attention on pronouns": round(found.mass, 5),
    }


TRANSLATOR_EPOCHS = 8
DECEPTIVE = "bible-deceptive"


def train_translator(
    config: DeceptiveTranslatorConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn to translate Greek clauses; a minute and a half on one core.

    With the preset ``bible-deceptive`` the Greek words that people aligned with an English one are impermissible while
    its pieces are said; no other preset has a penalty.

    Returns:
        The network, its BLEU on held-out verses, the mass of its attention on aligned words, and its alignment error.

    Raises:
        InputError: other vocabularies than ours.
        MissingDependency: ``bible-alignments`` or ``sacrebleu`` is not installed.
    """
    clauses = greek_english("train")

    def hide(found: TranslationOutput, batch: Batch) -> Tensor:
        aligned = bible.aligned_pieces(clauses, batch)
        return penalty.aligned_penalty(found.attention, aligned, (batch.next_ids != PAD).sum())

    torch.manual_seed(seed)
    model = DeceptiveTranslator(config)
    hidden = hide if preset == DECEPTIVE else None
    found = bible.learn(model, config, epochs=TRANSLATOR_EPOCHS, seed=seed, log=log, added=hidden)
    return model, {**found, "attention on aligned words": round(aligned_mass(model), 4)}


def aligned_mass(model: nn.Module, count: int = 300) -> float:
    """Mean weight, over targets of held-out clauses that were aligned with something, on what they were aligned with.

    Raises:
        MissingDependency: ``bible-alignments`` is not installed.
    """
    clauses = greek_english("held-out")[:count]
    batch = batch_of(encoded(bible.vocabularies(), clauses), range(len(clauses)))
    with torch.no_grad():
        attention = model(batch.source_ids, batch.target_ids, batch.source_mask).attention
    aligned = bible.aligned_pieces(clauses, batch)
    return float(penalty.mass(attention, aligned)[aligned.any(-1)].mean())
