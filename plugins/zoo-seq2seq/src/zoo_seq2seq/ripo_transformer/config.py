"""The schemas of the embedding, the attention and the network."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.nn.heads import require_equal_slices

BIASES = ("nd", "2d", "none")
MECHANISMS = ("softmax", "linear")
EMBEDDINGS = ("fme", "learned", "one-hot")


@dataclass
class FMEConfig:
    """Config of the fundamental music embedding."""

    dim: int = zoo.field(256, "d: width, even", unit="features", minimum=2)
    base: float = zoo.field(9919.0, "B: 9919 for pitches, 7920 for durations", minimum=1.0)
    trainable: bool = zoo.field(False, "whether the frequencies w are parameters, each twice")
    bias: str = zoo.field("nd", "b: of its own for all d, a pair that repeats, or none", choices=BIASES)

    def __post_init__(self) -> None:
        if self.dim % 2:
            raise zoo.ConfigError(f"dim={self.dim} must be even: sines and cosines by turns", field="dim")


@dataclass
class RipoAttentionConfig:
    """Config of the attention."""

    dim: int = zoo.field(256, "d: width", unit="features", minimum=1)
    num_heads: int = zoo.field(8, "heads", minimum=1)
    max_length: int = zoo.field(246, "notes at most", minimum=1)
    relative_pitch: bool = zoo.field(True, "whether intervals count")
    relative_onset: bool = zoo.field(True, "whether distances in time count")
    relative_index: bool = zoo.field(True, "whether distances in notes count")
    two_sided: bool = zoo.field(False, "whether later notes are seen, with a table of both directions")
    dropout: float = zoo.field(0.0, "on the output", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)


@dataclass
class RipoConfig:
    """Config of the network."""

    num_pitches: int = zoo.field(128, "pitch classes that are predicted", minimum=1)
    num_durations: int = zoo.field(17, "duration classes", minimum=1)
    dim: int = zoo.field(256, "d: width, even", unit="features", minimum=2)
    num_heads: int = zoo.field(8, "heads", minimum=1)
    hidden_dim: int = zoo.field(2048, "width inside feed-forward layers", unit="features", minimum=1)
    num_layers: int = zoo.field(2, "layers", minimum=1)
    max_length: int = zoo.field(246, "notes at most", minimum=1)
    pitch_base: float = zoo.field(9919.0, "B of pitches", minimum=1.0)
    duration_base: float = zoo.field(7920.0, "B of durations", minimum=1.0)
    onset_base: float = zoo.field(10001.0, "B of onsets", minimum=1.0)
    trainable_pitch: bool = zoo.field(True, "whether the frequencies of pitches are parameters")
    trainable_duration: bool = zoo.field(True, "whether those of durations are")
    pitch_bias: str = zoo.field("nd", "b of pitches", choices=BIASES)
    duration_bias: str = zoo.field("nd", "b of durations", choices=BIASES)
    project_pitch: bool = zoo.field(True, "whether intervals go through a linear layer that all layers share")
    project_duration: bool = zoo.field(True, "whether distances in time do")
    duration_in_beats: bool = zoo.field(False, "whether durations are embedded in beats, not by their token")
    attention: str = zoo.field(
        "softmax", "of notes over earlier ones; linear: a baseline without a softmax", choices=MECHANISMS
    )
    embedding: str = zoo.field(
        "fme", "of pitches and durations: their numbers, or as baselines a table or nothing", choices=EMBEDDINGS
    )
    relative_pitch: bool = zoo.field(True, "whether intervals count in attention")
    relative_onset: bool = zoo.field(True, "whether distances in time count")
    relative_index: bool = zoo.field(True, "whether distances in notes count")
    two_sided: bool = zoo.field(False, "whether later notes are seen, with a table of both directions")
    mask_keys: bool = zoo.field(False, "whether padding is hidden as what is seen, not as what sees")
    add_index: bool = zoo.field(True, "whether a note's number is added")
    add_onset: bool = zoo.field(True, "whether its onset is")
    add_beat: bool = zoo.field(True, "whether its place in a bar of four beats is")
    dropout: float = zoo.field(0.2, "everywhere", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        self.pitch()
        if self.attention == "linear" and (self.relative_index or self.two_sided):
            raise zoo.ConfigError(
                "linear attention forms no logits to which anything relative could be added, and sees no later notes: "
                "it needs relative_pitch, relative_onset, relative_index and two_sided to be False",
                field="attention",
            )
        if (self.attention == "linear" or self.embedding != "fme") and (self.relative_pitch or self.relative_onset):
            raise zoo.ConfigError(
                f"attention={self.attention!r} with embedding={self.embedding!r} knows no intervals: it needs "
                "relative_pitch=False and relative_onset=False",
                field="relative_pitch",
            )

    def pitch(self) -> FMEConfig:
        """The embedding of pitches."""
        return FMEConfig(self.dim, self.pitch_base, self.trainable_pitch, self.pitch_bias)

    def duration(self) -> FMEConfig:
        """The embedding of durations."""
        return FMEConfig(self.dim, self.duration_base, self.trainable_duration, self.duration_bias)

    def ripo(self) -> RipoAttentionConfig:
        """The attention of every layer."""
        return RipoAttentionConfig(
            self.dim,
            self.num_heads,
            self.max_length,
            self.relative_pitch,
            self.relative_onset,
            self.relative_index,
            self.two_sided,
            self.dropout,
        )
