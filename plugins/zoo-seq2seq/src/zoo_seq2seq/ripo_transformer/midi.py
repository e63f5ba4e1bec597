"""Standard MIDI files: the melody of one, and one of a melody.

A file is a header and tracks of events, each after a number of ticks; a beat has as many ticks as the header says.
What is read is the highest note at every moment, in sixteenths; what is written is one track of one voice.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from zoo.errors import InputError
from zoo_seq2seq.ripo_transformer.intervals import BEAT, Note

TICKS, VELOCITY, DRUMS = 480, 80, 9
HEADER = b"MThd"
_LENGTHS = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}


def read_midi(content: bytes) -> list[Note]:
    """The melody of a file: at every moment the highest note, rests between, all rounded to sixteenths.

    Drums (channel 10) are left out, and so is the silence before the first note.

    Raises:
        InputError: no MIDI file, one that counts frames instead of beats, or one without a note.
    """
    if content[:4] != HEADER or len(content) < 14:
        raise InputError("this is no MIDI file: it does not begin with MThd")
    _, tracks, ticks = struct.unpack(">HHH", content[8:14])
    if ticks & 0x8000 or not ticks:
        raise InputError("this MIDI file counts frames, not beats; expected ticks per quarter note")
    step = ticks / BEAT
    sounding: dict[int, int] = {}
    try:
        for start, end, pitch in _notes(content, tracks):
            first = round(start / step)
            for place in range(first, max(round(end / step), first + 1)):
                sounding[place] = max(pitch, sounding.get(place, -1))
        onsets = {(round(start / step), pitch) for start, _, pitch in _notes(content, tracks)}
    except (IndexError, struct.error) as error:
        raise InputError("this MIDI file is cut off or broken") from error
    if not sounding:
        raise InputError("this MIDI file has no note")
    found: list[Note] = []
    for place in range(min(sounding), max(sounding) + 1):
        highest = sounding.get(place)
        if found and found[-1].pitch == highest and (place, highest) not in onsets:
            found[-1] = Note(highest, found[-1].beats + 1 / BEAT)
        else:
            found.append(Note(highest, 1 / BEAT))
    return found


def write_midi(notes: Sequence[Note], *, beats_per_minute: float = 90.0) -> bytes:
    """A file of one track, on a piano."""
    events = bytearray(b"\x00\xff\x51\x03" + struct.pack(">I", round(6e7 / beats_per_minute))[1:])
    waited = 0
    for note in notes:
        ticks = round(note.beats * TICKS)
        if note.pitch is None:
            waited += ticks
            continue
        events += _number(waited) + bytes((0x90, note.pitch, VELOCITY))
        events += _number(ticks) + bytes((0x80, note.pitch, 0))
        waited = 0
    events += _number(waited) + b"\xff\x2f\x00"
    return HEADER + struct.pack(">IHHH", 6, 0, 1, TICKS) + b"MTrk" + struct.pack(">I", len(events)) + bytes(events)


def _notes(content: bytes, tracks: int) -> Iterator[tuple[int, int, int]]:
    """Start and end in ticks, and pitch, of all notes but those of drums."""
    place = 8 + struct.unpack(">I", content[4:8])[0]
    for _ in range(tracks):
        length = struct.unpack(">I", content[place + 4 : place + 8])[0]
        if content[place : place + 4] == b"MTrk":
            yield from _of_track(content[place + 8 : place + 8 + length])
        place += 8 + length


def _of_track(data: bytes) -> Iterator[tuple[int, int, int]]:
    place, now, status = 0, 0, 0
    started: dict[tuple[int, int], int] = {}
    while place < len(data):
        waited, place = _read_number(data, place)
        now += waited
        if data[place] & 0x80:
            status = data[place]
            place += 1
        if status in (0xF0, 0xF7, 0xFF):
            place += status == 0xFF
            length, place = _read_number(data, place)
            place += length
            continue
        kind, channel = status & 0xF0, status & 0x0F
        first = data[place]
        second = data[place + 1] if _LENGTHS[kind] == 2 else 0
        place += _LENGTHS[kind]
        if kind not in (0x80, 0x90) or channel == DRUMS:
            continue
        begun = started.pop((channel, first), None)
        if begun is not None:
            yield begun, now, first
        if kind == 0x90 and second:
            started[channel, first] = now
    for (_, pitch), begun in started.items():
        yield begun, now, pitch


def _read_number(data: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the place behind it."""
    value = 0
    while True:
        value = value << 7 | data[place] & 0x7F
        place += 1
        if not data[place - 1] & 0x80:
            return value, place


def _number(value: int) -> bytes:
    found = [value & 0x7F]
    while value := value >> 7:
        found.append(value & 0x7F | 0x80)
    return bytes(reversed(found))
