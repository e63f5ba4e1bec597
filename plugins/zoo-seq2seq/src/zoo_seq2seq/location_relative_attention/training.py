"""Training on words of one speaker, joined to texts of one to four."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from zoo.nn.descent import descend
from zoo_seq2seq.location_relative_attention.config import TacotronConfig
from zoo_seq2seq.location_relative_attention.network import Tacotron
from zoo_seq2seq.location_relative_attention.speaking import (
    FRAMES_A_STEP,
    LONGEST,
    Speech,
    joined,
    random_texts,
    say,
    sound,
)
from zoo_seq2seq.recordings import RATE as RATE_OF_SOUND
from zoo_seq2seq.recordings import wav_bytes

STEPS, BATCH, RATE = 1500, 32, 4e-3


def guide(alignments: Tensor, speech: Speech, reach: float = 3.0) -> Tensor:
    """Mean weight (a scalar) that lies away from the symbol that is said: a guide for attention that finds none.

    Weights count 1 - exp(-d^2 / (2 reach^2)), d their distance in symbols: the guided attention of Tachibana et al.
    2018 (arXiv 1710.08969), about the known place in the stead of the diagonal.
    """
    tokens = torch.arange(alignments.shape[1])
    distance = tokens[:, None] - speech.places[:, None]
    real = torch.arange(alignments.shape[2]) * FRAMES_A_STEP < speech.lengths[:, None]
    away = 1 - torch.exp(-(distance**2) / (2 * reach**2))
    return ((alignments * away).sum(1) * real).sum() / real.sum()


def fit(model: Tacotron, *, steps: int, seed: int, log: Callable[[str], object] = lambda line: None) -> None:
    """Teach by L1 on frames, as the paper does, with Adam; then eval mode.

    For the first two thirds ``guide`` is added, with a weight that falls from 1 to 0.
    """
    generator = torch.Generator().manual_seed(seed)

    def loss_of(step: int) -> Tensor:
        # Short texts first: words before their order.
        most = min(LONGEST, 1 + step * 2 * LONGEST // steps)
        speech = joined(random_texts(BATCH, 1, most, generator))
        output = model(speech.ids, speech.mels, speech.mask)
        real = torch.arange(speech.mels.shape[2]) < speech.lengths[:, None]
        loss = ((output.mels - speech.mels).abs().mean(1) * real).sum() / real.sum()
        return loss + max(0.0, 1 - 1.5 * step / steps) * guide(output.alignments, speech)

    def rate(step: int) -> float:
        return RATE * min(1.0, (step + 1) / 50) * (1 - step / steps)

    optimizer = torch.optim.Adam(model.parameters(), 1.0)
    descend(model, range(steps), loss_of, optimizer, rates=LambdaLR(optimizer, rate), clip=1.0, log=log)


def attention_error(model: Tacotron, words: int, *, count: int = 20, seed: int = 99) -> float:
    """Edits per word of ``Spoken.words_attended``, over random texts of so many words that the network says alone."""
    texts = random_texts(count, words, words, torch.Generator().manual_seed(seed))
    return sum(each.attention_error() for each in say(model, [" ".join(text) for text in texts])) / count


def train(
    config: TacotronConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn to say English days and months as Allison Smith recorded them; a minute or two on one core.

    Returns:
        The network, and the words that its attention gets wrong in texts of the longest length that was taught, five
        times as long, and ten times.

    Raises:
        InputError: another number of symbols, bands or frames per step than these words have.
        MissingDependency: asterisk-core-sounds-en-wav is not installed.
    """
    torch.manual_seed(seed)
    model = Tacotron(config)
    say(model.eval(), ["one"], seconds_a_word=0.1)
    fit(model, steps=STEPS, seed=seed, log=log)
    return model, {
        f"attention's errors at {words} words": round(attention_error(model, words), 3)
        for words in (LONGEST, 5 * LONGEST, 10 * LONGEST)
    }


def predict(model: Tacotron, config: TacotronConfig, source: str) -> dict[str, Any]:
    """Say a text of English days and months: a WAV file (Griffin-Lim), and the spectrogram above the alignment."""
    from PIL import Image

    from zoo_seq2seq.location_relative_attention.pictures import draw_spoken

    spoken = say(model, [source])[0]
    wave = sound(spoken.mels)
    drawn = io.BytesIO()
    draw_spoken(spoken).savefig(drawn, format="png", dpi=100)
    return {
        "text": spoken.text,
        "seconds": round(len(wave) / RATE_OF_SOUND, 2),
        "ended": spoken.ended,
        "sound": (".wav", wav_bytes(wave, RATE_OF_SOUND)),
        "alignment": Image.open(drawn),
    }
