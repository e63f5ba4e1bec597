"""A task with one right alignment: say every symbol of a text in turn, and hold it for a step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR

from zoo.nn.descent import descend
from zoo_seq2seq.location_relative_attention.config import TacotronConfig
from zoo_seq2seq.location_relative_attention.network import Tacotron

SYMBOLS, MELS, STEPS_HELD, FRAMES_A_STEP = 12, 8, 1, 2
TRAINED_LENGTH = 20


def texts(count: int, length: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random texts (count, length) without a symbol twice in a row, and their frames (count, MELS, frames)."""
    moves = torch.randint(1, SYMBOLS, (count, length), generator=generator)
    ids = moves.cumsum(1) % SYMBOLS
    frames = sounds()[ids].repeat_interleave(STEPS_HELD * FRAMES_A_STEP, 1)
    return ids, frames.transpose(1, 2)


@cache
def sounds() -> Tensor:
    """The frame (SYMBOLS, MELS) that each symbol sounds like."""
    return torch.randn(SYMBOLS, MELS, generator=torch.Generator().manual_seed(7))


def config_of(attention: str) -> TacotronConfig:
    """A small Tacotron; the encoder's bank is narrow and nothing is dropped."""
    return TacotronConfig(
        num_symbols=SYMBOLS,
        embedding_dim=16,
        encoder_prenet_hidden=16,
        encoder_prenet_dim=16,
        encoder_prenet_dropout=0.0,
        bank_size=2,
        bank_channels=16,
        projection_channels=16,
        num_highways=1,
        highway_dim=16,
        encoder_rnn_dim=16,
        num_mels=MELS,
        prenet_hidden=32,
        prenet_dim=16,
        prenet_dropout=0.0,
        attention_rnn_dim=32,
        decoder_rnn_dim=32,
        reduction_factor=FRAMES_A_STEP,
        zoneout=0.0,
        attention=attention,
        attention_hidden=32,
    )


def learn(attention: str, *, steps: int = 200, batch: int = 16, rate: float = 5e-3, seed: int = 0) -> Tacotron:
    """A network that was taught texts of TRAINED_LENGTH symbols, by L1 on frames as the paper's are."""
    torch.manual_seed(seed)
    model = Tacotron(config_of(attention))
    generator = torch.Generator().manual_seed(seed)

    def loss_of(step: int) -> Tensor:
        ids, mels = texts(batch, TRAINED_LENGTH, generator)
        return functional.l1_loss(model(ids, mels).mels, mels)

    optimizer = torch.optim.Adam(model.parameters(), rate)
    falling = LambdaLR(optimizer, lambda step: 1 - step / steps)
    descend(model, range(steps), loss_of, optimizer, rates=falling, clip=1.0)
    return model


@dataclass(frozen=True)
class Holding:
    """How a network says texts.

    Args:
        distance: mean distance of the middle of the weights from the symbol that is said, in tokens.
        said: share of the frames that are nearest to the right symbol's.
    """

    distance: float
    said: float


def holding(model: Tacotron, length: int, count: int = 16) -> Holding:
    """Let a network say new texts of some length from its own frames."""
    ids, mels = texts(count, length, torch.Generator().manual_seed(99))
    found = model.generate(ids, max_length=mels.shape[-1], stop_threshold=float("inf"))
    weights = functional.normalize(found.alignments, p=1, dim=1)
    places = torch.arange(length, dtype=weights.dtype)
    middle = torch.einsum("t,btn->bn", places, weights)
    # A mixture that has left the text weighs nothing: it stands behind the last symbol.
    middle = torch.where(found.alignments.sum(1) > 1e-6, middle, float(length))
    wanted = places.repeat_interleave(STEPS_HELD)
    nearest = torch.cdist(found.mels.transpose(1, 2), sounds()).argmin(-1)
    right = nearest == ids.repeat_interleave(STEPS_HELD * FRAMES_A_STEP, 1)
    return Holding(float((middle - wanted).abs().mean()), float(right.float().mean()))
