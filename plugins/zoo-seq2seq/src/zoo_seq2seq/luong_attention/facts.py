"""The facts of Effective Approaches to Attention-based Neural Machine Translation."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_BIBLE = {
    "source_vocab_size": 800,
    "target_vocab_size": 800,
    "dim": 72,
    "embedding_dim": 48,
    "num_layers": 1,
    "window": "global",
    "dropout": 0.1,
}
_NOTE = (
    "Trained on 18,963 clauses of the New Testament in Greek (SBLGNT, CC-BY-4.0) and English (Berean Standard Bible, "
    "public domain), out of the package bible-alignments; one verse of twenty is held out, 805 clauses that occur "
    "nowhere else."
)

PAPER = Paper(
    id="luong-attention",
    title="Effective Approaches to Attention-based Neural Machine Translation",
    arxiv="1508.04025",
    year=2015,
    code=__package__,
    repo="lmthang/nmt.matlab",
    commit="32f8564",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "With gaussian=scores the Gaussian multiplies scores before the softmax: a switch of the MATLAB code, which "
        "its author found worse.",
        "The MATLAB code counts positions from 1 over a sentence with its end mark; from 0 they are the paper's.",
    ),
    entries=(
        Entry(
            id="luong-attention",
            kind="model",
            summary="attention layer for recurrent decoders over all source words: dot, general, concat or location",
            tags=("translation", "recurrent", "distinctive", "single-level", "soft", "single", "general"),
            build="attention:LuongAttention",
            config="config:LuongAttentionConfig",
            example="attention:example",
            picture="pictures:everywhere",
            aliases=("luong-global",),
            presets={score: {"score": score} for score in ("dot", "general", "concat", "location")},
        ),
        Entry(
            id="luong-attention-local-m",
            kind="model",
            summary="attention layer for recurrent decoders within a window that moves on by a word a step",
            tags=("translation", "recurrent", "distinctive", "single-level", "local", "single", "general"),
            build="attention:LuongAttention",
            config="config:LocalMonotonicConfig",
            example="attention:example",
            picture="pictures:monotonic",
            aliases=("luong-local-m",),
            presets={"tiny": {"dim": 16, "half_width": 2}},
            ours=("Places that are computed: the window's alone, or all where it is as wide as the source.",),
            claims=(
                Claim(
                    "local attention equals global attention when the window covers the sentence, bit for bit",
                    figure="D >= S",
                    check="claims:check_local_is_global",
                ),
                Claim(
                    "local attention cost per step is O(2D+1), constant in the source length",
                    figure="21 positions at D = 10",
                    check="claims:check_scored_positions",
                ),
            ),
        ),
        Entry(
            id="luong-attention-local-p",
            kind="model",
            summary="attention layer for recurrent decoders within a window whose place is predicted",
            tags=("translation", "recurrent", "distinctive", "single-level", "local", "single", "general"),
            build="attention:LuongAttention",
            config="config:LocalPredictiveConfig",
            example="attention:example",
            picture="pictures:predictive",
            aliases=("luong-local-p",),
            presets={"tiny": {"dim": 16, "half_width": 2}},
            claims=(
                Claim(
                    "local-p tends to global-general when D and sigma go to infinity",
                    figure="max diff < 1e-4 at D = 1e4",
                    check="claims:check_predictive_tends_to_global",
                ),
                Claim(
                    "local-p weights sum to less than 1 (Gaussian after the softmax, no renormalisation)",
                    figure="0 < sum <= 1",
                    check="claims:check_weights_sum_to_less",
                ),
                Claim(
                    "local-p is differentiable in the position",
                    figure="gradient of W_p, v_p non-zero",
                    check="claims:check_position_gradient",
                ),
            ),
        ),
        Entry(
            id="luong-attention-nmt",
            kind="model",
            summary="LSTM translator with global or local attention, input feeding and a reversed source",
            tags=("translation", "encoder-decoder", "recurrent", "distinctive", "single-level", "local", "general"),
            build="network:LuongNMT",
            config="config:LuongNMTConfig",
            example="network:example",
            preprocess="zoo_seq2seq.bible:preprocess",
            predict="zoo_seq2seq.bible:predict",
            picture="claims:picture",
            train="training:train",
            convert="conversion:convert",
            aliases=("luong-nmt",),
            differences=(
                "The MATLAB code clips cells to [-50, 50] and their gradients to [-1000, 1000]; torch's LSTM does not.",
                "LSTMs have torch's two bias vectors; the original has none.",
            ),
            ours=(
                "Names of MATLAB arrays are converted as the specification lists them; no published file was seen.",
                "window=none, the paper's system without attention, reads the state of the last word at every step, so "
                "that it has the same matrices but for W_a.",
                "The presets `bible` and `bible-no-attention`, with 800 word pieces on each side, trained "
                "with Adam and smoothed labels.",
                "Beam search is the plugin's, see gnmt-beam-search; unknown words do not occur with word pieces, so "
                "they are not replaced through the alignment.",
            ),
            presets={
                "luong-global-dot": {"window": "global", "score": "dot"},
                "luong-global-general": {"window": "global"},
                "luong-global-location": {"window": "global", "score": "location"},
                "luong-local-m-general": {"window": "local-m"},
                "luong-local-p-general": {"window": "local-p"},
                "tiny": {
                    "source_vocab_size": 40,
                    "target_vocab_size": 40,
                    "dim": 16,
                    "embedding_dim": 16,
                    "num_layers": 2,
                    "half_width": 2,
                },
                "bible": _BIBLE,
                "bible-no-attention": {**_BIBLE, "window": "none"},
            },
            weights={
                "bible": Weights(
                    "package://zoo_seq2seq/weights/luong-attention-nmt-bible.safetensors",
                    sha256="c58fa357d5ae549bf964dcdfed0d1eb7c0d98aebd86956041de8f1467e9f74f4",
                    size=964_968,
                    license="CC-BY-4.0",
                    metric="6.3 BLEU on held-out verses, 3.6 without attention; alignment error 0.52, diagonal 0.64",
                    command="zoo train luong-attention-nmt/bible",
                    note=_NOTE,
                ),
                "bible-no-attention": Weights(
                    "package://zoo_seq2seq/weights/luong-attention-nmt-bible-no-attention.safetensors",
                    sha256="dea25bc194ddfd0cddc4b3d9f5d736effa32e212872316ee45f3a92da2b68b4c",
                    size=944_144,
                    license="CC-BY-4.0",
                    metric="3.6 BLEU on held-out verses, 6.3 with attention",
                    command="zoo train luong-attention-nmt/bible-no-attention",
                    note=_NOTE,
                ),
            },
            claims=(
                Claim(
                    "attention translates better than the same network without it",
                    figure="WMT'14: 14.0 BLEU without, 18.1 with attention and input feeding, 19.0 with local-p",
                    check="claims:check_beats_no_attention",
                    slow=True,
                ),
                Claim(
                    "attention finds alignments",
                    figure="alignment error rate 0.34 to 0.39 on RWTH",
                    check="claims:check_alignments",
                    slow=True,
                ),
                Claim(
                    "WMT'15 English to German, an ensemble of 8",
                    figure="25.9 BLEU",
                    needs="WMT data and weeks of training",
                ),
            ),
        ),
    ),
)
