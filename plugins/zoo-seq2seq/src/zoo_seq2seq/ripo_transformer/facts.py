"""The facts of A Domain-Knowledge-Inspired Music Embedding Space and a Novel Attention Mechanism."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TINY = {"dim": 16, "num_heads": 2, "hidden_dim": 24, "max_length": 32}
_CHORALES = {"dim": 64, "num_heads": 4, "hidden_dim": 128, "max_length": 128}
_PLAIN = {"relative_pitch": False, "relative_onset": False, "relative_index": False}
_NOTE = (
    "Trained on the upper voices of 365 of Bach's chorales (scores in the package music21, the music in the public "
    "domain), without transposing them; the 42 chorales of every tenth tune are held out."
)

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
            picture="pictures:continuation",
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
                "The paper's baselines are presets: `mha` and `mha-one-hot` without relative terms, `linear` with "
                "causal linear attention (elu + 1 of queries and keys is our choice), `music-transformer` with the "
                "index alone, all with learned embeddings; those that end in `-fme` have ours.",
                "Recordings of attention_type rgl_vanilla, mha and linear replay with music embeddings; none was "
                "recorded, so that the names of linear attention's parameters are those of the others.",
                "Intervals that occur often are embedded once (a table), where relative inputs are derived here: four "
                "times faster, equal to rounding.",
                "The table of `two_sided` runs from the furthest earlier note to the furthest later one; none was "
                "recorded.",
                "Wikifonia and TheoryTab are not to be had: the presets `chorales`, four times narrower, learnt 365 of "
                "Bach's. Melodies come as text (`60:1 C4:0.5 rest:1`), lists or MIDI files, and leave as MIDI files.",
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
            weights={
                "chorales-music-transformer": Weights(
                    "package://zoo_seq2seq/weights/ripo-transformer-chorales-music-transformer.safetensors",
                    sha256="3ea68a1be1e6f84ed02aa744d64e9e9239a1d6b6ecece5cabdb2bd992158fe32",
                    size=396_476,
                    license="Apache-2.0",
                    metric=(
                        "39.7% of the next pitches and 76.1% of the next durations of held-out tunes, cross entropy "
                        "1.622 and 0.783 nats"
                    ),
                    command="zoo train ripo-transformer/chorales-music-transformer",
                    note=_NOTE,
                ),
                "chorales-mha": Weights(
                    "package://zoo_seq2seq/weights/ripo-transformer-chorales-mha.safetensors",
                    sha256="a435e277c7c0fc90239fd7a7e5f135eb3a0b5f8f85775b19191aa51d4c237d98",
                    size=379_908,
                    license="Apache-2.0",
                    metric=(
                        "37.1% of the next pitches and 74.3% of the next durations of held-out tunes, cross entropy "
                        "1.650 and 0.827 nats"
                    ),
                    command="zoo train ripo-transformer/chorales-mha",
                    note=_NOTE,
                ),
                "chorales-linear": Weights(
                    "package://zoo_seq2seq/weights/ripo-transformer-chorales-linear.safetensors",
                    sha256="c926b1dd534a595599c5b24d542184c102729d5bdf12b833ca4b550a085ab318",
                    size=379_908,
                    license="Apache-2.0",
                    metric=(
                        "36.4% of the next pitches and 74.3% of the next durations of held-out tunes, cross entropy "
                        "1.660 and 0.822 nats"
                    ),
                    command="zoo train ripo-transformer/chorales-linear",
                    note=_NOTE,
                ),
                "chorales": Weights(
                    "package://zoo_seq2seq/weights/ripo-transformer-chorales.safetensors",
                    sha256="55b634899a6c75f92296fe60d4dde8b22dd42c104fe98117e17d9ad701ef0362",
                    size=462_316,
                    license="Apache-2.0",
                    metric=(
                        "35.5% of the next pitches and 74.2% of the next durations of held-out tunes, cross entropy "
                        "1.765 and 0.791 nats; Music Transformer 39.7% and 76.1%, 1.622 and 0.783"
                    ),
                    command="zoo train ripo-transformer/chorales",
                    note=_NOTE,
                ),
            },
            claims=(
                Claim(
                    "transposing the whole melody leaves the relative-pitch part of the attention logits unchanged",
                    figure="exact",
                    check="claims:check_transposing_the_melody",
                ),
                Claim(
                    "lower cross-entropy and better next-note accuracy than Music Transformer and linear attention",
                    check="claims:check_on_chorales",
                    slow=True,
                ),
                Claim(
                    "the same on its own data, and no endless repetition",
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
            picture="pictures:distances",
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
            picture="pictures:attention",
            aliases=("ripo-attention",),
            presets={
                "ripo": {},
                "two-sided": {"two_sided": True},
                "tiny": {"dim": 16, "num_heads": 2, "max_length": 16},
            },
        ),
    ),
)
