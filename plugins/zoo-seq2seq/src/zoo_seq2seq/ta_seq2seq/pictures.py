"""The pictures of the cards."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo_seq2seq.ta_seq2seq import conversations
from zoo_seq2seq.ta_seq2seq.config import BiasedLawConfig
from zoo_seq2seq.ta_seq2seq.law import BiasedLaw
from zoo_seq2seq.ta_seq2seq.law import example as law_example
from zoo_seq2seq.ta_seq2seq.replies import draw_reply, replies

SHOWN, HELD_OUT = "do you feel emotions", "I am as yet incapable of feeling fear."


def reply(path: Path) -> None:
    """A reply of the bundled network to a held-out message: what each of its pieces looked at, in the message and among
    the words of its topic, one of which it says."""
    model = zoo.load("ta-seq2seq/chatterbot")
    draw_reply(model, HELD_OUT, replies(model, [HELD_OUT])[0], path)


def law(path: Path) -> None:
    """The law of the next word with untrained weights, over the 800 pieces of chatterbot-corpus: the second term lifts
    those that are topic words of a real message, at the cost of all others."""
    from zoo.evidence.plots import new_figure, saved

    pieces = conversations.pieces()
    topic_ids = conversations.topic_batch([SHOWN])["topic_ids"][0]
    config = BiasedLawConfig(800, 32, 24, 64)
    torch.manual_seed(0)
    model = BiasedLaw(config).eval()
    inputs = {name: values[:1] for name, values in law_example(config).items()}
    topic = torch.zeros(800, dtype=torch.bool)
    topic[topic_ids[topic_ids > 3]] = True
    inputs["is_topic"] = topic[None]
    with torch.no_grad():
        with_ = model(**inputs)[0].exp()
        without = model(**{**inputs, "is_topic": inputs["is_topic"] & False})[0].exp()
    named = topic.nonzero().flatten()[:10]
    others = (~topic).nonzero().flatten()
    chosen = torch.cat((named, others[40:50]))
    figure = new_figure(figsize=(9.5, 3.8))
    axis = figure.subplots()
    places = torch.arange(len(chosen))
    axis.bar(places - 0.2, 100 * without[chosen], 0.4, color="0.7", label="language term alone")
    for kind, colour, part in (("topic words", "#d1495b", topic[chosen]), ("other words", "#2a6f97", ~topic[chosen])):
        axis.bar(places[part] + 0.2, 100 * with_[chosen][part], 0.4, color=colour, label=f"both terms, {kind}")
    axis.set_xticks(places, pieces.pieces(chosen.tolist()), rotation=60, ha="right")
    share, before = 100 * float(with_[topic].sum()), 100 * float(without[topic].sum())
    title = f'{int(topic.sum())} topic words of "{SHOWN}": {before:.0f}% of the mass before, {share:.0f}% with both'
    axis.set(ylabel="probability (%)", title=title)
    axis.legend()
    saved(figure, path)
