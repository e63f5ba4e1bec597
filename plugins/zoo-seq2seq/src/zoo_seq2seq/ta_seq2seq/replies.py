"""Replies of a bundled model: searched for, and drawn with both attentions."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_seq2seq.decoding import START, Step
from zoo_seq2seq.padding import padded
from zoo_seq2seq.search import SearchOptions, beam_search
from zoo_seq2seq.ta_seq2seq import conversations
from zoo_seq2seq.ta_seq2seq.config import TopicAwareConfig
from zoo_seq2seq.ta_seq2seq.network import Message, ReplyState, TopicAware

LONGEST = 40
SEARCH = SearchOptions(beam_size=8, alpha=1.0)


@dataclass(frozen=True)
class WithTopics:
    """A model and the topic words of a batch's messages, as search asks for it."""

    model: TopicAware
    topics: dict[str, Tensor]

    def encode(self, source_ids: Tensor, source_mask: Tensor | None = None) -> tuple[Message, ReplyState]:
        """Memory and first state."""
        return self.model.encode(source_ids, source_mask, **self.topics)

    def step(self, tokens: Tensor, memory: Message, state: ReplyState) -> Step:
        """One step from the last words."""
        return self.model.step(tokens, memory, state)


def replies(model: TopicAware, messages: Sequence[str], options: SearchOptions | None = None) -> list[list[int]]:
    """Pieces of the best replies to messages, all in one batch.

    Raises:
        InputError: a message without a word.
    """
    source_ids, mask = padded([conversations.encode(message) for message in messages])
    aware = WithTopics(model, conversations.topic_batch(list(messages)))
    found = beam_search(aware, source_ids, mask, max_lengths=LONGEST, options=options or SEARCH)
    return [found.ids(row) for row in range(len(messages))]


def preprocess(config: TopicAwareConfig) -> Callable[[str], dict[str, Tensor]]:
    """From an English message to what ``forward`` takes, the reply being the start mark alone.

    Raises:
        InputError: the model was made for other words than ours.
    """
    _require_our_words(config)

    def inputs(text: str) -> dict[str, Tensor]:
        source_ids, mask = padded([conversations.encode(text)])
        start = torch.tensor([[START]])
        return {"source_ids": source_ids, "source_mask": mask, "target_ids": start, **conversations.topic_batch([text])}

    return inputs


def _require_our_words(config: TopicAwareConfig) -> None:
    if (config.source_vocab_size, config.topic_dim) != (conversations.VOCABULARY, len(conversations.TOPICS)):
        raise InputError(
            f"a model of {config.source_vocab_size} words has no conversations here: take the preset 'chatterbot', or "
            "give the model ids and topic words yourself"
        )


def predict(model: TopicAware, config: TopicAwareConfig, source: str) -> dict[str, Any]:
    """Reply to an English message: the topic that was understood, its words, the reply, and what it looked at.

    Raises:
        InputError: the model was made for other words than ours, or the message has none.
    """
    from PIL import Image

    _require_our_words(config)
    pieces = conversations.pieces()
    said = replies(model, [source])[0]
    words, _ = conversations.topic_words(source)
    drawn = io.BytesIO()
    draw_reply(model, source, said).savefig(drawn, format="png", dpi=100)
    return {
        "reply": pieces.decode(said),
        "topic": conversations.TOPICS[conversations.topics().topic(conversations.encode(source))],
        "topic words": [pieces.decode([word]).strip() for word in words.tolist()],
        "attention": Image.open(drawn),
    }


def draw_reply(model: TopicAware, message: str, reply: Sequence[int], path: str | Path | None = None) -> Any:
    """Attention of a reply's pieces over the message and over its topic words; a matplotlib figure."""
    from zoo.evidence.plots import new_figure, saved

    pieces = conversations.pieces()
    inputs = preprocess(model.config)(message)
    inputs["target_ids"] = torch.tensor([[START, *reply]])
    with torch.no_grad():
        found = model(**inputs)
    figure = new_figure(figsize=(9.5, 0.3 * (len(reply) + 1) + 1.8))
    sides = figure.subplots(1, 2, sharey=True)
    rows = [*pieces.pieces(reply), "</s>"]
    shown = (
        (found.attention[0], pieces.pieces(inputs["source_ids"][0].tolist()), "over the message"),
        (found.topic_attention[0], pieces.pieces(inputs["topic_ids"][0].tolist()), "over the topic's words"),
    )
    for axis, (weights, names, title) in zip(sides, shown, strict=True):
        image = axis.imshow(weights.numpy(), cmap="Blues", vmin=0, aspect="auto", interpolation="nearest")
        axis.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
        axis.set_title(title, fontsize=10)
        figure.colorbar(image, ax=axis, label="attention weight")
    sides[0].set_yticks(range(len(rows)), rows, fontsize=8)
    figure.suptitle(f"{message} - {pieces.decode(list(reply))}", fontsize=10)
    return saved(figure, path)
