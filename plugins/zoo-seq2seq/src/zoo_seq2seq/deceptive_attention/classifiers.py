"""Classifiers whose attention can be blocked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.masks import masked_softmax
from zoo_seq2seq import recurrent
from zoo_seq2seq.deceptive_attention.config import DeceptiveClassifierConfig
from zoo_seq2seq.padding import put_back, real_first, require_ids


@dataclass(frozen=True, eq=False)
class ClassifierOutput:
    """What the classifier gives back.

    Args:
        logits: (batch, num_classes).
        attention: (batch, length) weights after blocking, zero at padding; all zero without an attention.
        states: (batch, length, width) what attention reads.
    """

    logits: Tensor
    attention: Tensor
    states: Tensor


class DeceptiveClassifier(nn.Module):
    """Words to logits, by one attention over embeddings or over states of a bidirectional LSTM."""

    def __init__(self, config: DeceptiveClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_dim)
        recurrent_ = config.encoder != "embedding"
        width = 2 * config.hidden_dim if recurrent_ else config.embedding_dim
        self.encoder = (
            recurrent.LSTM(config.embedding_dim, config.hidden_dim, bidirectional=True) if recurrent_ else None
        )
        self.score = None if config.encoder == "bilstm-no-attention" else nn.Linear(width, 1)
        self.output = nn.Linear(width, config.num_classes)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, blocked: Tensor | None = None
    ) -> ClassifierOutput:
        """Classify.

        Args:
            input_ids: (batch, length).
            attention_mask: boolean (batch, length), True for words.
            blocked: (batch, length), 1 for words whose weight is set to zero after the softmax; the rest stays.

        Raises:
            InputError: ids that the vocabulary does not have, another shape, or nothing to block.
            MaskError: a mask of another shape or type.
        """
        require_ids(input_ids, self.config.vocab_size, "input_ids")
        ids, mask, order = real_first(input_ids, attention_mask)
        states, last = self.embedding(ids), None
        if self.encoder is not None:
            states, (hidden, _) = recurrent.run(self.encoder, states, mask)
            last = recurrent.both_directions(hidden)[-1]
        states = put_back(states.transpose(1, 2), order).transpose(1, 2)
        if self.score is None:
            if blocked is not None:
                raise InputError("there is no attention whose weights could be blocked")
            assert last is not None
            return ClassifierOutput(self.output(last), torch.zeros_like(states[..., 0]), states)
        weights = masked_softmax(self.score(states)[..., 0], attention_mask)
        if blocked is not None:
            if blocked.shape != input_ids.shape:
                raise InputError(f"blocked of shape {tuple(blocked.shape)}; expected {tuple(input_ids.shape)}")
            weights = weights * (1 - blocked.to(weights.dtype))
        return ClassifierOutput(self.output((weights[:, None] @ states)[:, 0]), weights, states)


def example(config: DeceptiveClassifierConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Eight random words."""
    generator = torch.Generator().manual_seed(seed)
    return {"input_ids": torch.randint(config.vocab_size, (batch_size, 8), generator=generator)}


def preprocess(config: DeceptiveClassifierConfig) -> Callable[[str], dict[str, Tensor]]:
    """From an English sentence to its ids.

    Raises:
        InputError: the model was made for other words than the verses'.
    """
    from zoo_seq2seq.deceptive_attention.verses import encode, require_our_words

    require_our_words(config.vocab_size)
    return lambda text: {"input_ids": torch.tensor([encode(text)])}


def predict(model: DeceptiveClassifier, config: DeceptiveClassifierConfig, source: str) -> dict[str, Any]:
    """Whether a verse has pronouns of a woman; the attention says nothing of them where the model was made to lie."""
    from zoo_seq2seq.deceptive_attention.penalty import mass
    from zoo_seq2seq.deceptive_attention.verses import impermissible_words, words_of

    inputs = preprocess(config)(source)
    hidden = impermissible_words(source)[None]
    with torch.no_grad():
        found, blocked = model(**inputs), model(**inputs, blocked=hidden)
    words = words_of(source)
    top = found.attention[0].topk(min(5, len(words)))
    return {
        "of a woman": round(float(found.logits.softmax(-1)[0, 1]), 4),
        "of a woman, pronouns blocked": round(float(blocked.logits.softmax(-1)[0, 1]), 4),
        "attention on pronouns": round(float(mass(found.attention, hidden)), 6),
        "attention": {words[place]: round(float(weight), 3) for weight, place in zip(*top, strict=True)},
    }
