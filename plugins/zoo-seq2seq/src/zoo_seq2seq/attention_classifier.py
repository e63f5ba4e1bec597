"""The classifier whose attention is perturbed: a bidirectional LSTM, one attention, one linear layer.

    H = BiLSTM(words)  (T, 2 h),    a = W_2 tanh(W_1 H + b [+ query])  (T),    c = sum_t softmax(a)_t H_t

The scores of words are what ``expose`` gives. A pair of texts (a question, a premise) has a second encoder, whose last
state q is added inside the tanh; then logits = W_3 tanh(W_c c + W_q q), of the entities in the text where they are
given.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

import zoo
from zoo.errors import InputError
from zoo.nn.masks import masked_softmax
from zoo_seq2seq import recurrent
from zoo_seq2seq.exposed import Exposed
from zoo_seq2seq.outputs import MappedOutput
from zoo_seq2seq.padding import put_back, real_first, require_ids


@dataclass
class AttentionClassifierConfig:
    """Config of the classifier."""

    vocab_size: int = zoo.field(30_000, "words", minimum=1)
    embedding_dim: int = zoo.field(300, "width of word embeddings", unit="features", minimum=1)
    hidden_dim: int = zoo.field(128, "LSTM cells, per direction", minimum=1)
    num_classes: int = zoo.field(1, "logits; one is a binary decision", minimum=1)
    pair: bool = zoo.field(False, "whether a second text asks")


@dataclass(frozen=True, eq=False)
class ClassifierOutput(MappedOutput):
    """What the classifier gives back; also a mapping of its fields.

    Args:
        logits: (batch,) of one class, else (batch, num_classes).
        attention: (batch, length) weights, zero at padding.
        scores: (batch, length) before the softmax.
    """

    logits: Tensor
    attention: Tensor
    scores: Tensor


class TanhAttention(nn.Module):
    """States (batch, length, width) to scores (batch, length)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(width // 2, 1)
        self.attn = nn.Sequential(nn.Linear(width, inner), nn.Tanh(), nn.Linear(inner, 1, bias=False))

    def forward(self, states: Tensor, query: Tensor | None = None) -> Tensor:
        """Scores; ``query`` (batch, width // 2) is added inside the tanh."""
        inner = self.attn[0](states)
        if query is not None:
            inner = inner + query[:, None]
        return self.attn[2](self.attn[1](inner))[..., 0]


class AttentionClassifier(nn.Module):
    """Words to a decision."""

    def __init__(self, config: AttentionClassifierConfig) -> None:
        super().__init__()
        self.config = config
        width = 2 * config.hidden_dim
        self.word_embed = nn.Embedding(config.vocab_size, config.embedding_dim)
        self.encoder = recurrent.LSTM(config.embedding_dim, config.hidden_dim, bidirectional=True)
        self.attention_layer = TanhAttention(width)
        self.query_encoder: recurrent.LSTM | None = None
        if config.pair:
            inner = max(width // 2, 1)
            self.query_encoder = recurrent.LSTM(config.embedding_dim, config.hidden_dim, bidirectional=True)
            self.query = nn.Linear(width, inner)
            self.of_context, self.of_query = nn.Linear(width, inner), nn.Linear(width, inner)
            self.output = nn.Linear(inner, config.num_classes)
        else:
            self.output = nn.Linear(width, config.num_classes)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        query_ids: Tensor | None = None,
        query_mask: Tensor | None = None,
        entity_mask: Tensor | None = None,
    ) -> ClassifierOutput:
        """Classify.

        Args:
            input_ids: (batch, length).
            attention_mask: boolean (batch, length), True for words.
            query_ids, query_mask: the second text of a pair.
            entity_mask: boolean (batch, num_classes), True for answers that are possible; others get the lowest logit.

        Raises:
            InputError: ids that the vocabulary does not have, another shape, or a second text missing or too much.
            MaskError: a mask of another shape or type.
        """
        states, query = self._states(input_ids, attention_mask, query_ids, query_mask)
        scores = self._scores(states, query)
        weights = masked_softmax(scores, attention_mask)
        logits = self._decide((weights[:, None] @ states)[:, 0], query, entity_mask)
        return ClassifierOutput(logits, weights, scores)

    def expose(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        query_ids: Tensor | None = None,
        query_mask: Tensor | None = None,
        entity_mask: Tensor | None = None,
    ) -> Exposed:
        """Scores and what follows; see ``zoo_seq2seq.exposed`` and ``forward``."""
        states, query = self._states(input_ids, attention_mask, query_ids, query_mask)
        return self.expose_states(states, attention_mask, query, entity_mask)

    def expose_states(
        self, states: Tensor, mask: Tensor | None, query: Tensor | None = None, entity_mask: Tensor | None = None
    ) -> Exposed:
        """The same from encoder states (batch, length, 2 hidden_dim) on."""

        def proceed(scores: Tensor) -> Tensor:
            weights = masked_softmax(scores, mask)
            return self._decide((weights[:, None] @ states)[:, 0], query, entity_mask)

        return Exposed(self._scores(states, query), proceed, mask)

    def _scores(self, states: Tensor, query: Tensor | None) -> Tensor:
        return self.attention_layer(states, None if query is None else self.query(query))

    def _decide(self, context: Tensor, query: Tensor | None, entity_mask: Tensor | None) -> Tensor:
        if query is not None:
            context = (self.of_context(context) + self.of_query(query)).tanh()
        logits = self.output(context)
        if entity_mask is not None:
            logits = logits.masked_fill(~entity_mask, torch.finfo(logits.dtype).min)
        return logits[:, 0] if self.config.num_classes == 1 else logits

    def _states(
        self, ids: Tensor, mask: Tensor | None, query_ids: Tensor | None, query_mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """States of words where they were given, and the last state of the second text."""
        if (query_ids is not None) != self.config.pair:
            raise InputError(f"pair={self.config.pair}, and query_ids were {'not ' * (query_ids is None)}given")
        states, _ = self._read(self.encoder, ids, mask)
        if query_ids is None or self.query_encoder is None:
            return states, None
        return states, self._read(self.query_encoder, query_ids, query_mask)[1]

    def _read(self, rnn: recurrent.LSTM, ids: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        require_ids(ids, self.config.vocab_size, "input_ids")
        moved, real, order = real_first(ids, mask)
        states, (hidden, _) = recurrent.run(rnn, self.word_embed(moved), real)
        back = put_back(states.transpose(1, 2), order).transpose(1, 2)
        return back, recurrent.both_directions(hidden)[-1]


def example(config: AttentionClassifierConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Seven random words, and four of a second text."""
    generator = torch.Generator().manual_seed(seed)
    found = {"input_ids": torch.randint(config.vocab_size, (batch_size, 7), generator=generator)}
    if config.pair:
        found["query_ids"] = torch.randint(config.vocab_size, (batch_size, 4), generator=generator)
    return found
