"""Real conversations whose topic is known: messages, replies and the category that each is of.

The package ``chatterbot-corpus`` (BSD-3) holds some two thousand English conversations in 21 categories, which are the
topics here; a thousand of them say the same few things about computers. What is kept are the different messages of at
most 20 words with replies of at most 30 and without code. Every eighth is held out, unless its reply is also one in
training. Word pieces are learnt from the training texts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.targets import missing_dependency, require
from zoo_seq2seq.ta_seq2seq.topics import TopicModel
from zoo_seq2seq.translating import MOST_PIECES
from zoo_seq2seq.wordpieces import MARK, WordPieces

Split = Literal["train", "held-out"]
VOCABULARY, COMMON, TOPIC_WORDS, SHORTEST = 800, 60, 20, 4
LONGEST_MESSAGE, LONGEST_REPLY = 20, 30
TOPICS = (
    *("ai", "botprofile", "coding", "computers", "conversations", "emotion", "food", "gossip", "greetings", "health"),
    *("history", "humor", "literature", "money", "movies", "politics", "psychology", "science", "sports"),
    *("tech_support", "trivia"),
)
_WEIGHTS = Path(__file__).parent.parent / "weights"
_PIECES, _COUNTS = _WEIGHTS / "chat-pieces.json", _WEIGHTS / "chat-topics.safetensors"


@dataclass(frozen=True)
class Exchange:
    """A message, the reply to it, and the topic: a place in ``TOPICS``."""

    message: str
    reply: str
    topic: int


@cache
def exchanges(split: Split) -> tuple[Exchange, ...]:
    """What was said and answered.

    Raises:
        MissingDependency: ``chatterbot-corpus`` or ``pyyaml`` is not installed.
    """
    kept = {each.message.lower(): each for each in _all()}
    found = [each for index, each in enumerate(kept.values()) if (index % 8 == 7) == (split == "held-out")]
    if split == "train":
        return tuple(found)
    known = {each.reply.lower() for each in exchanges("train")}
    return tuple(each for each in found if each.reply.lower() not in known)


@cache
def _all() -> tuple[Exchange, ...]:
    spec = find_spec("chatterbot_corpus")
    if spec is None or not spec.submodule_search_locations:
        raise missing_dependency("chatterbot-corpus", needed_by="conversations")
    yaml = require("yaml", needed_by="conversations")
    folder = Path(spec.submodule_search_locations[0]) / "data" / "english"
    found: list[Exchange] = []
    for topic, name in enumerate(TOPICS):
        read = yaml.safe_load((folder / f"{name}.yml").read_text(encoding="utf-8"))
        for conversation in read["conversations"]:
            said = [str(each).strip() for each in conversation]
            found += [Exchange(message, reply, topic) for message, reply in pairwise(said) if _fits(message, reply)]
    return tuple(found)


def _fits(message: str, reply: str) -> bool:
    short = 1 <= len(message.split()) <= LONGEST_MESSAGE and 1 <= len(reply.split()) <= LONGEST_REPLY
    return short and "\n" not in message + reply and "`" not in message + reply


@cache
def pieces() -> WordPieces:
    """The 800 pieces of messages and replies alike."""
    return WordPieces.load(_PIECES)


@cache
def topics() -> TopicModel:
    """Topics of messages, by how often pieces occurred in each category."""
    from safetensors.numpy import load_file

    counts = load_file(_COUNTS)["counts"].astype(float)
    return _topic_model(counts)


def _topic_model(counts: np.ndarray) -> TopicModel:
    """Every piece tells topics; said are whole words that are not among the most frequent pieces."""
    unsaid = set(np.argsort(-counts.sum(1), kind="stable")[:COMMON].tolist())
    unsaid |= {
        index
        for index, piece in enumerate(pieces().pieces(range(len(counts))))
        if not (piece.startswith(MARK) and piece[1:].isalpha() and len(piece) > SHORTEST)
    }
    shares, background = counts.sum(0), np.zeros(len(counts))
    return TopicModel(counts, shares, background, frozenset(), TOPIC_WORDS, beta=0.1, unsaid=frozenset(unsaid))


def prepare() -> None:
    """Learn the pieces and count the topics again, and write them where ``pieces`` and ``topics`` read them."""
    from safetensors.numpy import save_file

    said = exchanges("train")
    texts = [text for each in said for text in (each.message, each.reply)]
    WordPieces.train([text.lower() for text in texts], VOCABULARY).save(_PIECES)
    pieces.cache_clear()
    counts = np.zeros((VOCABULARY, len(TOPICS)), dtype=np.int32)
    for each in said:
        for piece, count in Counter(encode(f"{each.message} {each.reply}")).items():
            counts[piece, each.topic] += count
    save_file({"counts": counts}, _COUNTS)
    topics.cache_clear()


def encode(text: str) -> list[int]:
    """Pieces of a text, lower-cased.

    Raises:
        InputError: there is no word, or more of them than a message has.
    """
    found = pieces().encode(text.lower())
    if not found:
        raise InputError(f"{text!r} has no word")
    if len(found) > MOST_PIECES:
        raise InputError(f"a message of {len(found):,} pieces; give at most {MOST_PIECES:,}")
    return found


def topic_words(message: str) -> tuple[Tensor, Tensor]:
    """Topic words of a message (words,) and their vectors (words, 21); of a message that says nothing of any topic,
    those of the likeliest."""
    return topics()(encode(message))


def topic_batch(messages: list[str]) -> dict[str, Tensor]:
    """``topic_ids``, ``topic_vectors`` and ``topic_mask`` of messages, padded."""
    found = [topic_words(message) for message in messages]
    ids = torch.nn.utils.rnn.pad_sequence([words for words, _ in found], batch_first=True)
    vectors = torch.nn.utils.rnn.pad_sequence([rows for _, rows in found], batch_first=True)
    mask = torch.arange(ids.shape[1]) < torch.tensor([len(words) for words, _ in found])[:, None]
    return {"topic_ids": ids, "topic_vectors": vectors, "topic_mask": mask}
