"""The facts of Learning to Deceive with Attention-Based Explanations."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_VERSES = {"vocab_size": 2000, "embedding_dim": 32, "hidden_dim": 16}
_BIBLE = {
    "source_vocab_size": 800,
    "target_vocab_size": 800,
    "embedding_dim": 40,
    "encoder_dim": 32,
    "decoder_dim": 64,
    "dropout": 0.1,
}
_NOTE = (
    "Trained on 1,272 verses of the Berean Standard Bible (public domain) out of the package bible-alignments; 316 are "
    "held out."
)
_CLAUSES = (
    "Trained on 18,963 clauses of the New Testament in Greek (SBLGNT, CC-BY-4.0) and English (Berean Standard Bible, "
    "public domain), out of the package bible-alignments; one verse of twenty is held out, 805 clauses that occur "
    "nowhere else."
)

PAPER = Paper(
    id="deceptive-attention",
    title="Learning to Deceive with Attention-Based Explanations",
    arxiv="1909.07913",
    year=2020,
    code=__package__,
    repo="danishpruthi/deceptive-attention",
    commit="8c8823e",
    fidelity="reference",
    replay="conversion:replay",
    ours=("Masses of 1 count as 1 - 1e-6, where the logarithm would be infinite.",),
    entries=(
        Entry(
            id="deceptive-attention",
            kind="method",
            summary="a penalty that takes attention off words that the model goes on using, and audits that see it",
            tags=("interpretability", "adversarial", "training", "classification", "translation"),
            build="method:DeceptiveAttention",
            config="config:DeceptiveAttentionConfig",
            example="method:example",
            picture="pictures:masses",
            presets={
                "honest": {"coef": 0.0},
                "weak": {"coef": 0.1},
                "strong": {"coef": 1.0},
                "worst-head": {"reduce": "max"},
            },
            ours=(
                "Models of transformers are kept from mixing both kinds of words by changing the weights of every "
                "layer; any encoder with a first token that is read will do.",
                "The penalty also attaches to any module that exposes its scores (`zoo_seq2seq.exposed`) and to any "
                "translator with `encode` and `step`.",
            ),
            claims=(
                Claim(
                    "a classifier can use a token with almost no attention on it",
                    figure="impermissible mass drops to about 0.01-0.1% at nearly the same accuracy",
                    check="claims:check_uses_what_it_hides",
                    slow=True,
                ),
                Claim(
                    "the embedding-only model must pay: it cannot see the marker, unless embedding norms grow",
                    figure="accuracy falls or norm ratio of the marker rises",
                    check="claims:check_embeddings_must_pay",
                    slow=True,
                ),
                Claim(
                    "blocking: zeroing impermissible weights after training barely changes a deceptive BiLSTM but "
                    "breaks an honest embedding model",
                    figure="compare accuracy with and without the block",
                    check="claims:check_blocking",
                    slow=True,
                ),
                Claim(
                    "the penalty is 0 at zero mass, grows without bound at mass 1",
                    figure="-lambda*log(1-mass)",
                    check="claims:check_penalty_values",
                ),
                Claim(
                    "BERT on occupation prediction",
                    figure="accuracy 0.972, mean mass 7.1e-5 at lambda 0.1",
                    needs="the biographies and BERT-base",
                ),
            ),
        ),
        Entry(
            id="deceptive-attention-classifier",
            kind="model",
            summary="classifier with one attention that can be blocked, over embeddings or a BiLSTM; or without one",
            tags=("classification", "recurrent", "self", "single-level", "soft"),
            build="classifiers:DeceptiveClassifier",
            config="config:DeceptiveClassifierConfig",
            example="classifiers:example",
            preprocess="classifiers:preprocess",
            predict="classifiers:predict",
            picture="claims:picture",
            train="training:train",
            convert="conversion:convert_classifier",
            ours=("The presets `verses` and `verses-honest`: whom is a verse about, pronouns being impermissible.",),
            presets={
                "embedding": {"encoder": "embedding"},
                "bilstm": {},
                "bilstm-no-attention": {"encoder": "bilstm-no-attention"},
                "verses": _VERSES,
                "verses-honest": _VERSES,
                "tiny": {"vocab_size": 30, "embedding_dim": 12, "hidden_dim": 6},
            },
            weights={
                "verses": Weights(
                    "package://zoo_seq2seq/weights/deceptive-attention-classifier-verses.safetensors",
                    sha256="4c07bf7826fef59d7ba6e3525c14d0e1baf1076aa647eebb6ddf4327b9f9a462",
                    size=283_084,
                    license="Apache-2.0",
                    metric="96.5% of 316 held-out verses, 0.14% of the attention on pronouns; 96.5% with these blocked",
                    command="zoo train deceptive-attention-classifier/verses",
                    note=_NOTE,
                ),
                "verses-honest": Weights(
                    "package://zoo_seq2seq/weights/deceptive-attention-classifier-verses-honest.safetensors",
                    sha256="522332fd9f8e4097e2310e58df60d44d4f79f9d242a857a728f369730d8e4f38",
                    size=283_084,
                    license="Apache-2.0",
                    metric="99.4% of 316 held-out verses, 43.2% of the attention on pronouns; 88.9% with these blocked",
                    command="zoo train deceptive-attention-classifier/verses-honest",
                    note=_NOTE,
                ),
            },
            claims=(
                Claim(
                    "on real text, too, the words that decide get next to no attention",
                    check="claims:check_on_real_verses",
                    slow=True,
                ),
            ),
        ),
        Entry(
            id="deceptive-attention-seq2seq",
            kind="model",
            summary="GRU translator with additive attention, or with equal weights or the first place alone",
            tags=("translation", "encoder-decoder", "recurrent", "distinctive", "single-level", "soft", "additive"),
            build="translator:DeceptiveTranslator",
            config="config:DeceptiveTranslatorConfig",
            example="translator:example",
            preprocess="zoo_seq2seq.bible:preprocess",
            predict="zoo_seq2seq.bible:predict",
            picture="pictures:alignments",
            train="training:train_translator",
            convert="conversion:convert_translator",
            presets={
                "seq2seq": {},
                "uniform": {"attention": "uniform"},
                "none": {"attention": "first"},
                "tiny": {
                    "source_vocab_size": 15,
                    "target_vocab_size": 15,
                    "embedding_dim": 8,
                    "encoder_dim": 10,
                    "decoder_dim": 10,
                },
                "bible": _BIBLE,
                "bible-deceptive": _BIBLE,
                "bible-uniform": {**_BIBLE, "attention": "uniform"},
                "bible-no-attention": {**_BIBLE, "attention": "first"},
            },
            weights={
                "bible": Weights(
                    "package://zoo_seq2seq/weights/deceptive-attention-seq2seq-bible.safetensors",
                    sha256="64e2b41f87a70045089c5b24de4e481b894753228b2108180da5849d6c1925c1",
                    size=1_035_952,
                    license="CC-BY-4.0",
                    metric=(
                        "6.9 BLEU on held-out verses, 4.0 without attention; 36% of the attention on aligned words, "
                        "alignment error 0.60, diagonal 0.64"
                    ),
                    command="zoo train deceptive-attention-seq2seq/bible",
                    note=_CLAUSES,
                ),
                "bible-deceptive": Weights(
                    "package://zoo_seq2seq/weights/deceptive-attention-seq2seq-bible-deceptive.safetensors",
                    sha256="88b150a7cb5f012cc99ce6f32e846466c01110c5c952f6582ea5990c91e183fe",
                    size=1_035_952,
                    license="CC-BY-4.0",
                    metric=(
                        "3.8 BLEU on held-out verses, honest 6.9, without attention 4.0; 8% of the attention on "
                        "aligned words, honest 36%"
                    ),
                    command="zoo train deceptive-attention-seq2seq/bible-deceptive",
                    note=_CLAUSES,
                ),
                "bible-no-attention": Weights(
                    "package://zoo_seq2seq/weights/deceptive-attention-seq2seq-bible-no-attention.safetensors",
                    sha256="df2b0da7f1fe59363ced1611398b5f7cfb07dfcf22506eaa8adbce2b4d1150d0",
                    size=1_035_952,
                    license="CC-BY-4.0",
                    metric="4.0 BLEU on held-out verses, 6.9 with attention",
                    command="zoo train deceptive-attention-seq2seq/bible-no-attention",
                    note=_CLAUSES,
                ),
            },
            ours=(
                "The presets `bible`, `bible-deceptive` (the same with the penalty: words that people aligned are "
                "impermissible), `bible-no-attention` and `bible-uniform` (without weights) are small translators of "
                "Greek clauses.",
            ),
            claims=(
                Claim(
                    "a translator needs no attention on the words that it translates",
                    figure="mass under 1% in nearly all settings, at a loss of mostly a few points",
                    check="claims:check_deceptive_translator",
                    slow=True,
                ),
            ),
        ),
    ),
)
