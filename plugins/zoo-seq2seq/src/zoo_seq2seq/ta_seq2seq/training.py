"""Training on conversations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.descent import descend, one_cycle
from zoo_seq2seq.decoding import PAD
from zoo_seq2seq.ta_seq2seq import conversations
from zoo_seq2seq.ta_seq2seq.config import TopicAwareConfig
from zoo_seq2seq.ta_seq2seq.conversations import Exchange
from zoo_seq2seq.ta_seq2seq.network import TopicAware
from zoo_seq2seq.ta_seq2seq.replies import replies
from zoo_seq2seq.translating import Batch, batch_of, batches

EPOCHS, BATCH, LEARNING_RATE, DROPPED = 20, 16, 4e-3, 0.1


def train(
    config: TopicAwareConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn to reply; a minute on one core.

    Returns:
        The network, and its figures on held-out messages, see ``judged``.

    Raises:
        MissingDependency: ``chatterbot-corpus`` is not installed.
    """
    said = conversations.exchanges("train")
    torch.manual_seed(seed)
    model = TopicAware(config)
    for parameter in model.parameters():
        # The paper's deviation of 0.01 leaves so small a network where it is for long.
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)
    pairs = _encoded(said)
    generator = torch.Generator().manual_seed(seed)
    steps = EPOCHS * -(-len(pairs) // BATCH)
    drawn = (batch for _ in range(EPOCHS) for batch in batches(pairs, generator, BATCH))

    def loss_of(batch: Batch) -> Tensor:
        topics = conversations.topic_batch([said[place].message for place in batch.places])
        # Some words of the reply are hidden from it, so that it does not learn replies by heart.
        hidden = (torch.rand(batch.target_ids.shape, generator=generator) < DROPPED) & (batch.target_ids > 3)
        fed = batch.target_ids.masked_fill(hidden, 1)
        found = model(batch.source_ids, fed, source_mask=batch.source_mask, **topics)
        return functional.nll_loss(found.logits.flatten(0, 1), batch.next_ids.flatten(), ignore_index=PAD)

    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=0.05)
    rates = one_cycle(optimizer, steps)
    descend(model, drawn, loss_of, optimizer, rates=rates, clip=1.0, log=log, log_every=steps // EPOCHS)
    return model, judged(model)


def _encoded(said: Sequence[Exchange]) -> list[tuple[list[int], list[int]]]:
    return [(conversations.encode(each.message), conversations.encode(each.reply)) for each in said]


def judged(model: TopicAware) -> dict[str, float]:
    """Figures on held-out messages.

    Returns:
        Perplexity of the true replies per piece; of the replies that a search finds the share of different words and
        of different pairs of words among all of them, and how many name a topic word of their message.

    Raises:
        MissingDependency: ``chatterbot-corpus`` is not installed.
    """
    said = conversations.exchanges("held-out")
    pairs, messages = _encoded(said), [each.message for each in said]
    batch = batch_of(pairs, range(len(pairs)))
    topics = conversations.topic_batch(messages)
    with torch.no_grad():
        found = model(batch.source_ids, batch.target_ids, source_mask=batch.source_mask, **topics)
    loss = functional.nll_loss(found.logits.flatten(0, 1), batch.next_ids.flatten(), ignore_index=PAD)
    answers = replies(model, messages)
    words = [conversations.pieces().decode(each).split() for each in answers]
    named = [bool(set(each) & set(ids.tolist())) for each, ids in zip(answers, topics["topic_ids"], strict=True)]
    return {
        "perplexity": round(math.exp(float(loss)), 2),
        "distinct-1": round(distinct(words, 1), 3),
        "distinct-2": round(distinct(words, 2), 3),
        "replies with a topic word": round(sum(named) / len(named), 3),
    }


def distinct(replies_: Sequence[Sequence[str]], length: int) -> float:
    """Different runs of words of a length, as a share of all of them."""
    runs = [tuple(each[place : place + length]) for each in replies_ for place in range(len(each) - length + 1)]
    return len(set(runs)) / max(len(runs), 1)
