"""Texts of words that one speaker recorded, as symbols and frames, and frames as sound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError
from zoo_seq2seq.edits import error_rate
from zoo_seq2seq.griffin_lim import sound_of
from zoo_seq2seq.location_relative_attention.network import Tacotron
from zoo_seq2seq.log_mel import Analysis, log_mel
from zoo_seq2seq.recordings import RATE, prompts, words_of

SYMBOLS = " abcdefghijklmnopqrstuvwxyz."
"""What ids 1, 2, ... stand for; 0 is padding. A text ends with its full stop."""
ANALYSIS = Analysis(num_mels=40, sample_rate=RATE, window=0.032, hop=0.0125, fft_size=512, floor=2.5e-3)
FRAMES_A_STEP = 8
# Some three minutes.
LONGEST_TEXT = 1_000
WORDS = words_of("en")[21:40]
"""Days and months, in order."""
LONGEST = 4
"""Words of the longest text that is taught: about three seconds."""
_SCALE, END = 4.0, 3.5
"""What log energies, from -6 to 8, are divided by; and what stands in all bands of an end, louder than any speech."""
STOP = 2.75
"""Between the loudest speech and an end."""


def sound(frames: Tensor) -> Tensor:
    """A sound (samples,) at 8 kHz, loudest sample 0.5, of frames (num_mels, frames), by Griffin-Lim."""
    if not frames.shape[1]:
        return frames.new_zeros(ANALYSIS.window_length)
    found = sound_of(frames.T * _SCALE, ANALYSIS)
    return found / (2 * found.abs().max().clamp(min=1e-9))


def symbols(text: str) -> list[int]:
    """Ids of a text: lower case, words between single spaces, one full stop at the end.

    Raises:
        InputError: no word, more than can be said at once, or a character that there is no symbol for.
    """
    if len(text) > LONGEST_TEXT:
        raise InputError(f"a text of {len(text):,} characters; give at most {LONGEST_TEXT:,} at a time")
    words = text.lower().replace(".", " ").split()
    unknown = sorted({character for word in words for character in word} - set(SYMBOLS))
    if not words or unknown:
        what = f"has {' '.join(unknown)}" if words else "has no word"
        raise InputError(f"text {text!r} {what}; expected words of the letters a to z, like 'seven november'")
    return [SYMBOLS.index(character) + 1 for character in " ".join(words) + "."]


@cache
def recorded() -> MappingProxyType[str, Tensor]:
    """English word to its frames (num_mels, whole steps)."""
    found = {}
    for word in WORDS:
        wave = prompts("allison")[word]
        frames = log_mel(wave, ANALYSIS).T / _SCALE
        found[word] = functional.pad(frames, (0, -frames.shape[1] % FRAMES_A_STEP), value=_silence())
    return MappingProxyType(found)


def _silence() -> float:
    return math.log(ANALYSIS.floor) / _SCALE


@dataclass(frozen=True, eq=False)
class Speech:
    """Spoken texts.

    Args:
        ids, mask: (batch, source) symbols and which are real.
        mels: (batch, num_mels, frames), each with a step of silence between words, and a step of ``END`` behind them.
        lengths: (batch,) frames.
        places: (batch, steps) of the symbol that is said, in symbols.
    """

    ids: Tensor
    mask: Tensor
    mels: Tensor
    lengths: Tensor
    places: Tensor


def joined(texts: Sequence[Sequence[str]]) -> Speech:
    """Recordings of texts, word after word.

    Raises:
        MissingDependency: the recordings are not installed.
        KeyError: a word that was not recorded.
    """
    words = recorded()
    gap = torch.full((ANALYSIS.num_mels, FRAMES_A_STEP), _silence())
    rows, frames, places = [], [], []
    for text in texts:
        parts, path, start = [], [], 0
        for word in text:
            steps = words[word].shape[1] // FRAMES_A_STEP
            parts += [words[word], gap]
            path += [start + (step + 0.5) * len(word) / steps - 0.5 for step in range(steps)] + [
                float(start + len(word))
            ]
            start += len(word) + 1
        parts[-1] = torch.full_like(gap, END)
        rows.append(torch.tensor(symbols(" ".join(text))))
        frames.append(torch.cat(parts, 1).T)
        places.append(torch.tensor(path))
    pad = torch.nn.utils.rnn.pad_sequence
    ids = pad(rows, batch_first=True)
    return Speech(
        ids,
        ids > 0,
        pad(frames, batch_first=True).transpose(1, 2),
        torch.tensor([len(each) for each in frames]),
        pad(places, batch_first=True),
    )


def random_texts(count: int, fewest: int, most: int, generator: torch.Generator) -> list[list[str]]:
    """Texts of so many words, drawn from ``WORDS``."""
    lengths = torch.randint(fewest, most + 1, (count,), generator=generator).tolist()
    return [
        [WORDS[index] for index in torch.randint(len(WORDS), (length,), generator=generator).tolist()]
        for length in lengths
    ]


@dataclass(frozen=True, eq=False)
class Spoken:
    """A text as a network says it.

    Args:
        text: with its full stop.
        mels: (num_mels, frames) up to its end.
        alignment: (symbols, steps) weights.
        ended: whether the network ended it, or was stopped.
    """

    text: str
    mels: Tensor
    alignment: Tensor
    ended: bool

    def words_attended(self) -> list[int]:
        """Numbers of the words that the attention rests on, one after another, each for at least two steps of which it
        weighs some letter of it most."""
        places = self.alignment.argmax(0).tolist() if self.alignment.shape[1] else []
        of_word, number = [], 0
        for character in self.text:
            number += character == " "
            of_word.append(-1 if character in " ." else number)
        found: list[int] = []
        words = [of_word[place] for place in places]
        for one, two in pairwise(words):
            if one == two != -1 and (not found or found[-1] != one):
                found.append(one)
        return found

    def attention_error(self) -> float:
        """Edits per word that turn the words that the attention rests on into those of the text, in order."""
        return error_rate([(self.words_attended(), list(range(len(self.text.split()))))])


def say(model: Tacotron, texts: Sequence[str], *, seconds_a_word: float = 1.2) -> list[Spoken]:
    """Let a network say texts from its own frames, all in one batch.

    Args:
        seconds_a_word: after which a text is stopped that does not end; the longest word takes 1.0.

    Raises:
        InputError: the network was made for other symbols or frames, or a text has none of its symbols.
    """
    config = model.config
    wanted = {"num_symbols": len(SYMBOLS) + 1, "num_mels": ANALYSIS.num_mels, "reduction_factor": FRAMES_A_STEP}
    other = [f"{name}={getattr(config, name)}" for name, value in wanted.items() if getattr(config, name) != value]
    if other:
        raise InputError(
            f"a network with {', '.join(other)} has no symbols here: take the preset 'words', which says "
            "English words, or give symbols of your own to the model"
        )
    rows = [torch.tensor(symbols(text)) for text in texts]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    most = max(len(text.split()) for text in texts)
    longest = int(most * seconds_a_word / ANALYSIS.hop)
    output = model.generate(ids, ids > 0, max_length=longest, stop_threshold=STOP)
    found = []
    for row, mels, weights in zip(rows, output.mels, output.alignments, strict=True):
        ends = (mels[:, FRAMES_A_STEP - 1 :: FRAMES_A_STEP] > STOP).all(0).nonzero().flatten()
        # The batch ends with the last of its texts, whose end is not given out.
        steps = int(ends[0]) if len(ends) else weights.shape[1]
        text = "".join(SYMBOLS[index - 1] for index in row.tolist())
        ended = bool(len(ends)) or mels.shape[1] < longest
        found.append(Spoken(text, mels[:, : steps * FRAMES_A_STEP], weights[: len(row), :steps], ended))
    return found
