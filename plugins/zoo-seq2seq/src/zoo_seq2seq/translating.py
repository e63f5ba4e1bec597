"""Small translators: batches of text, training, translating, and how good it is.

fit(model, vocabularies, clauses, epochs=10, seed=0, log=print)
translate(model, vocabularies, ["ἐν ἀρχῇ ἦν ὁ λόγος"])[0].text
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.descent import descend, one_cycle
from zoo.targets import require
from zoo_seq2seq.clauses import Clause
from zoo_seq2seq.decoding import END, PAD, START
from zoo_seq2seq.padding import padded
from zoo_seq2seq.search import SearchOptions, beam_search
from zoo_seq2seq.wordpieces import WordPieces

BATCH = 64
# Four times the longest verse there is; the memory of a search grows with its square.
MOST_PIECES = 1_000
SEARCH = SearchOptions(alpha=1.0)
"""How the small translators search: a score that falls with every word would prefer silence."""


@dataclass(frozen=True)
class Vocabularies:
    """Word pieces of two languages."""

    source: WordPieces
    target: WordPieces


@dataclass(frozen=True, eq=False)
class Batch:
    """Sources, and targets between their marks: what goes in, what comes next, and which pairs they are."""

    source_ids: Tensor
    source_mask: Tensor
    target_ids: Tensor
    next_ids: Tensor
    places: tuple[int, ...]


def batches(
    pairs: Sequence[tuple[list[int], list[int]]], generator: torch.Generator, size: int = BATCH
) -> Iterator[Batch]:
    """All pairs of ids once, in random batches of about equal length."""
    noise = torch.rand(len(pairs), generator=generator).tolist()
    order = sorted(range(len(pairs)), key=lambda index: len(pairs[index][1]) + 2 * noise[index])
    starts = list(range(0, len(order), size))
    for number in torch.randperm(len(starts), generator=generator).tolist():
        yield batch_of(pairs, order[starts[number] : starts[number] + size])


def batch_of(pairs: Sequence[tuple[list[int], list[int]]], places: Sequence[int]) -> Batch:
    """Some of the pairs of ids as one batch."""
    chosen = [pairs[place] for place in places]
    source_ids, source_mask = padded([source for source, _ in chosen])
    target_ids, _ = padded([[START, *target] for _, target in chosen])
    next_ids, _ = padded([[*target, END] for _, target in chosen])
    return Batch(source_ids, source_mask, target_ids, next_ids, tuple(places))


def encoded(vocabularies: Vocabularies, clauses: Sequence[Clause]) -> list[tuple[list[int], list[int]]]:
    """Ids of the clauses' words."""
    return [
        (vocabularies.source.encode(" ".join(clause.source)), vocabularies.target.encode(" ".join(clause.target)))
        for clause in clauses
    ]


def fit(
    model: nn.Module,
    vocabularies: Vocabularies,
    clauses: Sequence[Clause],
    *,
    epochs: int,
    seed: int,
    learning_rate: float = 4e-3,
    added: Callable[[Any, Batch], Tensor] | None = None,
    log: Callable[[str], object] = lambda line: None,
) -> None:
    """Train with Adam, rising and falling rates, labels smoothed by 0.1 and gradients of norm 1; then eval mode.

    Args:
        model: ``forward(source_ids, target_ids, source_mask)`` with logits.
        vocabularies, clauses: what it learns to translate.
        epochs: passes.
        seed: of the order.
        learning_rate: the highest.
        added: from what the model gave back, and a batch, to what is added to the loss.
        log: takes a line per epoch.
    """
    generator = torch.Generator().manual_seed(seed)
    pairs = encoded(vocabularies, clauses)
    steps = epochs * -(-len(pairs) // BATCH)
    drawn = (batch for _ in range(epochs) for batch in batches(pairs, generator))

    def loss_of(batch: Batch) -> Tensor:
        found = model(batch.source_ids, batch.target_ids, batch.source_mask)
        loss = functional.cross_entropy(
            found.logits.flatten(0, 1), batch.next_ids.flatten(), ignore_index=PAD, label_smoothing=0.1
        )
        return loss if added is None else loss + added(found, batch)

    optimizer = torch.optim.Adam(model.parameters(), learning_rate)
    rates = one_cycle(optimizer, steps)
    descend(model, drawn, loss_of, optimizer, rates=rates, clip=1.0, log=log, log_every=steps // epochs)


@dataclass(frozen=True, eq=False)
class Translation:
    """A translated sentence.

    Args:
        text: the translation.
        source, target: pieces of both; the target's last one is the end mark where the search ended with it.
        attention: (target pieces, source pieces) weights.
        score: of the hypothesis.
    """

    text: str
    source: list[str]
    target: list[str]
    attention: Tensor
    score: float


def translate(
    model: Any, vocabularies: Vocabularies, sentences: Sequence[str], options: SearchOptions | None = None
) -> list[Translation]:
    """Translate sentences, all in one batch, to at most twice their length and five pieces more.

    Raises:
        InputError: a sentence without a word, or one far longer than any is.
    """
    ids = [vocabularies.source.encode(sentence) for sentence in sentences]
    if not all(ids):
        raise InputError(f"sentence {[bool(each) for each in ids].index(False)} has no word to translate")
    if max(map(len, ids)) > MOST_PIECES:
        raise InputError(f"a sentence of {max(map(len, ids)):,} pieces; give at most {MOST_PIECES:,} at a time")
    source_ids, mask = padded(ids)
    found = beam_search(model, source_ids, mask, max_lengths=2 * mask.sum(1) + 5, options=options or SEARCH)
    return [
        Translation(
            vocabularies.target.decode(found.ids(index)),
            vocabularies.source.pieces(source),
            vocabularies.target.pieces(found.tokens[index, 0, : int(found.lengths[index, 0])].tolist()),
            found.attention[index, 0, : int(found.lengths[index, 0]), : len(source)],
            float(found.scores[index, 0]),
        )
        for index, source in enumerate(ids)
    ]


def bleu(translations: Sequence[str], references: Sequence[str]) -> float:
    """Corpus BLEU of sacrebleu, from 0 to 100.

    Raises:
        MissingDependency: sacrebleu is not installed.
    """
    sacrebleu = require("sacrebleu", needed_by="BLEU")
    return float(sacrebleu.corpus_bleu(list(translations), [list(references)]).score)


def draw_alignment(translation: Translation, path: str | Path | None = None) -> Any:
    """The attention of a translation as a picture; a matplotlib figure."""
    from zoo.evidence.attention_plots import attention_over_tokens

    return attention_over_tokens(
        translation.attention, translation.target, keys=translation.source, title=translation.text, path=path
    )
