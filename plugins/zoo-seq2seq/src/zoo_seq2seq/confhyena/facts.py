"""The facts of How do Hyenas deal with Human Speech?"""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Traits, Weights

_TAGS = ("speech", "speech-recognition", "translation", "encoder-decoder", "convolution", "linear-time")
_WORDS = {
    "vocab_size": 44,
    "ctc_vocab_size": 44,
    "num_mels": 40,
    "sample_rate": 8000,
    "energy_floor": 1e-3,
    "dim": 48,
    "num_layers": 4,
    "num_heads": 4,
    "hidden_mult": 2,
    "conv_kernel": 15,
    "subsample_dim": 64,
    "ctc_layer": 3,
    "max_length": 400,
    "filter_dim": 16,
    "decoder_layers": 1,
    "decoder_hidden_dim": 96,
}
_TINY = {
    "vocab_size": 12,
    "ctc_vocab_size": 9,
    "num_mels": 10,
    "dim": 16,
    "num_layers": 3,
    "num_heads": 4,
    "conv_kernel": 7,
    "subsample_dim": 24,
    "ctc_layer": 2,
    "max_length": 80,
    "filter_dim": 8,
    "decoder_layers": 1,
    "decoder_hidden_dim": 32,
}
_NOTE = (
    "Trained on Italian numbers, days and months, joined by one to three: half by Carlo Flora for Asterisk (Debian's "
    "asterisk-core-sounds-it-wav, CC-BY-SA-3.0), half by eight voices of the synthesiser espeak-ng. The other reader "
    "is Paola Dal Zot (asterisk-prompt-it-menardi-wav)."
)
PAPER = Paper(
    id="confhyena",
    title="How do Hyenas deal with Human Speech? Speech Recognition and Translation with ConfHyena",
    arxiv="2402.13208",
    year=2024,
    code=__package__,
    license="Apache-2.0",
    repo="hlt-mt/FBK-fairseq",
    commit="4cd7c6dc",
    fidelity="reference",
    replay="conversion:replay",
    entries=(
        Entry(
            id="confhyena",
            kind="model",
            summary="speech encoder-decoder whose Conformer layers have Hyena operators for self-attention",
            tags=_TAGS,
            build="network:ConfHyena",
            config="config:ConfHyenaConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="training:predict",
            train="training:train",
            picture="pictures:transcript",
            convert="conversion:convert",
            differences=(
                "The code convolves whatever stands behind an utterance's length in the features; the encoder does so "
                "too, and the network puts zeros there first.",
            ),
            ours=(
                "The preset `conformer` is the same network with relative attention in all layers, to compare with.",
                "Of strategies of CTC compression the average alone is here.",
                "Features are computed by `zoo_seq2seq.log_mel`: Hann's window, HTK's mel scale, no dither or "
                "pre-emphasis.",
                "The paper's sizes are not trained: MuST-C is not to be had, and the published checkpoints lie where "
                "no scheme reaches. The preset `words` recognises forty Italian words, a token each, in WAV files.",
                "`zoo info` counts operations as though CTC compression kept all frames; what it drops is in the "
                "sound. Convolutions by FFT are not counted.",
            ),
            presets={
                "confhyena": {},
                "confhyena-s": {"dim": 256, "num_heads": 4},
                "causal": {"causal": True},
                "conformer": {"mixing": "attention"},
                "tiny": _TINY,
                "words": _WORDS,
            },
            weights={
                "words": Weights(
                    "package://zoo_seq2seq/weights/confhyena-words.safetensors",
                    sha256="848eb958f20abaab31a2ca421ad26df2fa4416a737a5ec22f557822a6d360a46",
                    size=881_376,
                    license="CC-BY-SA-3.0",
                    metric=(
                        "51% word error on another real reader, 3% on other synthetic voices; 96% with one word for all"
                    ),
                    command="zoo train confhyena/words",
                    note=_NOTE,
                ),
            },
            claims=(
                Claim(
                    "an utterance gives the same output alone or padded in a batch",
                    figure="max diff < 1e-5",
                    check="claims:check_padding",
                ),
                Claim(
                    "the encoder is cheaper than a Conformer of equal width, the more so the longer the speech",
                    figure="less time and memory",
                    check="claims:check_cheaper_encoder",
                    slow=True,
                ),
            ),
        ),
        Entry(
            id="confhyena-hybrid",
            kind="model",
            summary="ConfHyena with relative attention in the layers after CTC compression",
            tags=_TAGS,
            build="network:ConfHyena",
            config="config:HybridConfig",
            picture="pictures:costs",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            convert="conversion:convert",
            ours=("Not trained; see confhyena.",),
            presets={"confhyena-hybrid": {}, "causal": {"causal": True}, "tiny": _TINY},
            claims=(
                Claim(
                    "the hybrid saves training time at about 1% quality loss",
                    figure="-27% training time",
                    check="claims:check_hybrid_training",
                    slow=True,
                ),
                Claim(
                    "quality on English recognition and eight directions of translation",
                    figure="about 1% lower than the Conformer's, mostly not significant",
                    needs="MuST-C v1 and the published checkpoints",
                ),
            ),
        ),
        Entry(
            id="confhyena-hyena-operator",
            kind="attention",
            summary="Hyena operator adapted to speech: gated long convolutions, not causal by default",
            tags=(
                "speech",
                "self",
                "single-level",
                "soft",
                "single",
                "convolution",
                "linear-time",
            ),
            build="hyena:HyenaOperator",
            config="config:HyenaConfig",
            example="hyena:example",
            picture="pictures:filters",
            convert="conversion:convert",
            aliases=("hyena-operator",),
            traits=Traits(
                causal="optional",
                time="n log n",
                memory="n",
                decoding="recompute",
                parameters="filters of a small network, a short convolution, no key and value projections",
            ),
            presets={
                "confhyena": {},
                "tiny": {"dim": 16, "num_heads": 4, "max_length": 64, "filter_dim": 12},
            },
            claims=(
                Claim(
                    "the non-causal operator sees the future, the causal one does not",
                    figure="exact",
                    check="claims:check_directions",
                ),
                Claim(
                    "sub-quadratic in sequence length: O(L log L)",
                    figure="time ratio Hyena(4L)/Hyena(L) well below 16",
                    check="claims:check_subquadratic",
                    slow=True,
                ),
                Claim(
                    "memory grows with the length, not with its square",
                    figure="O(L)",
                    check="claims:check_memory",
                    slow=True,
                ),
                Claim(
                    "Hyena layers need no positional encoding and have fewer parameters than relative attention",
                    figure="6,077,952 vs 6,323,200 per layer",
                    check="claims:check_parameters",
                ),
            ),
        ),
    ),
)
