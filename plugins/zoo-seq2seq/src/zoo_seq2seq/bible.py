"""Small translators from the Greek of the New Testament to English: pieces, training, judging, and what they answer.

Every recurrent translator of the plugin learns from the same clauses with the same 800 pieces on either side, so that
their figures can be compared; a paper brings its network, and what is its own in training.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_seq2seq.clauses import Clause, Split, greek_english
from zoo_seq2seq.decoding import START
from zoo_seq2seq.padding import padded
from zoo_seq2seq.search import SearchOptions
from zoo_seq2seq.translating import (
    BATCH,
    Batch,
    Vocabularies,
    batch_of,
    bleu,
    draw_alignment,
    encoded,
    fit,
    translate,
)
from zoo_seq2seq.wordpieces import WordPieces

VOCABULARY = 800
_WEIGHTS = Path(__file__).parent / "weights"


@cache
def vocabularies() -> Vocabularies:
    """The 800 Greek and 800 English pieces that the bundled translators were trained with."""
    return Vocabularies(*(WordPieces.load(_WEIGHTS / f"bible-{name}.json") for name in ("greek", "english")))


def train_vocabularies() -> None:
    """Learn the pieces of ``vocabularies`` again, and write them where they are read."""
    for name, side in (("greek", "source"), ("english", "target")):
        texts = [" ".join(getattr(clause, side)) for clause in greek_english("train")]
        WordPieces.train(texts, VOCABULARY, strip_accents=True).save(_WEIGHTS / f"bible-{name}.json")
    vocabularies.cache_clear()


def require_our_pieces(config: Any) -> Vocabularies:
    """The bundled pieces, for a model of as many source words.

    Raises:
        InputError: it has another number.
    """
    size = getattr(config, "source_vocab_size", None) or config.vocab_size
    if size != VOCABULARY:
        raise InputError(
            f"a model of {size} source words has no vocabulary here: take the preset 'bible', which translates Greek, "
            "or encode the text yourself and call the model"
        )
    return vocabularies()


def learn(
    model: nn.Module,
    config: Any,
    *,
    epochs: int,
    seed: int,
    log: Callable[[str], object],
    added: Callable[[Any, Batch], Tensor] | None = None,
    options: SearchOptions | None = None,
) -> dict[str, float]:
    """Teach a translator the clauses of ``greek_english("train")``, and judge it on those that are held out.

    Args:
        model, config: a translator and its config, of our pieces.
        epochs, seed, log, added: see ``translating.fit``.
        options: how it searches; the small translators' way by default.

    Returns:
        BLEU, and the alignment error of its attention beside the diagonal's.

    Raises:
        InputError: the model was made for other pieces.
        MissingDependency: ``bible-alignments`` or ``sacrebleu`` is not installed.
    """
    pieces = require_our_pieces(config)
    fit(model, pieces, greek_english("train"), epochs=epochs, seed=seed, added=added, log=log)
    attention, diagonal = alignment_error(model)
    return {
        "BLEU": round(translation_bleu(model, options=options), 2),
        "alignment error": round(attention, 3),
        "alignment error of the diagonal": round(diagonal, 3),
    }


def translation_bleu(model: Any, split: Split = "held-out", options: SearchOptions | None = None) -> float:
    """BLEU of a translator on clauses.

    Raises:
        MissingDependency: ``bible-alignments`` or ``sacrebleu`` is not installed.
    """
    clauses = greek_english(split)
    texts: list[str] = []
    for start in range(0, len(clauses), BATCH):
        part = [" ".join(clause.source) for clause in clauses[start : start + BATCH]]
        texts += [each.text for each in translate(model, vocabularies(), part, options)]
    return bleu(texts, [" ".join(clause.target) for clause in clauses])


def word_table(clause: Clause, weights: Tensor) -> Tensor:
    """Attention of words over words (English, Greek): what a clause's pieces attend to, summed over both.

    Args:
        clause: it.
        weights: (target pieces, source pieces), at least.
    """
    greek, english = (torch.tensor(each) for each in _words(clause))
    pieces = weights[: len(english), : len(greek)]
    of_words = torch.zeros(len(clause.target), len(greek)).index_add(0, english, pieces)
    return torch.zeros(len(clause.target), len(clause.source)).index_add(1, greek, of_words)


def aligned_pieces(clauses: tuple[Clause, ...], batch: Batch) -> Tensor:
    """1 where a source piece is of a Greek word that was aligned with the English word of a target: (batch, targets,
    source), as ``batch.next_ids`` and ``batch.source_ids``; the end mark is aligned with nothing."""
    found = torch.zeros(*batch.next_ids.shape, batch.source_ids.shape[1])
    for row, place in enumerate(batch.places):
        aligned = _aligned(clauses[place])
        found[row, : aligned.shape[0], : aligned.shape[1]] = aligned
    return found


@cache
def _aligned(clause: Clause) -> Tensor:
    """Whether pieces (target, source) are of aligned words."""
    links = torch.zeros(len(clause.target), len(clause.source))
    for source, target in clause.links:
        links[target, source] = 1.0
    greek, english = _words(clause)
    return links[english][:, greek]


def _words(clause: Clause) -> tuple[list[int], list[int]]:
    """The words that a clause's pieces belong to, on both sides."""
    pieces = vocabularies()
    return pieces.source.words(" ".join(clause.source)), pieces.target.words(" ".join(clause.target))


def alignment_error(model: Any, count: int = 300) -> tuple[float, float]:
    """Alignment error rates (AER) over held-out clauses: of the attention, and of the diagonal.

    Given the true translation, every English word is linked with the Greek word that its pieces attend to most; the
    diagonal links words at the same relative place. AER = 1 - 2 |A and S| / (|A| + |S|), S the manual alignments.
    """
    clauses = greek_english("held-out")[:count]
    batch = batch_of(encoded(vocabularies(), clauses), range(len(clauses)))
    with torch.no_grad():
        attention = model(batch.source_ids, batch.target_ids, batch.source_mask).attention
    hits, even, size = 0, 0, 0
    for clause, weights in zip(clauses, attention, strict=True):
        linked = {(int(row.argmax()), place) for place, row in enumerate(word_table(clause, weights))}
        diagonal = {(place * len(clause.source) // len(clause.target), place) for place in range(len(clause.target))}
        hits += len(linked & clause.links)
        even += len(diagonal & clause.links)
        size += len(linked) + len(clause.links)
    return 1 - 2 * hits / size, 1 - 2 * even / size


def preprocess(config: Any) -> Callable[[str], dict[str, Tensor]]:
    """From a Greek sentence to the arguments of a translator's forward, the target being the start mark alone.

    Raises:
        InputError: the model was made for other pieces.
    """
    pieces = require_our_pieces(config)

    def inputs(text: str) -> dict[str, Tensor]:
        source_ids, mask = padded([pieces.source.encode(text)])
        return {"source_ids": source_ids, "source_mask": mask, "target_ids": torch.tensor([[START]])}

    return inputs


def predict(model: Any, config: Any, source: str, options: SearchOptions | None = None) -> dict[str, Any]:
    """Translate a Greek sentence to English; the picture is the attention of English pieces over Greek ones.

    Raises:
        InputError: the model was made for other pieces, or the sentence has no word.
    """
    from PIL import Image

    found = translate(model, require_our_pieces(config), [source], options)[0]
    drawn = io.BytesIO()
    draw_alignment(found).savefig(drawn, format="png", dpi=100)
    return {"translation": found.text, "score": round(found.score, 3), "alignment": Image.open(drawn)}
