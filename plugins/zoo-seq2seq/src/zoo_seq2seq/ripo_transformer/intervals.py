"""Notes, and what they are to each other, out of two token sequences.

Pitch tokens: 0 padding, 1 rest, 2 sustain, k the MIDI number k - 3. Duration tokens: 0 padding, k a length of k/4
quarter notes.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

PADDING, REST, SUSTAIN, FIRST_PITCH = 0, 1, 2, 3
PITCH_TOKENS = FIRST_PITCH + 128
BEAT, LONGEST = 4, 16


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


@dataclass(frozen=True, eq=False)
class Intervals:
    """Relative inputs of the network.

    Args:
        pitch: (B, L, L) whole numbers, row minus column; 0 where it is none.
        no_pitch: (B, L, L) True where one of both is no pitch.
        onset: (B, L, L) beats, row minus column; 0 at padding.
        onsets: (B, L) beats from the start; of padding the whole length.
    """

    pitch: Tensor
    no_pitch: Tensor
    onset: Tensor
    onsets: Tensor


def intervals(pitch_ids: Tensor, duration_ids: Tensor) -> Intervals:
    """Derive them from tokens (B, L)."""
    special = pitch_ids < FIRST_PITCH
    no_pitch = special[:, :, None] | special[:, None]
    pitch = (pitch_ids[:, :, None] - pitch_ids[:, None]).masked_fill(no_pitch, 0)
    beats = duration_ids.float() / BEAT
    onsets = beats.cumsum(1) - beats
    padding = pitch_ids == PADDING
    between = (onsets[:, :, None] - onsets[:, None]).masked_fill(padding[:, :, None] | padding[:, None], 0.0)
    return Intervals(pitch, no_pitch, between, onsets)
