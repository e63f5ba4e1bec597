"""Small translators: batches of text, training, translating, and how good it is.

model, vocabularies = ..., bible_vocabularies()
fit(model, vocabularies, greek_english("train"), epochs=10, seed=0, log=print)
translate(model, vocabularies, ["ἐν ἀρχῇ ἦν ὁ λόγος"])[0].text
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.targets import require
from zoo_seq2seq.clauses import Clause, Split, greek_english
from zoo_seq2seq.decoding import END, PAD, START
from zoo_seq2seq.search import SearchOptions, beam_search
from zoo_seq2seq.wordpieces import WordPieces

BATCH = 64
SEARCH = SearchOptions(alpha=1.0)
"""How the small translators search: a score that falls with every word would prefer silence."""
_WEIGHTS = Path(__file__).parent / "weights"
VOCABULARY = 800


@dataclass(frozen=True)
class Vocabularies:
    """Word pieces of two languages."""

    source: WordPieces
    target: WordPieces


@cache
def bible_vocabularies() -> Vocabularies:
    """The 800 Greek and 800 English pieces that the bundled translators were trained with."""
    return Vocabularies(*(WordPieces.load(_WEIGHTS / f"bible-{name}.json") for name in ("greek", "english")))


def train_vocabularies() -> None:
    """Learn the pieces of ``bible_vocabularies`` again, and write them where they are read."""
    for name, side in (("greek", "source"), ("english", "target")):
        texts = [" ".join(getattr(clause, side)) for clause in greek_english("train")]
        WordPieces.train(texts, VOCABULARY, strip_accents=True).save(_WEIGHTS / f"bible-{name}.json")
    bible_vocabularies.cache_clear()


def padded(sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Ids (batch, longest), 0 at the end, and the boolean mask of real ones."""
    longest = max((len(each) for each in sequences), default=0)
    ids = torch.tensor([[*each, *[PAD] * (longest - len(each))] for each in sequences], dtype=torch.long)
    lengths = torch.tensor([len(each) for each in sequences])
    return ids.view(len(sequences), longest), torch.arange(longest) < lengths[:, None]


@dataclass(frozen=True, eq=False)
class Batch:
    """Sources, and targets between their marks: what goes in, and what comes next."""

    source_ids: Tensor
    source_mask: Tensor
    target_ids: Tensor
    next_ids: Tensor


def batches(pairs: Sequence[tuple[list[int], list[int]]], generator: torch.Generator) -> Iterator[Batch]:
    """All pairs of ids once, in random batches of 64 of about equal length."""
    noise = torch.rand(len(pairs), generator=generator).tolist()
    order = sorted(range(len(pairs)), key=lambda index: len(pairs[index][1]) + 2 * noise[index])
    starts = list(range(0, len(order), BATCH))
    for number in torch.randperm(len(starts), generator=generator).tolist():
        chosen = [pairs[index] for index in order[starts[number] : starts[number] + BATCH]]
        source_ids, source_mask = padded([source for source, _ in chosen])
        target_ids, _ = padded([[START, *target] for _, target in chosen])
        next_ids, _ = padded([[*target, END] for _, target in chosen])
        yield Batch(source_ids, source_mask, target_ids, next_ids)


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
    log: Callable[[str], object] = lambda line: None,
) -> None:
    """Train with Adam, rising and falling rates, labels smoothed by 0.1 and gradients of norm 1; then eval mode.

    Args:
        model: ``forward(source_ids, target_ids, source_mask)`` with logits.
        vocabularies, clauses: what it learns to translate.
        epochs: passes.
        seed: of the order.
        learning_rate: the highest.
        log: takes a line per epoch.
    """
    generator = torch.Generator().manual_seed(seed)
    pairs = encoded(vocabularies, clauses)
    steps = epochs * -(-len(pairs) // BATCH)
    optimizer = torch.optim.Adam(model.parameters(), learning_rate)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.1)
    model.train()
    for epoch in range(epochs):
        losses = []
        for batch in batches(pairs, generator):
            logits = model(batch.source_ids, batch.target_ids, batch.source_mask).logits
            loss = functional.cross_entropy(
                logits.flatten(0, 1), batch.next_ids.flatten(), ignore_index=PAD, label_smoothing=0.1
            )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            rates.step()
            losses.append(float(loss.detach()))
        log(f"epoch {epoch + 1}/{epochs}: loss {sum(losses) / len(losses):.3f}")
    model.eval()


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
        InputError: a sentence without a word.
    """
    ids = [vocabularies.source.encode(sentence) for sentence in sentences]
    if not all(ids):
        raise InputError(f"sentence {[bool(each) for each in ids].index(False)} has no word to translate")
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


def translation_bleu(
    model: Any, vocabularies: Vocabularies, split: Split = "held-out", options: SearchOptions | None = None
) -> float:
    """BLEU of a model on the Greek and English clauses."""
    clauses = greek_english(split)
    texts: list[str] = []
    for start in range(0, len(clauses), BATCH):
        part = [" ".join(clause.source) for clause in clauses[start : start + BATCH]]
        texts += [each.text for each in translate(model, vocabularies, part, options)]
    return bleu(texts, [" ".join(clause.target) for clause in clauses])


def alignment_error(model: Any, vocabularies: Vocabularies, count: int = 300) -> tuple[float, float]:
    """Alignment error rates (AER) over held-out clauses: of the attention, and of the diagonal.

    Given the true translation, every English word is linked with the Greek word that its pieces attend to most; the
    diagonal links words at the same relative place. AER = 1 - 2 |A and S| / (|A| + |S|), S the manual alignments.
    """
    clauses = greek_english("held-out")[:count]
    pairs = encoded(vocabularies, clauses)
    source_ids, mask = padded([source for source, _ in pairs])
    target_ids, _ = padded([[START, *target] for _, target in pairs])
    with torch.no_grad():
        attention = model(source_ids, target_ids, mask).attention
    hits, even, size = 0, 0, 0
    for clause, weights in zip(clauses, attention, strict=True):
        greek = vocabularies.source.words(" ".join(clause.source))
        english = vocabularies.target.words(" ".join(clause.target))
        table = torch.zeros(len(clause.target), len(clause.source))
        for target, word in enumerate(english):
            for source, other in enumerate(greek):
                table[word, other] += weights[target, source]
        linked = {(int(row.argmax()), place) for place, row in enumerate(table)}
        diagonal = {(place * len(clause.source) // len(clause.target), place) for place in range(len(clause.target))}
        hits += len(linked & clause.links)
        even += len(diagonal & clause.links)
        size += len(linked) + len(clause.links)
    return 1 - 2 * hits / size, 1 - 2 * even / size


def draw_alignment(translation: Translation, path: str | Path | None = None) -> Any:
    """The attention of a translation as a picture; a matplotlib figure."""
    from zoo.evidence.attention_plots import attention_over_tokens

    return attention_over_tokens(
        translation.attention, translation.target, keys=translation.source, title=translation.text, path=path
    )


def sentence_inputs(vocab_size: int) -> Callable[[str], dict[str, Tensor]]:
    """From a Greek sentence to the arguments of a model's forward, the target being the start mark alone.

    Raises:
        InputError: the model was made for other words than ours.
    """
    vocabularies = our_vocabularies(vocab_size)

    def inputs(text: str) -> dict[str, Tensor]:
        source_ids, mask = padded([vocabularies.source.encode(text)])
        return {"source_ids": source_ids, "source_mask": mask, "target_ids": torch.tensor([[START]])}

    return inputs


def answer(model: Any, vocab_size: int, sentence: str, options: SearchOptions | None = None) -> dict[str, Any]:
    """A translated Greek sentence: its text, score, and the attention as a picture.

    Raises:
        InputError: the model was made for other words than ours, or the sentence has none.
    """
    import io

    from PIL import Image

    found = translate(model, our_vocabularies(vocab_size), [sentence], options)[0]
    drawn = io.BytesIO()
    draw_alignment(found).savefig(drawn, format="png", dpi=100)
    return {"translation": found.text, "score": round(found.score, 3), "alignment": Image.open(drawn)}


def our_vocabularies(vocab_size: int) -> Vocabularies:
    """The bundled vocabularies, for a model of as many source words.

    Raises:
        InputError: it has another number.
    """
    if vocab_size != VOCABULARY:
        raise InputError(
            f"a model of {vocab_size} source words has no vocabulary here: take the preset 'bible', which translates "
            "Greek, or encode the text yourself and call the model"
        )
    return bible_vocabularies()
