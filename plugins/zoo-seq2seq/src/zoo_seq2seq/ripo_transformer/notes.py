"""Melodies as lists of notes: read from text, lists and MIDI files, and as tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError, shown
from zoo.places import to_read
from zoo_seq2seq.ripo_transformer.intervals import (
    BEAT,
    FIRST_PITCH,
    LONGEST,
    PADDING,
    PITCH_TOKENS,
    REST,
    SUSTAIN,
    Note,
)
from zoo_seq2seq.ripo_transformer.midi import read_midi

# A day of music at 70 beats a minute.
MOST_BEATS = 100_000

_NOTE = re.compile(r"(?:(r|rest)|(\d+)|([a-g])([#b]?)(-?\d))(?::(\d+(?:\.\d+)?))?")
_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_FILES = (".mid", ".midi")
_FORM = "expected a MIDI number or a name, and beats, as in 60:1, C4:1 or rest:0.5"


def notes_of(source: str | bytes | Path | Sequence[Any]) -> list[Note]:
    """Notes of what a user has.

    Args:
        source: a text, "60:1 62:0.5 rest:0.5 C4 F#5:2"; a MIDI file, its path or its bytes; or a list of notes, MIDI
            numbers or (number or None, beats).

    Raises:
        InputError: what is no note, no MIDI file, or no file.
    """
    if isinstance(source, bytes):
        return read_midi(source)
    if isinstance(source, Path) or (isinstance(source, str) and source.lower().endswith(_FILES)):
        try:
            return read_midi(to_read(source).read_bytes())
        except OSError as error:
            raise InputError(f"{str(source)!r} cannot be read: {error.strerror}") from error
    if isinstance(source, str):
        return [_read(word) for word in source.replace(",", " ").split()]
    return [_note(each) for each in source]


def _read(word: str) -> Note:
    read = _NOTE.fullmatch(word.lower())
    if read is None:
        raise InputError(f"{word!r} is no note; {_FORM}")
    rest, number, letter, accidental, octave, beats = read.groups()
    pitch: int | None = None
    if len(number or "") > 3:
        raise InputError(f"{shown(word)}: a pitch must be a MIDI number, 0 to 127")
    if number:
        pitch = int(number)
    elif not rest:
        pitch = 12 * (int(octave) + 1) + _STEPS[letter] + {"": 0, "#": 1, "b": -1}[accidental]
    return Note(pitch, float(beats or 1))


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
        if note.beats > MOST_BEATS:
            raise InputError(f"{note}: a length must be {MOST_BEATS:,} beats or fewer")
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
