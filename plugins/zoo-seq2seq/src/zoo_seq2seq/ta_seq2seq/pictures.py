"""The pictures of the cards: a held-out message to the bundled network."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo_seq2seq.decoding import START
from zoo_seq2seq.ta_seq2seq import conversations
from zoo_seq2seq.ta_seq2seq.replies import draw_reply, preprocess, replies

SHOWN = "do you feel emotions"


def reply(path: Path) -> None:
    """A reply of the bundled network to a message: what each of its pieces looked at, in the message and among the
    words of its topic."""
    model = zoo.load("ta-seq2seq/chatterbot")
    draw_reply(model, SHOWN, replies(model, [SHOWN])[0], path)


def law(path: Path) -> None:
    """Probabilities of the first word of a reply by the bundled network: of its twenty likeliest words, with and
    without the second term that topic words have."""
    from zoo.evidence.plots import new_figure, saved

    model, pieces = zoo.load("ta-seq2seq/chatterbot"), conversations.pieces()
    inputs = preprocess(model.config)(SHOWN)
    del inputs["target_ids"]
    with torch.no_grad():
        memory, state = model.encode(**inputs)
        seen = []
        handle = model.law.register_forward_hook(lambda own, args, found: seen.append(args))
        with_ = model.step(torch.tensor([START]), memory, state).logits[0].exp()
        handle.remove()
        without = model.law(*seen[0][:3], torch.zeros_like(memory.is_topic))[0].exp()
    topic = memory.is_topic[0]
    chosen = torch.cat((with_.topk(14).indices, with_.masked_fill(~topic, 0).topk(6).indices)).unique()
    chosen = chosen[with_[chosen].argsort(descending=True)]
    figure = new_figure(figsize=(9.5, 3.8))
    axis = figure.subplots()
    places = torch.arange(len(chosen))
    axis.bar(places - 0.2, without[chosen], 0.4, color="0.7", label="language alone")
    colours = ["#d1495b" if bool(topic[word]) else "#2a6f97" for word in chosen]
    axis.bar(places + 0.2, with_[chosen], 0.4, color=colours, label="with the topic's term (red: topic words)")
    axis.set_xticks(places, pieces.pieces(chosen.tolist()), rotation=60, ha="right")
    axis.set(ylabel="probability", title=f"first piece of a reply to: {SHOWN}", yscale="log")
    axis.legend()
    saved(figure, path)
