"""A translator with additive attention, whose weights can be learnt, equal or fixed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.nn.masks import masked_softmax
from zoo_seq2seq import recurrent
from zoo_seq2seq.additive_attention import AdditiveAttention
from zoo_seq2seq.deceptive_attention.config import DeceptiveTranslatorConfig
from zoo_seq2seq.decoding import Memory, Step, TranslationOutput, random_pairs, teacher_force
from zoo_seq2seq.padding import real_first, require_ids


@dataclass(frozen=True, eq=False)
class GRUState:
    """Where a decoder is: hidden (batch, decoder_dim)."""

    hidden: Tensor


class DeceptiveTranslator(nn.Module):
    """Source and target symbols to logits of the next target symbol."""

    def __init__(self, config: DeceptiveTranslatorConfig) -> None:
        super().__init__()
        self.config = config
        width, memory, dim = config.embedding_dim, 2 * config.encoder_dim, config.decoder_dim
        self.source_embedding = nn.Embedding(config.source_vocab_size, width)
        self.target_embedding = nn.Embedding(config.target_vocab_size, width)
        self.encoder = recurrent.GRU(width, config.encoder_dim, bidirectional=True)
        self.first = nn.Linear(memory, dim)
        self.attention = AdditiveAttention(dim, memory, dim, bias=True)
        self.decoder = nn.GRUCell(width + memory, dim)
        self.output = nn.Linear(dim + memory + width, config.target_vocab_size)
        self.drop = nn.Dropout(config.dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """v uniform in [0, 1], everything else as torch has it."""
        nn.init.uniform_(self.attention.v)

    def forward(self, source_ids: Tensor, target_ids: Tensor, source_mask: Tensor | None = None) -> TranslationOutput:
        """Teacher forcing.

        Args:
            source_ids: (batch, source).
            target_ids: (batch, targets), the start mark first.
            source_mask: boolean (batch, source), True for symbols.

        Raises:
            InputError: ids that a vocabulary does not have, or another shape.
            MaskError: a mask of another shape or type.
        """
        require_ids(target_ids, self.config.target_vocab_size, "target_ids")
        memory, state = self.encode(source_ids, source_mask)
        return teacher_force(self, memory, state, target_ids)[0]

    def encode(self, source_ids: Tensor, source_mask: Tensor | None = None) -> tuple[Memory, GRUState]:
        """Memory, and the decoder's first state tanh(Linear([forward last; backward last]))."""
        require_ids(source_ids, self.config.source_vocab_size, "source_ids")
        ids, mask, order = real_first(source_ids, source_mask)
        states, last = recurrent.run(self.encoder, self.drop(self.source_embedding(ids)), mask)
        hidden = self.first(recurrent.both_directions(last)[-1]).tanh()
        return Memory(states, mask, order, self.attention.key(states)), GRUState(hidden)

    def step(self, tokens: Tensor, memory: Memory, state: GRUState) -> Step:
        """One step from the last symbols (batch,)."""
        word = self.drop(self.target_embedding(tokens))
        weights = self._weights(memory, state.hidden)
        context = (weights[:, None] @ memory.states.to(weights.dtype))[:, 0]
        hidden = self.decoder(torch.cat((word, context), -1), state.hidden)
        return Step(self.output(torch.cat((hidden, context, word), -1)), weights, GRUState(hidden))

    def _weights(self, memory: Memory, query: Tensor) -> Tensor:
        assert memory.keys is not None
        if self.config.attention == "additive":
            scores = self.attention(query, memory.keys)
        else:
            scores = memory.keys.new_zeros(memory.keys.shape[:2])
            if self.config.attention == "first":
                first = torch.arange(scores.shape[1], device=scores.device) == 0
                scores = scores.masked_fill(~first, torch.finfo(scores.dtype).min)
        return masked_softmax(scores, memory.mask)


def example(config: DeceptiveTranslatorConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random ids: seven in the source, five in the target."""
    return random_pairs(config.source_vocab_size, config.target_vocab_size, batch_size, seed)
