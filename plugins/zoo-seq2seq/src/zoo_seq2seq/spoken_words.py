"""Utterances of a few words in one language or two, joined of recordings of single words, for small recognisers.

::

    task = SpokenWords(("fr", "it"), ANALYSIS)
    batch = task.utterances(32, task.taught(), torch.Generator().manual_seed(0))
    batch.features, batch.lengths, batch.labels        # (32, T, 40), (32,), (32, U) ids from 4 on, 0 at the end

Taught are one real reader per language and voices of espeak-ng, the synthesiser, each at several speeds; recognised is
another real reader, of whom nothing was heard (``HELD_OUT``).
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError, MissingDependency
from zoo_seq2seq.decoding import PAD
from zoo_seq2seq.log_mel import Analysis, log_mel, utterance_normalised
from zoo_seq2seq.recordings import RATE, prompts, read_wav, resampled, trimmed, words_of

TAUGHT = {"fr": "june", "it": "carlo"}
HELD_OUT = {"fr": "armelle", "it": "paola"}
VARIANTS = ("", "f1", "f2", "f4", "m1", "m3", "m5", "m7")
"""Of espeak-ng's voices: its own, women and men."""
OTHER_VARIANTS = ("f3", "f5", "m2", "m6")
"""Those that are recognised, but not taught."""
SPEEDS = ((5, 6), (10, 11), (1, 1), (11, 10), (6, 5))
"""Speed and pitch, by which recordings are taught; the last makes a woman's voice of a man's."""
FIRST = 4
"""The first id of a word."""
_GAP = (2, 12)
"""Frames of silence between words."""

Voice = Mapping[str, Sequence[Tensor]]
"""Word to its log-mel frames (frames, mel), as often as it was recorded."""


@dataclass(frozen=True, eq=False)
class Utterances:
    """Spoken words.

    Args:
        features: (batch, frames, mel), every filter normalised over the utterance, zero behind it.
        lengths: (batch,) frames.
        labels: (batch, most words) ids, 0 behind the last.
    """

    features: Tensor
    lengths: Tensor
    labels: Tensor


class SpokenWords:
    """The words of languages, as ids, texts and utterances.

    Args:
        languages: of which utterances are made; those of the first have the lowest ids.
        analysis: of features.
        most: words of the longest utterance.
        count: of each language's words the first so many, from nought on; all by default.

    Raises:
        InputError: features of another sample rate than the recordings'.
    """

    def __init__(self, languages: Sequence[str], analysis: Analysis, most: int = 3, count: int | None = None) -> None:
        if analysis.sample_rate != RATE:
            raise InputError(f"features of {analysis.sample_rate} Hz; the recordings have {RATE}")
        self.languages, self.analysis, self.most = tuple(languages), analysis, most
        self.words: list[str] = []
        self.ids: dict[str, dict[str, int]] = {}
        # A word that two languages write alike is two words.
        for language in languages:
            own = words_of(language)[:count]
            self.ids[language] = {word: FIRST + len(self.words) + place for place, word in enumerate(own)}
            self.words += own

    @property
    def vocab_size(self) -> int:
        """Words and four marks."""
        return FIRST + len(self.words)

    def text(self, ids: Sequence[int]) -> str:
        """Words of ids; marks are left out."""
        return " ".join(self.words[index - FIRST] for index in ids if index >= FIRST)

    def frames(self, sound: Tensor) -> Tensor:
        """Log-mel frames (frames, mel) of a sound (samples,) at 8 kHz, made as loud as all others."""
        return log_mel(trimmed(sound), self.analysis)

    def taught(self) -> dict[str, list[Voice]]:
        """Language to its voices: a reader and espeak-ng's, at all speeds.

        Raises:
            MissingDependency: recordings, or espeak-ng, are not installed.
        """
        found: dict[str, list[Voice]] = {}
        for language in self.languages:
            readings = [prompts(TAUGHT[language]), *(synthesised(language, variant) for variant in VARIANTS)]
            reader, *synthetic = [self._at_all_speeds(each) for each in readings]
            # The reader is heard as often as all synthetic voices together.
            found[language] = [reader] * len(synthetic) + synthetic
        return found

    def _at_all_speeds(self, sounds: Mapping[str, Tensor]) -> Voice:
        return {
            word: [self.frames(resampled(sound, fast, slow)) for fast, slow in SPEEDS]
            for word, sound in sounds.items()
            if word in self.words
        }

    def held_out(self) -> dict[str, list[Voice]]:
        """Language to one voice: another real reader.

        Raises:
            MissingDependency: the recordings are not installed.
        """
        return {language: [self._as_it_is(prompts(HELD_OUT[language]))] for language in self.languages}

    def other_synthetic(self) -> dict[str, list[Voice]]:
        """Language to voices of espeak-ng that are not taught."""
        return {
            language: [self._as_it_is(synthesised(language, variant)) for variant in OTHER_VARIANTS]
            for language in self.languages
        }

    def _as_it_is(self, sounds: Mapping[str, Tensor]) -> Voice:
        return {word: [self.frames(sound)] for word, sound in sounds.items()}

    def utterances(
        self,
        count: int,
        voices: Mapping[str, Sequence[Voice]],
        generator: torch.Generator,
        *,
        most: int | None = None,
        varied: bool = False,
        warp: float = 0.0,
        slowest: float = 1.25,
    ) -> Utterances:
        """Random utterances, each word in a language of its own, by one voice of it.

        Args:
            most: words of the longest; the task's by default.
            varied: as in training: words faster by a quarter at most or slower at the same pitch, up to seven filters
                silent, and noise on log energies.
            slowest: how many times as long as recorded a word is at most, where they are varied.
            warp: as of longer and shorter throats: how far the filters of an utterance are moved up or down at most, as
                a share of their number from the lowest.
        """

        def draw(size: int) -> int:
            return int(torch.randint(size, (1,), generator=generator))

        rows, labels = [], []
        for _ in range(count):
            chosen = {language: voices[language][draw(len(voices[language]))] for language in self.languages}
            parts: list[Tensor] = [self._silence(_GAP[0] + draw(_GAP[1] - _GAP[0]))]
            ids = []
            for _ in range(1 + draw(most or self.most)):
                language = self.languages[draw(len(self.languages))]
                word = list(self.ids[language])[draw(len(self.ids[language]))]
                ways = chosen[language][word]
                frames = ways[draw(len(ways))]
                frames = _stretched(frames, 0.75 + draw(round(100 * (slowest - 0.75)) + 1) / 100) if varied else frames
                parts += [frames, self._silence(_GAP[0] + draw(_GAP[1] - _GAP[0]))]
                ids.append(self.ids[language][word])
            joined = torch.cat(parts)
            if warp:
                joined = _warped(joined, 1 + warp * (draw(201) - 100) / 100)
            if varied:
                joined = joined + 0.5 * torch.randn(joined.shape, generator=generator)
            features = utterance_normalised(joined)
            if varied:
                low = draw(self.analysis.num_mels)
                features[:, low : low + draw(8)] = 0.0
            rows.append(features)
            labels.append(torch.tensor(ids))
        pad = torch.nn.utils.rnn.pad_sequence
        lengths = torch.tensor([len(row) for row in rows])
        return Utterances(pad(rows, batch_first=True), lengths, pad(labels, batch_first=True, padding_value=PAD))

    def _silence(self, frames: int) -> Tensor:
        return torch.full((frames, self.analysis.num_mels), self.analysis.floor).log()

    def features(self, path: str | Path) -> Tensor:
        """Features (1, frames, mel) of a WAV file, as those that are taught: silence at both ends cut to six frames.

        Raises:
            InputError: no WAV file that could be read, or one of silence.
        """
        silence = self._silence(sum(_GAP) // 2)
        return utterance_normalised(torch.cat((silence, self.frames(read_wav(path, RATE)), silence)))[None]


def _stretched(frames: Tensor, factor: float) -> Tensor:
    """Frames (frames, mel) in another number of frames."""
    size = max(round(len(frames) * factor), 1)
    return functional.interpolate(frames.T[None], size, mode="linear", align_corners=False)[0].T


def _warped(frames: Tensor, factor: float) -> Tensor:
    """Frames (frames, mel) in which filter m hears what m times a factor did, or the last one."""
    places = (torch.arange(frames.shape[1]) * factor).clamp(max=frames.shape[1] - 1)
    below = places.long()
    above = (below + 1).clamp(max=frames.shape[1] - 1)
    return torch.lerp(frames[:, below], frames[:, above], places - below)


def synthesised(language: str, variant: str) -> dict[str, Tensor]:
    """Words of a language by a voice of espeak-ng, (samples,) at 8 kHz.

    Raises:
        MissingDependency: espeak-ng is not installed.
        InputError: it has no such voice.
    """
    if which("espeak-ng") is None:
        raise MissingDependency("synthetic voices need espeak-ng. Run: apt-get install espeak-ng")
    voice = f"{language}+{variant}" if variant else language
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for word in words_of(language):
            path = Path(folder) / "word.wav"
            done = subprocess.run(["espeak-ng", "-v", voice, "-w", str(path), word], capture_output=True, check=False)
            if done.returncode or not path.exists():
                raise InputError(f"espeak-ng has no voice {voice!r}: {done.stderr.decode(errors='replace').strip()}")
            found[word] = trimmed(read_wav(path, RATE))
            path.unlink()
    return found
