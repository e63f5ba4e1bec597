"""The facts of A Domain-Knowledge-Inspired Music Embedding Space and a Novel Attention Mechanism."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

_TINY = {"dim": 16, "num_heads": 2, "hidden_dim": 24, "max_length": 32}
_CHORALES = {"dim": 64, "num_heads": 4, "hidden_dim": 128, "max_length": 128}
_PLAIN = {"relative_pitch": False, "relative_onset": False, "relative_index": False}
PAPER = Paper(
    id="ripo-transformer",
    title=(
        "A Domain-Knowledge-Inspired Music Embedding Space and a Novel Attention Mechanism for Symbolic Music Modeling"
    ),
    arxiv="2212.00973",
    year=2023,
    code=__package__,
    repo="guozixunnicolas/FundamentalMusicEmbedding",
    commit="793e300",
    fidelity="reference",
    replay="conversion:replay",
    entries=(
        Entry(
            id="ripo-transformer",
            kind="model",
            summary="melodies of pitch and duration tokens: predicts the next note, continues lists of notes",
            tags=("music", "generation", "decoder", "self", "single-level", "soft", "relative-positions"),
            build="network:RipoTransformer",
            config="config:RipoConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="melody:preprocess",
            predict="melody:predict",
            train="training:train",
            convert="conversion:convert",
            differences=(
                "Padding is masked as what sees, not as what is seen, which is enough where it lies behind; "
                "mask_keys=True hides it.",
                "The paper has onsets in beats; durations are embedded by their token, duration_in_beats=True changes "
                "that.",
                "A layer's first norm is used before and after attention.",
            ),
            ours=(
                "Relative inputs are derived from the two token sequences.",
                "Of the paper's baselines those under the same code are presets: `mha` without relative terms and "
                "`music-transformer` with the index alone; linear attention, one-hot and learned embeddings are not "
                "here.",
                "The table of `two_sided` runs from the furthest earlier note to the furthest later one; none was "
                "recorded.",
                "Not trained: Wikifonia and TheoryTab are not to be had, and so what a random network adds to a melody "
                "is noise.",
            ),
            presets={
                "ripo-transformer": {},
                "mha": {**_PLAIN, "embedding": "learned"},
                "mha-one-hot": {**_PLAIN, "embedding": "one-hot"},
                "mha-fme": _PLAIN,
                "music-transformer": {"relative_pitch": False, "relative_onset": False, "embedding": "learned"},
                "music-transformer-fme": {"relative_pitch": False, "relative_onset": False},
                "linear": {**_PLAIN, "embedding": "learned", "attention": "linear"},
                "linear-fme": {**_PLAIN, "attention": "linear"},
                "tiny": _TINY,
                "chorales": _CHORALES,
                "chorales-music-transformer": {
                    **_CHORALES,
                    "relative_pitch": False,
                    "relative_onset": False,
                    "embedding": "learned",
                },
                "chorales-linear": {**_CHORALES, **_PLAIN, "embedding": "learned", "attention": "linear"},
                "chorales-mha": {**_CHORALES, **_PLAIN, "embedding": "learned"},
            },
            claims=(
                Claim(
                    "transposing the whole melody leaves the relative-pitch part of the attention logits unchanged",
                    figure="exact",
                    check="claims:check_transposing_the_melody",
                ),
                Claim(
                    "lower cross-entropy and better next-note accuracy than Music Transformer and linear attention, "
                    "and no endless repetition",
                    needs="the Wikifonia and TheoryTab melodies",
                ),
            ),
        ),
        Entry(
            id="ripo-transformer-fme",
            kind="model",
            summary="fundamental music embedding: numbers as vectors whose distances are intervals",
            tags=("music", "embedding", "positional-encoding"),
            build="embedding:FundamentalMusicEmbedding",
            config="config:FMEConfig",
            example="embedding:example",
            aliases=("fundamental-music-embedding",),
            ours=(
                "The inverse is a search for the nearest number (`nearest`): the code's single arcsine holds within a "
                "quarter of a period alone.",
            ),
            presets={"pitch": {}, "duration": {"base": 7920.0}, "tiny": {"dim": 16}},
            claims=(
                Claim(
                    "equal intervals have equal distances whatever the base pitch",
                    figure="error < 1e-5",
                    check="claims:check_equal_intervals",
                ),
                Claim(
                    "transposition is a rotation: the interval's vector turns P(f) into P(f + delta)",
                    figure="max error about 1e-6",
                    check="claims:check_rotation",
                ),
                Claim(
                    "types are separable: another base and b give another vector for the same number",
                    figure="non-zero distance",
                    check="claims:check_types_are_separable",
                ),
            ),
        ),
        Entry(
            id="ripo-transformer-attention",
            kind="model",
            summary="attention with relative index, pitch and onset, over notes and what they are to each other",
            tags=("music", "self", "single-level", "soft", "relative-positions"),
            build="attention:RipoAttention",
            config="config:RipoAttentionConfig",
            example="attention:example",
            aliases=("ripo-attention",),
            presets={
                "ripo": {},
                "two-sided": {"two_sided": True},
                "tiny": {"dim": 16, "num_heads": 2, "max_length": 16},
            },
        ),
    ),
)
