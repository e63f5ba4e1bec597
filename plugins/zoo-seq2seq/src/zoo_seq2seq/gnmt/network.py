"""The translation network of GNMT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.nn.masks import masked_softmax
from zoo_seq2seq.additive_attention import AdditiveAttention
from zoo_seq2seq.decoding import Memory, Step, TranslationOutput, random_pairs
from zoo_seq2seq.gnmt.config import GNMTConfig
from zoo_seq2seq.gnmt.layers import Pair, run_backwards, run_layer
from zoo_seq2seq.padding import put_back, real_first, require_ids
from zoo_seq2seq.recurrent import LSTM


@dataclass(frozen=True, eq=False)
class GNMTState:
    """Where a decoder is: hidden and cell (batch, layers, dim)."""

    hidden: Tensor
    cell: Tensor


class GNMTEncoder(nn.Module):
    """Word pieces to states: one bidirectional layer, then layers that add their input from the third on."""

    def __init__(self, config: GNMTConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.embedding = nn.Embedding(config.vocab_size, dim)
        self.forwards, self.backwards = LSTM(dim, dim), LSTM(dim, dim)
        self.layers = nn.ModuleList(LSTM(dim if layer else 2 * dim, dim) for layer in range(config.num_layers - 1))
        self.drop = nn.Dropout(config.dropout)

    def forward(self, ids: Tensor, mask: Tensor | None) -> tuple[Tensor, list[Pair]]:
        """States (batch, source, dim), and every layer's last hidden and cell, the first one's read backwards.

        Args:
            ids: (batch, source), real ones first.
            mask: boolean (batch, source); the layers above the first run over padding, which is never read.
        """
        clip = self.config.clip_state
        # Only a decoder that starts from them needs the states at the ends of shorter sequences.
        ends = mask if self.config.first_state == "encoder" else None
        x = self.drop(self.embedding(ids))
        ahead, _ = run_layer(self.forwards, x, ends, None, clip)
        back, last = run_backwards(self.backwards, x, mask, clip)
        x = torch.cat((ahead, back), -1)
        if mask is not None:
            x = x.masked_fill(~mask[..., None], 0.0)
        lasts = [last]
        for index, layer in enumerate(self.layers):
            new, last = run_layer(layer, self.drop(x), ends, None, clip)  # type: ignore[arg-type]
            x = new + x if index and self.config.residual else new
            if clip is not None:
                x = x.clamp(-clip, clip)
            lasts.append(last)
        return x, lasts


class GNMTDecoder(nn.Module):
    """Target pieces and a memory to logits; attention is asked by the bottom layer alone."""

    def __init__(self, config: GNMTConfig, embedding: nn.Embedding) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.embedding = embedding
        self.attention = AdditiveAttention(dim, dim, dim, normalized=config.normalized)
        self.bottom = LSTM(2 * dim if config.variant == "v1" else dim, dim)
        self.layers = nn.ModuleList(LSTM(2 * dim, dim) for _ in range(config.num_layers - 1))
        self.classifier = nn.Linear(dim, config.vocab_size)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, ids: Tensor, memory: Memory, state: GNMTState) -> tuple[Tensor, Tensor, GNMTState]:
        """Logits (batch, targets, vocabulary), weights (batch, targets, source) and the state after the last target."""
        config, clip = self.config, self.config.clip_state
        pairs = list(zip(state.hidden.unbind(1), state.cell.unbind(1), strict=True))
        embedded = self.embedding(ids)
        read = self._bottom_v1 if config.variant == "v1" else self._bottom_v2
        x, context, weights, pairs[0] = read(embedded, memory, pairs[0])
        for index, layer in enumerate(self.layers):
            fed = self.drop(torch.cat((x, context), -1))
            new, pairs[index + 1] = run_layer(layer, fed, None, pairs[index + 1], clip)  # type: ignore[arg-type]
            x = new + x if index and config.residual else new
            if clip is not None:
                x = x.clamp(-clip, clip)
        logits = self.classifier(x)
        if config.clip_logits is not None:
            logits = logits.clamp(-config.clip_logits, config.clip_logits)
        hidden, cell = (torch.stack(each, 1) for each in zip(*pairs, strict=True))
        return logits, weights, GNMTState(hidden, cell)

    def _bottom_v2(self, x: Tensor, memory: Memory, pair: Pair) -> tuple[Tensor, Tensor, Tensor, Pair]:
        """All targets at once: the bottom layer needs no context."""
        y, pair = run_layer(self.bottom, self.drop(x), None, pair, self.config.clip_state)
        context, weights = self._read(y, memory)
        return y, context, weights, pair

    def _bottom_v1(self, x: Tensor, memory: Memory, pair: Pair) -> tuple[Tensor, Tensor, Tensor, Pair]:
        """Step by step: the context that the bottom layer reads comes of its last output, which is its hidden state."""
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        for token in x.unbind(1):
            context, weights = self._read(pair[0][:, None], memory)
            fed = self.drop(torch.cat((token[:, None], context), -1))
            y, pair = run_layer(self.bottom, fed, None, pair, self.config.clip_state)
            found.append((y, context, weights))
        y, context, weights = (torch.cat(each, 1) for each in zip(*found, strict=True))
        return y, context, weights, pair

    def _read(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Context (batch, targets, dim) and weights (batch, targets, source)."""
        assert memory.keys is not None
        if self.config.attention == "last":
            weights = memory.one_place()[:, None].expand(-1, query.shape[1], -1)
        else:
            mask = None if memory.mask is None else memory.mask[:, None]
            weights = masked_softmax(self.attention(query, memory.keys), mask)
        return weights @ memory.states.to(weights.dtype), weights


class GNMT(nn.Module):
    """Source and target pieces to logits of the next target piece."""

    def __init__(self, config: GNMTConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = GNMTEncoder(config)
        shared = self.encoder.embedding if config.share_embedding else nn.Embedding(config.vocab_size, config.dim)
        self.decoder = GNMTDecoder(config, shared)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform within ``init_range``, but for attention's own scale and bias."""
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -self.config.init_range, self.config.init_range)
        self.decoder.attention.reset_parameters()

    def forward(self, source_ids: Tensor, target_ids: Tensor, source_mask: Tensor | None = None) -> TranslationOutput:
        """Teacher forcing.

        Args:
            source_ids: (batch, source).
            target_ids: (batch, targets), fed as they are: the start mark first.
            source_mask: boolean (batch, source), True for pieces.

        Raises:
            InputError: ids that the vocabulary does not have, or another shape.
            MaskError: a mask of another shape or type.
        """
        require_ids(target_ids, self.config.vocab_size, "target_ids")
        memory, state = self.encode(source_ids, source_mask)
        logits, weights, _ = self.decoder(target_ids, memory, state)
        return TranslationOutput(logits, put_back(weights, memory.order))

    def encode(self, source_ids: Tensor, source_mask: Tensor | None = None) -> tuple[Memory, GNMTState]:
        """Memory, and the decoder's first state."""
        require_ids(source_ids, self.config.vocab_size, "source_ids")
        ids, mask, order = real_first(source_ids, source_mask)
        states, lasts = self.encoder(ids, mask)
        hidden, cell = (torch.stack(each, 1) for each in zip(*lasts, strict=True))
        if self.config.first_state == "zero":
            hidden, cell = torch.zeros_like(hidden), torch.zeros_like(cell)
        return Memory(states, mask, order, self.decoder.attention.key(states)), GNMTState(hidden, cell)

    def step(self, tokens: Tensor, memory: Memory, state: GNMTState) -> Step:
        """One step from the last pieces (batch,)."""
        logits, weights, state = self.decoder(tokens[:, None], memory, state)
        return Step(logits[:, 0], weights[:, 0], state)


def example(config: GNMTConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random ids: seven in the source, five in the target."""
    return random_pairs(config.vocab_size, config.vocab_size, batch_size, seed)


def predict(model: GNMT, config: GNMTConfig, source: str) -> dict[str, Any]:
    """Translate a Greek sentence to English by the paper's search, a beam of 8 wide; the picture is the attention."""
    from zoo_seq2seq import bible
    from zoo_seq2seq.gnmt.config import BeamSearchConfig

    return bible.predict(model, config, source, BeamSearchConfig(beam_size=8).options())
