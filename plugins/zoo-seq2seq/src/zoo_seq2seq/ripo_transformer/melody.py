"""Melodies as lists of notes: read, continued, written."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_seq2seq.ripo_transformer.config import RipoConfig
from zoo_seq2seq.ripo_transformer.intervals import BEAT, FIRST_PITCH, LONGEST, PADDING, REST, SUSTAIN
from zoo_seq2seq.ripo_transformer.network import PITCH_TOKENS, RipoTransformer

_NOTE = re.compile(r"(r|rest|\d+)(?::(\d+(?:\.\d+)?))?")


@dataclass(frozen=True)
class Note:
    """A note, or a rest.

    Args:
        pitch: MIDI number, 60 is the middle C; None for a rest.
        beats: quarter notes, in steps of a quarter of one.
    """

    pitch: int | None
    beats: float = 1.0

    def __str__(self) -> str:
        return f"{'rest' if self.pitch is None else self.pitch}:{self.beats:g}"


def notes_of(source: str | Sequence[Any]) -> list[Note]:
    """Notes of a text, "60:1 62:0.5 rest:0.5 64", or of a list of notes, MIDI numbers or (number or None, beats).

    Raises:
        InputError: what is no note.
    """
    if isinstance(source, str):
        found = []
        for word in source.replace(",", " ").split():
            read = _NOTE.fullmatch(word.lower())
            if read is None:
                raise InputError(f"{word!r} is no note; expected a MIDI number and beats, as in 60:1 or rest:0.5")
            found.append(Note(None if read[1].startswith("r") else int(read[1]), float(read[2] or 1)))
        return found
    return [_note(each) for each in source]


def _note(given: Any) -> Note:
    if isinstance(given, Note):
        return given
    if isinstance(given, int):
        return Note(given)
    if isinstance(given, Sequence) and len(given) == 2:
        return Note(given[0], float(given[1]))
    raise InputError(f"{given!r} is no note; expected a MIDI number, or (number or None, beats)")


def encoded(notes: Sequence[Note]) -> tuple[Tensor, Tensor]:
    """Tokens (1, L) of pitches and durations; what is longer than four beats goes on as sustain.

    Raises:
        InputError: no notes, a pitch outside 0..127, or a length that is no multiple of a quarter of a beat.
    """
    pitches, durations = [], []
    for note in notes:
        steps = round(note.beats * BEAT)
        if steps < 1 or abs(steps - note.beats * BEAT) > 1e-6:
            raise InputError(f"{note}: a length must be a multiple of {1 / BEAT:g} beats")
        if note.pitch is not None and not 0 <= note.pitch < PITCH_TOKENS - FIRST_PITCH:
            raise InputError(f"{note}: a pitch must be a MIDI number, 0 to 127")
        token = REST if note.pitch is None else note.pitch + FIRST_PITCH
        while steps:
            pitches.append(token)
            durations.append(min(steps, LONGEST))
            steps -= durations[-1]
            token = REST if note.pitch is None else SUSTAIN
    if not pitches:
        raise InputError("no notes; a melody needs one at least")
    return torch.tensor([pitches]), torch.tensor([durations])


def decoded(pitch_ids: Sequence[int], duration_ids: Sequence[int]) -> list[Note]:
    """Notes of tokens; sustain makes the note before it longer, padding is left out."""
    found: list[Note] = []
    for pitch, duration in zip(pitch_ids, duration_ids, strict=True):
        if pitch == PADDING or duration == PADDING:
            continue
        beats = duration / BEAT
        if pitch == SUSTAIN and found:
            found[-1] = Note(found[-1].pitch, found[-1].beats + beats)
        else:
            found.append(Note(pitch - FIRST_PITCH if pitch >= FIRST_PITCH else None, beats))
    return found


@torch.no_grad()
def continued(
    model: RipoTransformer, source: str | Sequence[Any], *, steps: int = 16, temperature: float = 1.0, seed: int = 0
) -> list[Note]:
    """A melody and what the model adds: both heads are sampled, token by token, never padding.

    Args:
        model: in eval mode.
        source: see ``notes_of``.
        steps: tokens added; fewer where ``max_length`` ends it.
        temperature: 0 takes the likeliest.
        seed: of the samples.

    Raises:
        InputError: see ``encoded``; a negative temperature.
    """
    if temperature < 0:
        raise InputError(f"temperature={temperature} must not be negative")
    generator = torch.Generator().manual_seed(seed)
    pitches, durations = encoded(notes_of(source))
    for _ in range(min(steps, model.config.max_length - pitches.shape[1])):
        found = model(pitches, durations)
        pitch = _drawn(found.pitch_logits[:, -1], temperature, generator)
        duration = _drawn(found.duration_logits[:, -1], temperature, generator)
        pitches, durations = torch.cat((pitches, pitch), 1), torch.cat((durations, duration), 1)
    return decoded(pitches[0].tolist(), durations[0].tolist())


def _drawn(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    logits = logits.float().clone()
    logits[:, PADDING] = -torch.inf
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)


def preprocess(config: RipoConfig) -> Callable[[Any], dict[str, Tensor]]:
    """From notes to tokens."""

    def prepared(source: Any) -> dict[str, Tensor]:
        pitches, durations = encoded(notes_of(source))
        return {"pitch_ids": pitches, "duration_ids": durations}

    return prepared


def predict(model: RipoTransformer, config: RipoConfig, source: Any) -> dict[str, Any]:
    """Sixteen tokens more of a melody such as "60:1 62:1 64:2"."""
    return {"melody": " ".join(map(str, continued(model, source)))}
