"""An encoder, a decoder, and the scratchpad between them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.masks import masked_softmax
from zoo_seq2seq import recurrent
from zoo_seq2seq.additive_attention import AdditiveAttention
from zoo_seq2seq.decoding import UNKNOWN, Memory, Step, TranslationOutput, random_pairs, teacher_force
from zoo_seq2seq.padding import put_back, real_first, require_ids
from zoo_seq2seq.recurrent import StackedCells
from zoo_seq2seq.scratchpad.config import ScratchpadConfig
from zoo_seq2seq.scratchpad.write import ScratchpadWrite


@dataclass(frozen=True, eq=False)
class ScratchpadOutput(TranslationOutput):
    """What the network gives back; with ``copy`` the logits are log-probabilities of the mixture.

    Args:
        gates: (batch, targets, source) how much of each place stayed after the step; 0 at padding.
    """

    gates: Tensor


@dataclass(frozen=True, eq=False)
class Source(Memory):
    """What does not change while a sentence is decoded.

    Args:
        copy_ids: (batch, source) target words that the source words are, where words can be copied.
    """

    copy_ids: Tensor | None = None


@dataclass(frozen=True, eq=False)
class ScratchpadState:
    """Where a decoder is.

    Args:
        hidden, cell: (batch, layers, decoder_dim).
        context: (batch, memory_dim) what was read last; zero at first.
        memory: (batch, source, memory_dim) as it was written last.
        gate: (batch, source) of that step.
    """

    hidden: Tensor
    cell: Tensor
    context: Tensor
    memory: Tensor
    gate: Tensor


class ScratchpadNetwork(nn.Module):
    """Source and target words to logits of the next target word."""

    def __init__(self, config: ScratchpadConfig) -> None:
        super().__init__()
        self.config = config
        width, dim, memory = config.embedding_dim, config.decoder_dim, config.memory_dim
        self.source_embedding = nn.Embedding(config.source_vocab_size, width)
        self.target_embedding = nn.Embedding(config.target_vocab_size, width)
        self.feature_embedding = nn.Embedding(config.num_features, config.feature_dim) if config.num_features else None
        self.encoder = recurrent.LSTM(
            width + (config.feature_dim if config.num_features else 0),
            config.encoder_dim,
            config.encoder_layers,
            bidirectional=True,
            dropout=config.dropout if config.encoder_layers > 1 else 0.0,
        )
        self.first_hidden = nn.Linear(memory, config.decoder_layers * dim)
        self.first_cell = nn.Linear(memory, config.decoder_layers * dim)
        self.attention = AdditiveAttention(dim, memory, memory)
        self.decoder = StackedCells(width + memory, dim, config.decoder_layers, config.dropout)
        self.write = ScratchpadWrite(config.write())
        self.combine = nn.Linear(dim + memory, dim)
        self.output = nn.Linear(dim, config.target_vocab_size)
        self.generate = nn.Linear(memory + dim + width, 1) if config.copy else None
        self.drop = nn.Dropout(config.dropout)

    def forward(
        self,
        source_ids: Tensor,
        target_ids: Tensor,
        source_mask: Tensor | None = None,
        feature_ids: Tensor | None = None,
        copy_ids: Tensor | None = None,
    ) -> ScratchpadOutput:
        """Teacher forcing.

        Args:
            source_ids: (batch, source).
            target_ids: (batch, targets), the start mark first.
            source_mask: boolean (batch, source), True for words.
            feature_ids: (batch, source) the further feature, where the config has one; zeros by default.
            copy_ids: (batch, source) which target word each source word is, those from target_vocab_size on being
                the extra ones; by default the source's own ids, unknown where the target has no such word.

        Raises:
            InputError: ids that a vocabulary does not have, or another shape.
            MaskError: a mask of another shape or type.
        """
        require_ids(target_ids, self.config.target_vocab_size, "target_ids")
        memory, state = self.encode(source_ids, source_mask, feature_ids, copy_ids)
        found, states = teacher_force(self, memory, state, target_ids)
        gates = _real_only(torch.stack([each.gate for each in states], 1), memory.mask)
        return ScratchpadOutput(found.logits, found.attention, put_back(gates, memory.order))

    def encode(
        self,
        source_ids: Tensor,
        source_mask: Tensor | None = None,
        feature_ids: Tensor | None = None,
        copy_ids: Tensor | None = None,
    ) -> tuple[Source, ScratchpadState]:
        """What stays, and the decoder's first state with the memory as the encoder made it; see ``forward``."""
        config = self.config
        require_ids(source_ids, config.source_vocab_size, "source_ids")
        if (feature_ids is not None) and self.feature_embedding is None:
            raise InputError("feature_ids were given, and the config has num_features=0")
        features = torch.zeros_like(source_ids) if feature_ids is None else feature_ids
        if copy_ids is None:
            copy_ids = source_ids.masked_fill(source_ids >= config.target_vocab_size, UNKNOWN)
        require_ids(copy_ids, config.target_vocab_size + config.extra_vocab_size, "copy_ids")
        together, mask, order = real_first(torch.stack((source_ids, features, copy_ids), -1), source_mask)
        ids, features, copies = together.unbind(-1)
        x = self.source_embedding(ids)
        if self.feature_embedding is not None:
            require_ids(features, config.num_features, "feature_ids")
            x = torch.cat((x, self.feature_embedding(features)), -1)
        states, (hidden, _) = recurrent.run(self.encoder, self.drop(x), mask)
        last = recurrent.both_directions(hidden)[-1]
        hidden, cell = (
            layer(last).unflatten(-1, (config.decoder_layers, -1)) for layer in (self.first_hidden, self.first_cell)
        )
        state = ScratchpadState(hidden, cell, torch.zeros_like(last), states, torch.ones_like(states[..., 0]))
        return Source(states, mask, order, None, copies if config.copy else None), state

    def step(self, tokens: Tensor, memory: Source, state: ScratchpadState) -> Step:
        """Read, go on, and write."""
        word = self.target_embedding(tokens)
        keys = self.attention.key(state.memory)

        def read(query: Tensor) -> tuple[Tensor, Tensor]:
            if self.config.attention == "last":
                weights = memory.one_place()
            else:
                weights = masked_softmax(self.attention(query, keys), memory.mask)
            return weights, (weights[:, None] @ state.memory)[:, 0]

        luong = self.config.read == "luong"
        weights, context = (None, state.context) if luong else read(state.hidden[:, -1])
        top, hidden, cell = self.decoder(torch.cat((word, context), -1), state.hidden, state.cell)
        if weights is None:
            weights, context = read(top)
        logits = self.output(self.combine(torch.cat((top, context), -1)).tanh())
        if self.generate is not None and memory.copy_ids is not None:
            share = self.generate(torch.cat((context, top, word), -1))
            logits = self._with_copies(logits, share, weights, memory.copy_ids)
        written = self.write(top, context, state.memory, memory.mask)
        return Step(logits, weights, ScratchpadState(hidden, cell, context, written.memory, written.gate))

    def _with_copies(self, logits: Tensor, share: Tensor, weights: Tensor, copy_ids: Tensor) -> Tensor:
        """Log-probabilities (batch, target_vocab_size + extra_vocab_size) of the mixture."""
        wide = torch.promote_types(logits.dtype, torch.float32)
        logits, share, weights = logits.to(wide), share.to(wide), weights.to(wide)
        said = functional.pad(logits.softmax(-1) * share.sigmoid(), (0, self.config.extra_vocab_size))
        mixture = said.scatter_add(1, copy_ids, weights * (-share).sigmoid())
        # A word that can neither be said nor copied has no logarithm.
        return mixture.clamp(min=torch.finfo(wide).tiny).log()


def _real_only(gates: Tensor, mask: Tensor | None) -> Tensor:
    return gates if mask is None else gates.masked_fill(~mask[:, None], 0.0)


def example(config: ScratchpadConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random ids: seven in the source, five in the target."""
    return random_pairs(config.source_vocab_size, config.target_vocab_size, batch_size, seed)
