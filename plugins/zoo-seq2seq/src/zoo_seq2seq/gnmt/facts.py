"""The facts of Google's Neural Machine Translation System."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_BIBLE = {
    "vocab_size": 800,
    "dim": 48,
    "num_layers": 2,
    "variant": "v2",
    "share_embedding": False,
    "normalized": False,
    "first_state": "encoder",
    "init_range": 0.4,
    "dropout": 0.1,
}
_NOTE = (
    "Trained on 18,963 clauses of the New Testament in Greek (SBLGNT, CC-BY-4.0) and English (Berean Standard Bible, "
    "public domain), out of the package bible-alignments; one verse of twenty is held out, 805 clauses that occur "
    "nowhere else."
)
PAPER = Paper(
    id="gnmt",
    title="Google's Neural Machine Translation System: Bridging the Gap between Human and Machine Translation",
    arxiv="1609.08144",
    year=2016,
    code=__package__,
    license="Apache-2.0",
    repo="tensorflow/nmt",
    commit="0be8642",
    fidelity="paper",
    replay="conversion:replay",
    entries=(
        Entry(
            id="gnmt",
            kind="model",
            summary="deep LSTM translator with residual connections and attention asked by the bottom layer",
            tags=("translation", "encoder-decoder", "recurrent", "distinctive", "single-level", "soft", "additive"),
            build="network:GNMT",
            config="config:GNMTConfig",
            example="network:example",
            picture="pictures:alignment",
            preprocess="zoo_seq2seq.bible:preprocess",
            predict="network:predict",
            train="training:train",
            convert="conversion:convert",
            differences=(
                "The re-implementations ask attention at the present step (v2); the paper at the last (v1). Both are "
                "here by `variant`; MLPerf's checkpoints need v2.",
                "tensorflow/nmt normalises v and starts the decoder from the encoder's states; the paper says neither. "
                "`normalized` is on and `first_state` zero, as in MLPerf's.",
                "LSTMs have torch's two bias vectors.",
            ),
            ours=(
                "The preset `gnmt` shares its embedding as v2 does; the paper does not say.",
                "first_state=encoder starts the bottom layer from the encoder's backward one.",
                "The presets `bible` and `bible-no-attention` (attention=last reads the last word's state alone) "
                "learnt the clauses that luong-attention-nmt's small translators did, from the encoder's states and "
                "without normalised v, parameters starting within 0.4: otherwise so small a network learnt too slowly.",
                "TensorFlow's checkpoints of the README were not seen; MLPerf's names are converted.",
                "Rewards and 8-bit matrices are functions (`rewards`, `quantised`); 16-bit accumulators are left out.",
            ),
            presets={
                "gnmt": {},
                "gnmt-v2-4": {"num_layers": 4, "vocab_size": 32_320, "variant": "v2"},
                "gnmt-v2-8": {"variant": "v2"},
                "tiny": {"vocab_size": 17, "dim": 12, "num_layers": 4},
                "bible": _BIBLE,
                "bible-no-attention": {**_BIBLE, "attention": "last"},
            },
            weights={
                "bible": Weights(
                    "package://zoo_seq2seq/weights/gnmt-bible.safetensors",
                    sha256="db943349979cc18fc0719e5f519e86314f9c0299ce0d65bb78f2fc14475f80aa",
                    size=935_160,
                    license="CC-BY-4.0",
                    metric=(
                        "3.6 BLEU on held-out verses by the paper's search (3.0 greedily), 2.5 without attention; "
                        "alignment error 0.58, diagonal 0.64"
                    ),
                    command="zoo train gnmt/bible",
                    note=_NOTE,
                ),
                "bible-no-attention": Weights(
                    "package://zoo_seq2seq/weights/gnmt-bible-no-attention.safetensors",
                    sha256="46aa24d142fd4122cde24b04b6ed908254213c45ab797a339877ca17bf3110cd",
                    size=935_160,
                    license="CC-BY-4.0",
                    metric="2.5 BLEU on held-out verses by the paper's search, 3.6 with attention",
                    command="zoo train gnmt/bible-no-attention",
                    note=_NOTE,
                ),
            },
            claims=(
                Claim(
                    "bottom-layer attention lets the decoder be pipelined: layer l at step t does not wait for the top "
                    "layer at step t-1",
                    figure="attention depends on layer 0 only",
                    check="claims:check_bottom_attention",
                ),
                Claim(
                    "residual connections make deep stacks trainable",
                    figure="gradient norm at layer 1 of an 8-layer stack larger with residuals",
                    check="claims:check_residuals_train",
                    slow=True,
                ),
                Claim(
                    "GLEU is symmetric in precision and recall and lies in [0,1]",
                    figure="min(precision, recall) over 1-4-grams",
                    check="claims:check_gleu",
                ),
                Claim(
                    "quantised inference (8-bit weights, clipped state) stays close to float",
                    figure="max log-prob change small",
                    check="claims:check_quantised",
                ),
                Claim(
                    "attention translates better than the same network without it",
                    check="claims:check_beats_no_attention",
                    slow=True,
                ),
                Claim(
                    "WMT'14, single models of 32k word pieces",
                    figure="38.95 BLEU to French, 24.61 to German",
                    needs="WMT data and weeks of training",
                ),
            ),
        ),
        Entry(
            id="gnmt-beam-search",
            kind="method",
            summary="beam search with length normalisation, coverage penalty and pruning, for any translator here",
            tags=("translation", "decoding", "training-free"),
            build="methods:BeamSearch",
            config="config:BeamSearchConfig",
            example="methods:example",
            picture="pictures:hypotheses",
            presets={"gnmt": {}, "wide": {"beam_size": 8}},
            differences=(
                "MLPerf's search divides by the length at the end alone and skips source words without any mass; here "
                "hypotheses of different lengths are compared by the paper's score, and a word's mass is at least the "
                "smallest float.",
            ),
            ours=("Hypotheses end at max_ratio source lengths and max_extra tokens at the latest.",),
            claims=(
                Claim(
                    "length normalisation reduces to plain log-probability at alpha 0 and to near-mean at alpha 1",
                    figure="lp = ((5+n)/6)^alpha",
                    check="claims:check_length_penalty",
                ),
                Claim(
                    "coverage penalty is 0 when every source word got mass >= 1 and negative otherwise",
                    figure="beta * sum log min(mass,1)",
                    check="claims:check_coverage_penalty",
                ),
            ),
        ),
        Entry(
            id="gnmt-wordpiece",
            kind="method",
            summary="word pieces learnt from text, which let a translator take and give text",
            tags=("translation", "tokenisation"),
            build="methods:WordPieceMethod",
            config="config:WordPieceConfig",
            example="methods:example",
            picture="pictures:pieces",
            aliases=("wordpiece",),
            presets={"8k": {"vocab_size": 8_000}, "16k": {"vocab_size": 16_000}, "32k": {}},
            ours=(
                "The whole entry: the paper's trainer is not public. The `tokenizers` library learns the pieces; the "
                "mark of a word's beginning is its ▁.",
            ),
            claims=(
                Claim(
                    "decoding gives back the text up to white space",
                    figure="deterministic and without loss",
                    check="claims:check_pieces_come_back",
                ),
            ),
        ),
    ),
)
