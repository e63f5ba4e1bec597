"""The pictures of the cards: a held-out Greek clause, translated by the bundled network."""

from __future__ import annotations

from pathlib import Path

import zoo
from zoo_seq2seq import bible
from zoo_seq2seq.clauses import greek_english
from zoo_seq2seq.gnmt.config import BeamSearchConfig
from zoo_seq2seq.search import SearchOptions, beam_search
from zoo_seq2seq.translating import draw_alignment, padded, translate
from zoo_seq2seq.wordpieces import WordPieces

SHOWN = "Σὺ πιστεύεις εἰς τὸν υἱὸν τοῦ ἀνθρώπου"


def alignment(path: Path) -> None:
    """A Greek clause of a held-out verse, translated by the bundled network: what each English piece looked at."""
    options = BeamSearchConfig(beam_size=8).options()
    found = translate(zoo.load("gnmt/bible"), bible.vocabularies(), [SHOWN], options)[0]
    draw_alignment(found).savefig(path, dpi=180)


def hypotheses(path: Path) -> None:
    """The hypotheses that a beam of eight ends with for a held-out Greek clause, by the bundled network: scored by
    their probability alone, and with length normalisation and coverage as in the paper."""
    from zoo.evidence.plots import new_figure

    model, pieces = zoo.load("gnmt/bible"), bible.vocabularies()
    source_ids, mask = padded([pieces.source.encode(SHOWN)])
    ways = (
        ("log-probability alone", 0.0, 0.0),
        ("alpha = 0.2, beta = 0.2", 0.2, 0.2),
        ("alpha = 1, beta = 0.2", 1.0, 0.2),
    )
    figure = new_figure(figsize=(9.5, 6.4))
    for axis, (title, alpha, beta) in zip(figure.subplots(len(ways), 1), ways, strict=True):
        options = SearchOptions(8, 6, alpha, beta)
        found = beam_search(model, source_ids, mask, max_lengths=2 * mask.sum(1) + 5, options=options)
        ranks = [rank for rank in range(6) if int(found.lengths[0, rank])]
        scores = [float(found.scores[0, rank]) for rank in ranks]
        axis.barh(ranks, scores, color=["#d1495b", *["#2a6f97"] * 5][: len(ranks)])
        for rank in ranks:
            text = f"{pieces.target.decode(found.ids(0, rank))}  ({int(found.lengths[0, rank])} pieces)"
            axis.text(0.01 * min(scores), rank, text, fontsize=9, va="center", ha="right", color="white")
        axis.set_yticks(ranks, [str(rank + 1) for rank in ranks])
        axis.invert_yaxis()
        axis.set(title=title, ylabel="rank")
    figure.axes[-1].set_xlabel("score")
    figure.savefig(path, dpi=100)


def pieces(path: Path) -> None:
    """A Greek clause of a held-out verse and its English translation, cut into the 800 pieces a side that the bundled
    translators have, and into vocabularies of 200 and 3,000 that are learnt from the same clauses."""
    from zoo.evidence.plots import new_figure, saved

    clause = next(each for each in greek_english("held-out") if " ".join(each.source).startswith("Σὺ πιστεύεις"))
    figure = new_figure(figsize=(9.5, 3.6))
    axes = figure.subplots(2, 1)
    for axis, side, title in zip(axes, ("source", "target"), ("Greek", "English"), strict=True):
        text = " ".join(getattr(clause, side))
        learnt = [" ".join(getattr(each, side)) for each in greek_english("train")]
        for row, size in enumerate((200, 800, 3000)):
            if size == bible.VOCABULARY:
                vocabulary = getattr(bible.vocabularies(), side)
            else:
                vocabulary = WordPieces.train(learnt, size, strip_accents=True)
            place = 0.0
            for number, piece in enumerate(vocabulary.pieces(vocabulary.encode(text))):
                width = len(piece) + 0.6
                colour = ("#bcd9ea", "#f4c9b8")[number % 2]
                axis.barh(row, width, 0.7, place, color=colour)
                axis.text(place + width / 2, row, piece, ha="center", va="center", fontsize=9)
                place += width + 0.15
        axis.set_yticks(range(3), ["200", "800", "3,000"])
        axis.invert_yaxis()
        axis.set_xticks([])
        axis.set(title=title, ylabel="vocabulary")
        for edge in ("top", "right", "bottom"):
            axis.spines[edge].set_visible(False)
    saved(figure, path)
