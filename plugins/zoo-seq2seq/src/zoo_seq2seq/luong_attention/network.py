"""The translation network: stacked LSTMs on both sides, attention between their top layers, input feeding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo_seq2seq import recurrent
from zoo_seq2seq.decoding import Memory, Step, TranslationOutput, random_pairs, teacher_force
from zoo_seq2seq.luong_attention.attention import LuongAttention
from zoo_seq2seq.luong_attention.config import LuongNMTConfig
from zoo_seq2seq.padding import flipped, lengths_of, real_first, require_ids
from zoo_seq2seq.recurrent import StackedCells


@dataclass(frozen=True, eq=False)
class LuongState:
    """Where a decoder is.

    Args:
        hidden, cell: (batch, layers, dim).
        attentional: (batch, dim) h~ of the last step; zero at first.
        step: (batch,) steps done.
    """

    hidden: Tensor
    cell: Tensor
    attentional: Tensor
    step: Tensor


class LuongNMT(nn.Module):
    """Source and target words to logits of the next target word."""

    def __init__(self, config: LuongNMTConfig) -> None:
        super().__init__()
        self.config = config
        width, dim = config.embedding_dim, config.dim
        self.source_embedding = nn.Embedding(config.source_vocab_size, width)
        self.target_embedding = nn.Embedding(config.target_vocab_size, width)
        between = config.dropout if config.num_layers > 1 else 0.0
        self.encoder = recurrent.LSTM(width, dim, config.num_layers, dropout=between)
        self.decoder = StackedCells(
            width + dim if config.input_feeding else width, dim, config.num_layers, config.dropout
        )
        self.attention = None if config.window == "none" else LuongAttention(config.attention())
        self.combine = nn.Linear(2 * dim, dim, bias=False) if self.attention is None else None
        self.output = nn.Linear(dim, config.target_vocab_size, bias=False)
        self.drop = nn.Dropout(config.dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Everything uniform in [-0.1, 0.1]."""
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def forward(self, source_ids: Tensor, target_ids: Tensor, source_mask: Tensor | None = None) -> TranslationOutput:
        """Teacher forcing.

        Args:
            source_ids: (batch, source).
            target_ids: (batch, targets), the start mark first.
            source_mask: boolean (batch, source), True for words.

        Raises:
            InputError: ids that the vocabularies do not have, or another shape.
            MaskError: a mask of another shape or type.
        """
        require_ids(target_ids, self.config.target_vocab_size, "target_ids")
        memory, state = self.encode(source_ids, source_mask)
        return teacher_force(self, memory, state, target_ids)[0]

    def encode(self, source_ids: Tensor, source_mask: Tensor | None = None) -> tuple[Memory, LuongState]:
        """Memory in the order of the sentence, however it was read, and the decoder's first state."""
        require_ids(source_ids, self.config.source_vocab_size, "source_ids")
        ids, mask, order = real_first(source_ids, source_mask)
        read = flipped(ids, mask) if self.config.reverse_source else ids
        states, (hidden, cell) = recurrent.run(self.encoder, self.drop(self.source_embedding(read)), mask)
        if self.config.reverse_source:
            states = flipped(states, mask)
        if self.config.source_end:
            places = torch.arange(ids.shape[1], device=ids.device)
            mask = places < lengths_of(ids, mask)[:, None] - 1
        nothing = states.new_zeros(states.shape[0], self.config.dim)
        steps = torch.zeros(states.shape[0], dtype=torch.long, device=states.device)
        state = LuongState(hidden.transpose(0, 1), cell.transpose(0, 1), nothing, steps)
        return Memory(states, mask, order), state

    def step(self, tokens: Tensor, memory: Memory, state: LuongState) -> Step:
        """One step from the last words (batch,)."""
        word = self.target_embedding(tokens)
        fed = torch.cat((word, state.attentional.to(word.dtype)), -1) if self.config.input_feeding else word
        top, hidden, cell = self.decoder(fed, state.hidden, state.cell)
        if self.attention is not None:
            found = self.attention(top, memory.states, memory.mask, state.step)
            attentional, weights = found.attentional, found.weights
        else:
            attentional, weights = self._without_attention(top, memory)
        return Step(self.output(attentional), weights, LuongState(hidden, cell, attentional, state.step + 1))

    def _without_attention(self, top: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """The state of the word that was read last, at every step."""
        assert self.combine is not None
        weights = memory.one_place(first=self.config.reverse_source)
        context = (weights[:, None] @ memory.states)[:, 0]
        return self.combine(torch.cat((context, top), -1)).tanh(), weights


def example(config: LuongNMTConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random ids: seven in the source, five in the target."""
    return random_pairs(config.source_vocab_size, config.target_vocab_size, batch_size, seed)
