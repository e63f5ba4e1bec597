"""Melodies continued, and drawn as a piano roll."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_seq2seq.ripo_transformer.config import RipoConfig
from zoo_seq2seq.ripo_transformer.intervals import BEAT, PADDING, Note
from zoo_seq2seq.ripo_transformer.network import RipoTransformer
from zoo_seq2seq.ripo_transformer.notes import decoded, encoded, notes_of


@torch.no_grad()
def continued(
    model: RipoTransformer,
    source: str | bytes | Path | Sequence[Any],
    *,
    steps: int = 16,
    temperature: float = 1.0,
    seed: int = 0,
) -> list[Note]:
    """A melody and what the model adds: both heads are sampled, token by token, never padding.

    Args:
        model: in eval mode.
        source: see ``notes_of``.
        steps: tokens added. Of what is longer than ``max_length`` the model sees the end, from a bar of four beats on.
        temperature: 0 takes the likeliest.
        seed: of the samples.

    Raises:
        InputError: see ``encoded``; a negative temperature.
    """
    if temperature < 0:
        raise InputError(f"temperature={temperature} must not be negative")
    generator = torch.Generator().manual_seed(seed)
    pitches, durations = encoded(notes_of(source))
    for _ in range(steps):
        start = _window(durations[0], model.config.max_length)
        found = model(pitches[:, start:], durations[:, start:])
        pitch = _drawn(found.pitch_logits[:, -1], temperature, generator)
        duration = _drawn(found.duration_logits[:, -1], temperature, generator)
        pitches, durations = torch.cat((pitches, pitch), 1), torch.cat((durations, duration), 1)
    return decoded(pitches[0].tolist(), durations[0].tolist())


def _window(durations: Tensor, longest: int) -> int:
    """Where the last tokens begin, ``longest`` at most: at a bar, or where there is none at the first that fits."""
    first = max(len(durations) - longest, 0)
    onsets = durations.cumsum(0) - durations
    bars = [place for place in range(first, len(durations)) if int(onsets[place]) % (4 * BEAT) == 0]
    return bars[0] if bars and first else first


def _drawn(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    logits = logits.float().clone()
    logits[:, PADDING] = -torch.inf
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)


def draw_roll(given: Sequence[Note], whole: Sequence[Note], title: str, path: str | Path | None = None) -> Any:
    """A melody as a piano roll, what was given and what was added in two colours; a matplotlib figure."""
    from zoo.evidence.plots import new_figure, saved

    figure = new_figure(figsize=(9.5, 3.4))
    roll = figure.subplots()
    now, end = 0.0, sum(note.beats for note in given)
    for note in whole:
        if note.pitch is not None:
            colour = "#2a6f97" if now < end else "#d1495b"
            roll.barh(note.pitch, note.beats * 0.95, 0.8, now, align="center", color=colour)
        now += note.beats
    roll.axvline(end, color="0.5", linewidth=1, linestyle="--")
    pitches = [note.pitch for note in whole if note.pitch is not None] or [60]
    low, high = min(pitches), max(pitches)
    roll.set_yticks(range(low, high + 1), [pitch_name(each) for each in range(low, high + 1)], fontsize=7)
    roll.set_xticks(range(0, int(now) + 1, max(4, 4 * round(now / 60))))
    roll.set_xlabel("beat (quarter notes)")
    roll.set_ylabel("pitch")
    roll.grid(axis="y", color="0.92")
    roll.set_axisbelow(True)
    roll.set_title(title)
    return saved(figure, path)


def pitch_name(pitch: int) -> str:
    """Of a MIDI number: "C4" for 60."""
    return f"{('C', 'C#', 'D', 'Eb', 'E', 'F', 'F#', 'G', 'Ab', 'A', 'Bb', 'B')[pitch % 12]}{pitch // 12 - 1}"


def preprocess(config: RipoConfig) -> Callable[[Any], dict[str, Tensor]]:
    """From notes, see ``notes.notes_of``, to tokens."""

    def prepared(source: Any) -> dict[str, Tensor]:
        pitches, durations = encoded(notes_of(source))
        return {"pitch_ids": pitches, "duration_ids": durations}

    return prepared


def predict(model: RipoTransformer, config: RipoConfig, source: Any) -> dict[str, Any]:
    """Go on with a melody, "60:1 62:1 64:2" or a MIDI file, for 24 tokens: notes, a MIDI file and a piano roll."""
    from PIL import Image

    from zoo_seq2seq.ripo_transformer.midi import write_midi

    given = notes_of(source)
    whole = continued(model, given, steps=24, temperature=0.8)
    drawn = io.BytesIO()
    draw_roll(given, whole, "given (blue) and added (red)").savefig(drawn, format="png", dpi=100)
    return {
        "melody": " ".join(map(str, whole)),
        "added": len(whole) - len(given),
        "midi": (".mid", write_midi(whole)),
        "roll": Image.open(drawn),
    }
