"""Topic words of messages, from a mixture of topics with one topic a message (Twitter-LDA), by Gibbs sampling.

Every message has one topic; each of its words is of that topic or of the background. Collapsed Gibbs sampling draws
the topic of a message from what all other messages are given to, and the switch of each word likewise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from zoo.errors import InputError


class TopicProvider(Protocol):
    """Topic words of a message."""

    def __call__(self, message: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Ids (topics,) and vectors (topics, topic_dim)."""
        ...


@dataclass(frozen=True, eq=False)
class TopicModel:
    """What was learnt; itself a ``TopicProvider``.

    Args:
        counts: (vocabulary, topics) how often each word was of each topic.
        shares: (topics,) messages of each topic.
        background: (vocabulary,) how often each word was of none.
        common: words that are never topic words.
        words: topic words given for a message.
        beta: smoothing of words in a topic.
        unsaid: further words that are never topic words, although they tell topics, such as parts of words.
    """

    counts: np.ndarray
    shares: np.ndarray
    background: np.ndarray
    common: frozenset[int]
    words: int
    beta: float
    unsaid: frozenset[int] = frozenset()

    def topic(self, message: Sequence[int]) -> int:
        """The topic with the largest posterior."""
        logs = np.log(self.shares + 1.0)
        words = [word for word in message if word not in self.common]
        smoothed = np.log(self.counts + self.beta) - np.log((self.counts + self.beta).sum(0))
        return int((logs + smoothed[words].sum(0)).argmax())

    def __call__(self, message: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The most frequent words of the message's topic, and their vectors: counts over topics, summing to 1."""
        counts = self.counts[:, self.topic(message)].copy()
        counts[list(self.common | self.unsaid)] = 0
        chosen = [int(word) for word in np.argsort(-counts, kind="stable")[: self.words] if counts[word] > 0]
        rows = self.counts[chosen]
        return torch.tensor(chosen, dtype=torch.long), torch.from_numpy(rows / rows.sum(1, keepdims=True)).float()


def learn_topics(
    messages: Sequence[Sequence[int]],
    vocab_size: int,
    topics: int,
    *,
    sweeps: int = 30,
    num_common: int = 0,
    words: int = 100,
    alpha: float = 0.5,
    beta: float = 0.05,
    seed: int = 0,
) -> TopicModel:
    """Learn topics of messages of word ids.

    Args:
        messages: word ids below ``vocab_size``.
        vocab_size: words.
        topics: how many.
        sweeps: of Gibbs sampling.
        num_common: the most frequent words, which are never topic words (2000 in the paper).
        words: topic words that are given for a message (100 in the paper).
        alpha, beta: smoothing of topics, and of words in a topic.
        seed: of chance.

    Raises:
        InputError: there is no message, or fewer than one topic.
    """
    if not messages or topics < 1:
        raise InputError(f"{len(messages)} messages and {topics} topics; expected at least one of both")
    random = np.random.default_rng(seed)
    counts = np.zeros((vocab_size, topics))
    background = np.zeros(vocab_size)
    shares = np.zeros(topics)
    topic = random.integers(topics, size=len(messages))
    switch = [random.random(len(message)) < 0.5 for message in messages]
    total = np.zeros(topics)

    def put(index: int, sign: int) -> None:
        z = topic[index]
        shares[z] += sign
        for word, of_topic in zip(messages[index], switch[index], strict=True):
            if of_topic:
                counts[word, z] += sign
                total[z] += sign
            else:
                background[word] += sign

    for index in range(len(messages)):
        put(index, 1)
    for _ in range(sweeps):
        for index, message in enumerate(messages):
            put(index, -1)
            logs = np.log(shares + alpha)
            for word, of_topic in zip(message, switch[index], strict=True):
                if of_topic:
                    logs += np.log(counts[word] + beta) - np.log(total + beta * vocab_size)
            weights = np.exp(logs - logs.max())
            topic[index] = z = int(random.choice(topics, p=weights / weights.sum()))
            ids = np.asarray(message, dtype=int)
            of_topic = (counts[ids, z] + beta) / (total[z] + beta * vocab_size) * (total.sum() + 1)
            of_none = (background[ids] + beta) / (background.sum() + beta * vocab_size) * (background.sum() + 1)
            switch[index] = random.random(len(ids)) < of_topic / (of_topic + of_none)
            put(index, 1)
    frequency = Counter(word for message in messages for word in message)
    common = frozenset(word for word, _ in frequency.most_common(num_common))
    return TopicModel(counts, shares, background, common, words, beta)
