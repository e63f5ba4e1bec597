"""A synthetic chat: messages have a topic, and replies have to name a word of it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from zoo.nn.descent import descend
from zoo_seq2seq.decoding import END, START
from zoo_seq2seq.ta_seq2seq.config import TopicAwareConfig
from zoo_seq2seq.ta_seq2seq.network import TopicAware

TOPICS, WORDS, FILLERS, FIRST = 8, 12, 10, 4
VOCABULARY = FIRST + FILLERS + TOPICS * WORDS
SHOWN = 5


def draw(count: int, generator: torch.Generator, *, trained: bool) -> dict[str, Tensor]:
    """Messages of six words, three of their topic; replies "filler topic-word filler".

    In training only the first half of a topic's words occurs in messages; otherwise the second half, so that nothing
    but the topic words says which topic it is of.
    """
    topic = torch.randint(TOPICS, (count,), generator=generator)
    base = FIRST + FILLERS + topic[:, None] * WORDS
    half = WORDS // 2
    said = torch.randint(half, (count, 3), generator=generator) + (0 if trained else half) + base
    fillers = torch.randint(FILLERS, (count, 5), generator=generator) + FIRST
    order = torch.rand(count, 6, generator=generator).argsort(1)
    source = torch.cat((said, fillers[:, :3]), 1).gather(1, order)
    shown = torch.rand(count, WORDS, generator=generator).argsort(1)[:, :SHOWN] + base
    named = shown.gather(1, torch.randint(SHOWN, (count, 1), generator=generator))
    target = torch.cat((fillers[:, 3:4], named, fillers[:, 4:]), 1)
    vectors = functional.one_hot(topic, TOPICS).float()[:, None].expand(-1, SHOWN, -1)
    marks = torch.full((count, 1), START), torch.full((count, 1), END)
    return {
        "source_ids": source,
        "target_ids": torch.cat((marks[0], target), 1),
        "topic_ids": shown,
        "topic_vectors": vectors,
        "next_ids": torch.cat((target, marks[1]), 1),
    }


def topic_word_rate(*, aware: bool, steps: int = 400, seed: int = 0) -> float:
    """Share of greedy replies that name one of the message's topic words, after training on other words."""
    torch.manual_seed(seed)
    config = TopicAwareConfig(VOCABULARY, VOCABULARY, 24, 24, TOPICS, topic_attention=aware, biased_generation=aware)
    model = TopicAware(config)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.xavier_uniform_(parameter)
    generator = torch.Generator().manual_seed(seed)

    def loss_of(step: int) -> Tensor:
        batch = draw(64, generator, trained=True)
        wanted = batch.pop("next_ids")
        return functional.nll_loss(model(**batch).logits.flatten(0, 1), wanted.flatten())

    descend(model, range(steps), loss_of, torch.optim.Adam(model.parameters(), 5e-3), clip=1.0)
    batch = draw(300, torch.Generator().manual_seed(99), trained=False)
    with torch.no_grad():
        memory, state = model.encode(batch["source_ids"], None, batch["topic_ids"], batch["topic_vectors"])
        tokens = torch.full((300,), START)
        named = torch.zeros(300, dtype=torch.bool)
        for _ in range(3):
            step = model.step(tokens, memory, state)
            tokens, state = step.logits.argmax(-1), step.state
            named |= (batch["topic_ids"] == tokens[:, None]).any(-1)
    return float(named.float().mean())
