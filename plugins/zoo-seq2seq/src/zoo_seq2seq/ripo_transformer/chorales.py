"""Melodies of Bach's chorales: the upper voice of the scores that the package ``music21`` holds.

A tune stands in several chorales, in several keys and with other passing notes. A tenth of the tunes is held out, not
of the chorales: those that share a quarter of their runs of eight intervals are of one tune.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import torch
from torch import Tensor

from zoo.targets import missing_dependency
from zoo_seq2seq.ripo_transformer.intervals import BEAT, PADDING, Note
from zoo_seq2seq.ripo_transformer.notes import encoded

Split = Literal["train", "held-out"]
LONGEST = 128
"""Tokens of a melody that is trained on."""
_NOTES = range(16, 200)
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_RUN, _SHARED = 8, 0.25


@cache
def melodies(split: Split) -> dict[str, tuple[Note, ...]]:
    """Melodies by the name of their chorale ("bwv66.6"), of 16 to 199 notes.

    Args:
        split: nine tunes of ten ("train"), or the tenth ("held-out").

    Raises:
        MissingDependency: ``music21`` is not installed; its files are read, it is not imported.
    """
    found = _all()
    tunes = list(dict.fromkeys(_tunes(found).values()))
    held = set(tunes[9::10])
    return {name: found[name] for name, tune in _tunes(found).items() if (tune in held) == (split == "held-out")}


@cache
def _all() -> dict[str, tuple[Note, ...]]:
    read = {path.stem: tuple(_upper_voice(path)) for path in sorted(_folder().glob("bwv*.mxl"))}
    return {name: notes for name, notes in read.items() if len(notes) in _NOTES}


def _tunes(found: dict[str, tuple[Note, ...]]) -> dict[str, str]:
    """For each chorale, the first one that shares its tune, directly or through others."""
    runs = {name: _runs(notes) for name, notes in found.items()}
    first: dict[str, str] = {}
    for name, own in runs.items():
        alike = {first[other] for other in first if len(own & runs[other]) > _SHARED * min(len(own), len(runs[other]))}
        tune = min(alike, default=name, key=list(runs).index) if alike else name
        first = {other: tune if of in alike else of for other, of in first.items()} | {name: tune}
    return first


def _runs(notes: tuple[Note, ...]) -> set[tuple[int, ...]]:
    """Runs of eight intervals."""
    pitches = [note.pitch for note in notes if note.pitch is not None]
    between = [later - earlier for earlier, later in pairwise(pitches)]
    return {tuple(between[place : place + _RUN]) for place in range(len(between) - _RUN + 1)}


def tokens(split: Split) -> tuple[Tensor, Tensor]:
    """Pitches and durations (melodies, 128), 0 behind; what is longer is cut."""
    pairs = [encoded(notes) for notes in melodies(split).values()]
    pitches, durations = (torch.full((len(pairs), LONGEST), PADDING) for _ in range(2))
    for row, (pitch, duration) in enumerate(pairs):
        length = min(pitch.shape[1], LONGEST)
        pitches[row, :length], durations[row, :length] = pitch[0, :length], duration[0, :length]
    used = int((pitches != PADDING).sum(1).max())
    return pitches[:, :used], durations[:, :used]


def _folder() -> Path:
    spec = find_spec("music21")
    if spec is None or not spec.submodule_search_locations:
        raise missing_dependency("music21", needed_by="the melodies of chorales")
    return Path(spec.submodule_search_locations[0]) / "corpus" / "bach"


def _upper_voice(path: Path) -> Iterator[Note]:
    """Notes of the part called "Soprano", or of the first one; lengths in sixteenths, tied notes as one."""
    with zipfile.ZipFile(path) as archive:
        name = next(each for each in archive.namelist() if each.endswith("xml") and "META-INF" not in each)
        score = ElementTree.fromstring(archive.read(name))
    parts = {part.get("id"): part.findtext("part-name") or "" for part in score.findall("part-list/score-part")}
    voices = score.findall("part")
    named = [part for part in voices if "soprano" in parts.get(part.get("id"), "").lower()]
    divisions, open_note = 1, None
    for element in (named or voices)[0].iterfind("measure/*"):
        divisions = int(element.findtext("divisions") or divisions)
        if element.tag != "note" or element.find("grace") is not None or element.find("chord") is not None:
            continue
        if (element.findtext("voice") or "1") != "1":
            continue
        beats = round(int(element.findtext("duration") or 0) / divisions * BEAT) / BEAT
        note = Note(_midi(element), beats)
        if beats <= 0:
            continue
        ties = {tie.get("type") for tie in element.findall("tie")}
        if open_note is not None and "stop" in ties and open_note.pitch == note.pitch:
            note = Note(note.pitch, open_note.beats + beats)
        elif open_note is not None:
            yield open_note
        open_note = note
        if "start" not in ties:
            yield note
            open_note = None
    if open_note is not None:
        yield open_note


def _midi(element: ElementTree.Element) -> int | None:
    pitch = element.find("pitch")
    if pitch is None:
        return None
    octave, alter = int(pitch.findtext("octave") or 4), int(float(pitch.findtext("alter") or 0))
    return 12 * (octave + 1) + _STEPS[pitch.findtext("step") or "C"] + alter
