"""A Tacotron: text to frames of a mel spectrogram, aligned by one of four attentions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_seq2seq import recurrent
from zoo_seq2seq.location_relative_attention.alignment import Alignment, Attention
from zoo_seq2seq.location_relative_attention.config import TacotronConfig
from zoo_seq2seq.location_relative_attention.content import ContentAttention
from zoo_seq2seq.location_relative_attention.convolution import DynamicConvolutionAttention
from zoo_seq2seq.location_relative_attention.encoder import Encoder, PreNet
from zoo_seq2seq.location_relative_attention.mixture import GMMAttention
from zoo_seq2seq.padding import put_back, real_first, require_ids


@dataclass(frozen=True, eq=False)
class TacotronOutput:
    """What the network gives back.

    Args:
        mels: (batch, num_mels, frames).
        alignments: (batch, source, steps), a step being ``reduction_factor`` frames; zero at padding.
        memory: (batch, source, memory_dim), tokens first where padding lay before them.
    """

    mels: Tensor
    alignments: Tensor
    memory: Tensor


@dataclass(frozen=True, eq=False)
class DecoderState:
    """Where a decoder is.

    Args:
        alignment: what the attention passes on.
        context: (batch, memory_dim) what was read last.
        hidden, cell: of the attention LSTM and the two above it, each (batch, cells).
    """

    alignment: Alignment
    context: Tensor
    hidden: tuple[Tensor, ...]
    cell: tuple[Tensor, ...]


def _attention(config: TacotronConfig) -> nn.Module:
    if config.attention == "dca":
        return DynamicConvolutionAttention(config.dca())
    if config.attention == "gmm":
        return GMMAttention(config.gmm())
    return ContentAttention(config, located=config.attention == "location-sensitive")


class Decoder(nn.Module):
    """One step: a frame and a state to the next ``reduction_factor`` frames."""

    attention: Attention

    def __init__(self, config: TacotronConfig) -> None:
        super().__init__()
        self.config = config
        query, dim, memory = config.attention_rnn_dim, config.decoder_rnn_dim, config.memory_dim
        self.prenet = PreNet(
            config.num_mels, config.prenet_hidden, config.prenet_dim, config.prenet_dropout, fixed=config.prenet_fixed
        )
        self.attention = _attention(config)  # type: ignore[assignment]
        self.attention_rnn = nn.LSTMCell(memory + config.prenet_dim, query)
        self.join = nn.Linear(memory + query, dim)
        self.rnns = nn.ModuleList(nn.LSTMCell(dim, dim) for _ in range(2))
        self.output = nn.Linear(dim, config.num_mels * config.reduction_factor, bias=False)

    def first(self, memory: Tensor, mask: Tensor | None) -> DecoderState:
        """Zeros, and the attention at the first token."""
        widths = (self.config.attention_rnn_dim, self.config.decoder_rnn_dim, self.config.decoder_rnn_dim)
        zeros = tuple(memory.new_zeros(memory.shape[0], width) for width in widths)
        return DecoderState(self.attention.first(memory, mask), torch.zeros_like(memory[:, 0]), zeros, zeros)

    def forward(self, frame: Tensor, memory: Tensor, last: DecoderState) -> tuple[Tensor, DecoderState]:
        """A step.

        Args:
            frame: (batch, num_mels), the one before; zeros at first.
            memory: (batch, source, memory_dim).
            last: the state before.

        Returns:
            Frames (batch, num_mels, reduction_factor) and the state after.
        """
        joined, state = self.attend(self.prenet(frame), memory, last)
        hidden, cells, x = [state.hidden[0]], [state.cell[0]], joined
        for rnn, h, c in zip(self.rnns, last.hidden[1:], last.cell[1:], strict=True):
            new, cell = rnn(x, (h, c))
            hidden.append(self._zoneout(new, h))
            cells.append(cell)
            x = x + hidden[-1]
        return self.frames(x), replace(state, hidden=tuple(hidden), cell=tuple(cells))

    def attend(self, fed: Tensor, memory: Tensor, last: DecoderState) -> tuple[Tensor, DecoderState]:
        """The part of a step that the next one's attention depends on.

        Args:
            fed: (batch, prenet_dim) the pre-net's output.
            memory, last: see ``forward``.

        Returns:
            What the LSTMs above read (batch, decoder_rnn_dim), and the state, theirs as it was.
        """
        query, cell = self.attention_rnn(torch.cat((last.context, fed), -1), (last.hidden[0], last.cell[0]))
        query = self._zoneout(query, last.hidden[0])
        alignment = self.attention.step(query, last.alignment)
        context = torch.einsum("bt,btd->bd", alignment.weights, memory)
        state = DecoderState(alignment, context, (query, *last.hidden[1:]), (cell, *last.cell[1:]))
        return self.join(torch.cat((context, query), -1)), state

    def above(self, x: Tensor, last: DecoderState) -> Tensor:
        """The LSTMs above the attention over all steps (batch, steps, decoder_rnn_dim), one after the other."""
        for rnn, h, c in zip(self.rnns, last.hidden[1:], last.cell[1:], strict=True):
            if self.training and self.config.zoneout:
                steps = []
                for each in x.unbind(1):
                    new, c = rnn(each, (h, c))
                    h = self._zoneout(new, h)
                    steps.append(h)
                x = x + torch.stack(steps, 1)
            else:
                x = x + recurrent.cell_over_steps(rnn, x, (h, c))  # type: ignore[arg-type]
        return x

    def frames(self, x: Tensor) -> Tensor:
        """Features (..., decoder_rnn_dim) to frames (..., num_mels, reduction_factor)."""
        return self.output(x).unflatten(-1, (self.config.num_mels, -1))

    def _zoneout(self, new: Tensor, old: Tensor) -> Tensor:
        if not self.training or not self.config.zoneout:
            return new
        return torch.where(torch.rand_like(new) < self.config.zoneout, old, new)


class Tacotron(nn.Module):
    """Symbols and the frames so far to the frames after them."""

    def __init__(self, config: TacotronConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def forward(self, input_ids: Tensor, mels: Tensor, mask: Tensor | None = None) -> TacotronOutput:
        """Teacher forcing.

        Args:
            input_ids: (batch, source).
            mels: (batch, num_mels, frames), log-mel; step t > 0 is fed frame ``reduction_factor * t - 1`` of them.
            mask: boolean (batch, source), True for symbols of the text.

        Returns:
            As many frames, rounded up to whole steps.

        Raises:
            InputError: ids that there are not, or tensors of another shape.
            MaskError: a mask of another shape or type.
        """
        config = self.config
        if mels.ndim != 3 or mels.shape[0] != input_ids.shape[0] or mels.shape[1] != config.num_mels:
            raise InputError(
                f"mels of shape {tuple(mels.shape)}; expected ({input_ids.shape[0]}, {config.num_mels}, frames)"
            )
        memory, mask, order = self._encode(input_ids, mask)
        state = self.decoder.first(memory, mask)
        # What is fed is known beforehand, and so the layers before and after the recurrence take all steps at once.
        before = functional.pad(mels, (1, 0))[..., : mels.shape[-1] : config.reduction_factor]
        first, features, weights = state, [], []
        for fed in self.decoder.prenet(before.transpose(1, 2)).unbind(1):
            x, state = self.decoder.attend(fed, memory, state)
            features.append(x)
            weights.append(state.alignment.weights)
        pieces: list[Tensor] = []
        if features:
            pieces = list(self.decoder.frames(self.decoder.above(torch.stack(features, 1), first)).unbind(1))
        return _output(pieces, weights, memory, order, config)

    @torch.no_grad()
    def generate(
        self, input_ids: Tensor, mask: Tensor | None = None, *, max_length: int = 10_000, stop_threshold: float = -0.2
    ) -> TacotronOutput:
        """Frames from the network's own last ones.

        Args:
            input_ids: (batch, source).
            mask: boolean (batch, source), True for symbols of the text.
            max_length: frames, rounded up to whole steps.
            stop_threshold: a text ends where every band of a step's last frame is above it; that step is not given
                out. A batch goes on until each of its texts has ended.

        Raises:
            InputError: ids that there are not.
            MaskError: a mask of another shape or type.
        """
        memory, mask, order = self._encode(input_ids, mask)
        state = self.decoder.first(memory, mask)
        frame = memory.new_zeros(memory.shape[0], self.config.num_mels)
        ended = torch.zeros(memory.shape[0], dtype=torch.bool, device=memory.device)
        pieces, weights = [], []
        for _ in range(0, max_length, self.config.reduction_factor):
            frames, state = self.decoder(frame, memory, state)
            frame = frames[..., -1]
            ended = ended | (frame > stop_threshold).all(-1)
            if bool(ended.all()):
                break
            pieces.append(frames)
            weights.append(state.alignment.weights)
        return _output(pieces, weights, memory, order, self.config)

    def _encode(self, ids: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None, Tensor | None]:
        require_ids(ids, self.config.num_symbols, "input_ids")
        if not ids.shape[1]:
            raise InputError("input_ids has no symbol; a text has at least one")
        moved, mask, order = real_first(ids, mask)
        return self.encoder(moved, mask), mask, order


def _output(
    pieces: list[Tensor], weights: list[Tensor], memory: Tensor, order: Tensor | None, config: TacotronConfig
) -> TacotronOutput:
    if not pieces:
        nothing = memory.new_zeros(memory.shape[0], 0)
        return TacotronOutput(
            nothing[:, None].expand(-1, config.num_mels, -1), nothing[:, None].expand(-1, memory.shape[1], -1), memory
        )
    alignments = put_back(torch.stack(weights, 1), order).transpose(1, 2)
    return TacotronOutput(torch.cat(pieces, -1), alignments, memory)


def example(config: TacotronConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Eleven symbols and four steps of frames."""
    generator = torch.Generator().manual_seed(seed)
    frames = 4 * config.reduction_factor
    return {
        "input_ids": torch.randint(config.num_symbols, (batch_size, 11), generator=generator),
        "mels": torch.randn(batch_size, config.num_mels, frames, generator=generator),
    }
