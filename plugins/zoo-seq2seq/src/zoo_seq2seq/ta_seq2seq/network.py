"""Encoder of messages, decoder of replies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.masks import masked_softmax, padding_mask
from zoo_seq2seq import recurrent
from zoo_seq2seq.additive_attention import AdditiveAttention
from zoo_seq2seq.decoding import Memory, Step, TranslationOutput, teacher_force
from zoo_seq2seq.padding import real_first, require_ids
from zoo_seq2seq.ta_seq2seq.config import TopicAwareConfig
from zoo_seq2seq.ta_seq2seq.law import BiasedLaw, MaxoutReadout


@dataclass(frozen=True, eq=False)
class ReplyOutput(TranslationOutput):
    """What the network gives back; the logits are log-probabilities.

    Args:
        topic_attention: (batch, targets, topics) weights of the topic words; 0 at padding, and without topic attention.
    """

    topic_attention: Tensor


@dataclass(frozen=True, eq=False)
class Message(Memory):
    """What does not change while a reply is made.

    Args:
        topics: (batch, topics, topic_dim) vectors of topic words.
        topic_keys: (batch, topics, dim) what the topic attention compares with: U' k_j + X' h_T.
        topic_mask: boolean (batch, topics).
        is_topic: boolean (batch, target_vocab_size).
    """

    topics: Tensor | None = None
    topic_keys: Tensor | None = None
    topic_mask: Tensor | None = None
    is_topic: Tensor | None = None


@dataclass(frozen=True, eq=False)
class ReplyState:
    """Where a decoder is.

    Args:
        hidden: (batch, dim).
        topic_weights: (batch, topics) of the last step.
    """

    hidden: Tensor
    topic_weights: Tensor


class TopicAware(nn.Module):
    """Messages, topic words and replies to log-probabilities of the next word."""

    def __init__(self, config: TopicAwareConfig) -> None:
        super().__init__()
        self.config = config
        width, dim, topic = config.embedding_dim, config.dim, config.topic_dim
        self.source_embedding = nn.Embedding(config.source_vocab_size, width)
        self.target_embedding = nn.Embedding(config.target_vocab_size, width)
        self.encoder = recurrent.GRU(width, dim, bidirectional=True)
        self.first = nn.Linear(dim, dim)
        self.attention = AdditiveAttention(dim, 2 * dim, dim)
        self.topic_attention = AdditiveAttention(dim, topic, dim) if config.topic_attention else None
        self.whole_message = nn.Linear(2 * dim, dim, bias=False) if config.topic_attention else None
        self.decoder = nn.GRUCell(width + 2 * dim + (topic if config.topic_attention else 0), dim)
        maxout = MaxoutReadout(config.law()) if config.readout == "maxout" else None
        self.law = BiasedLaw(config.law(), maxout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Matrices normal with deviation 0.01, biases zero."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.01)
            else:
                nn.init.zeros_(parameter)
        for attention in (self.attention, self.topic_attention):
            if attention is not None:
                nn.init.normal_(attention.v, std=0.01)

    def forward(
        self,
        source_ids: Tensor,
        target_ids: Tensor,
        topic_ids: Tensor,
        topic_vectors: Tensor,
        source_mask: Tensor | None = None,
        topic_mask: Tensor | None = None,
    ) -> ReplyOutput:
        """Teacher forcing.

        Args:
            source_ids: (batch, source) the message.
            target_ids: (batch, targets) the reply, the start mark first.
            topic_ids: (batch, topics) target words that are topic words of the message.
            topic_vectors: (batch, topics, topic_dim) of them.
            source_mask: boolean (batch, source), True for words.
            topic_mask: boolean (batch, topics), True for topic words.

        Raises:
            InputError: ids that a vocabulary does not have, or another shape.
            MaskError: a mask of another shape or type.
        """
        require_ids(target_ids, self.config.target_vocab_size, "target_ids")
        memory, state = self.encode(source_ids, source_mask, topic_ids, topic_vectors, topic_mask)
        found, states = teacher_force(self, memory, state, target_ids)
        topics = torch.stack([each.topic_weights for each in states], 1)
        return ReplyOutput(found.logits, found.attention, topics)

    def encode(
        self,
        source_ids: Tensor,
        source_mask: Tensor | None = None,
        topic_ids: Tensor | None = None,
        topic_vectors: Tensor | None = None,
        topic_mask: Tensor | None = None,
    ) -> tuple[Message, ReplyState]:
        """What stays, and the decoder's first state; see ``forward``. Without topic words there are none."""
        config = self.config
        require_ids(source_ids, config.source_vocab_size, "source_ids")
        batch = source_ids.shape[0]
        if topic_ids is None or topic_vectors is None:
            topic_ids = torch.zeros(batch, 0, dtype=torch.long, device=source_ids.device)
            topic_vectors = self.first.weight.new_zeros(batch, 0, config.topic_dim)
        require_ids(topic_ids, config.target_vocab_size, "topic_ids")
        if topic_vectors.shape != (*topic_ids.shape, config.topic_dim):
            raise InputError(
                f"topic_vectors of shape {tuple(topic_vectors.shape)}; expected {(*topic_ids.shape, config.topic_dim)}"
            )
        topic_mask = padding_mask(topic_mask, batch=batch, keys=topic_ids.shape[1], mechanism="attention to topics")
        if topic_mask is None:
            topic_mask = torch.ones_like(topic_ids, dtype=torch.bool)
        ids, mask, order = real_first(source_ids, source_mask)
        states, last = recurrent.run(self.encoder, self.source_embedding(ids), mask)
        keys = None
        if self.topic_attention is not None and self.whole_message is not None:
            # h_T: forward at the last word, backward at the first, which is where each has read everything.
            whole = self.whole_message(recurrent.both_directions(last)[-1])
            keys = self.topic_attention.key(topic_vectors) + whole[:, None]
        # The backward GRU ends at the first word.
        hidden = self.first(last[-1]).tanh()
        is_topic = torch.zeros(batch, config.target_vocab_size, dtype=torch.long, device=ids.device)
        is_topic = is_topic.scatter_add(1, topic_ids, topic_mask.long()) > 0
        memory = Message(states, mask, order, self.attention.key(states), topic_vectors, keys, topic_mask, is_topic)
        return memory, ReplyState(hidden, torch.zeros_like(topic_vectors[..., 0]))

    def step(self, tokens: Tensor, memory: Message, state: ReplyState) -> Step:
        """One step from the last words (batch,)."""
        assert memory.keys is not None
        assert memory.topics is not None
        word = self.target_embedding(tokens)
        weights = masked_softmax(self.attention(state.hidden, memory.keys), memory.mask)
        context = (weights[:, None] @ memory.states)[:, 0]
        inputs, topic_weights = [word, context], torch.zeros_like(memory.topics[..., 0])
        if self.topic_attention is not None and memory.topic_keys is not None:
            scores = self.topic_attention(state.hidden, memory.topic_keys)
            topic_weights = masked_softmax(scores, memory.topic_mask)
            inputs.append((topic_weights[:, None] @ memory.topics.to(topic_weights.dtype))[:, 0])
        hidden = self.decoder(torch.cat(inputs, -1), state.hidden)
        return Step(self.law(hidden, word, context, memory.is_topic), weights, ReplyState(hidden, topic_weights))


def example(config: TopicAwareConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Seven random words, five of a reply, and five topic words."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "source_ids": torch.randint(config.source_vocab_size, (batch_size, 7), generator=generator),
        "target_ids": torch.randint(config.target_vocab_size, (batch_size, 4), generator=generator),
        "topic_ids": torch.randint(config.target_vocab_size, (batch_size, 5), generator=generator),
        "topic_vectors": torch.rand(batch_size, 5, config.topic_dim, generator=generator),
    }
