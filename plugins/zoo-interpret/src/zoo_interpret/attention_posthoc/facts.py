"""The facts of Attention Meets Post-hoc Interpretability: A Mathematical Perspective."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="attention-posthoc",
    title="Attention Meets Post-hoc Interpretability: A Mathematical Perspective",
    arxiv="2402.03485",
    year=2024,
    code=__package__,
    repo="gianluigilopardo/attention_meets_xai",
    commit="793b1fd",
    fidelity="reference",
    replay="conversion:replay",
    entries=(
        Entry(
            id="attention-posthoc",
            kind="probe",
            summary="attention, gradients and LIME of every token, for the paper's classifier or any encoder",
            tags=("interpretability", "attribution", "lime", "gradients", "self", "encoder"),
            build="probe:AttentionPosthoc",
            config="config:PosthocConfig",
            example="probe:example",
            picture="pictures:explanations",
            ours=(
                "Encoders of transformers: gradients are taken to the embeddings of words, LIME removes distinct token "
                "ids but no special tokens and not the query's own.",
            ),
            presets={
                "paper": {"samples": 5000},
                "tiny": {"samples": 40, "mask_id": 1},
            },
            claims=(
                Claim(
                    "attention is non-negative and blind to the classifier's direction; gradient and LIME are signed",
                    figure="other signs of the classifier: same attention, gradient and LIME negated",
                    check="claims:check_signs",
                ),
                Claim(
                    "only explanations with a sign separate planted words that speak for a class from those against",
                    figure="LIME separates positive from negative contributions",
                    check="claims:check_planted_words",
                ),
                Claim(
                    "attention-avg, attention-max, gradients and LIME disagree on which words matter in a trained "
                    "encoder (all-MiniLM-L6-v2, similarity of real sentences; the paper: IMDB)",
                    figure="they disagree; no figure",
                    check="claims:check_disagreement_in_a_trained_encoder",
                    slow=True,
                    real=True,
                ),
            ),
        ),
        Entry(
            id="attention-posthoc-classifier",
            kind="model",
            summary="one layer of attention heads with a classifier each, explained by closed forms",
            tags=("interpretability", "self", "single-level", "soft", "encoder"),
            build="classifier:MultiHeadClassifier",
            config="config:ClassifierConfig",
            example="classifier:example",
            picture="pictures:classifier",
            paper_input="classifier:paper_input",
            convert="conversion:convert",
            ours=(
                "An attention mask, off by default as in the paper, whose classifier attends to padding too.",
                "The vocabulary of `imdb` has 20,000 words; the paper's size is not known.",
            ),
            presets={
                "imdb": {},
                "tiny": {
                    "vocab_size": 40,
                    "dim": 16,
                    "attention_dim": 8,
                    "value_dim": 8,
                    "num_heads": 3,
                    "max_length": 20,
                },
            },
            claims=(
                Claim(
                    "parameters of six heads (d 128, attention 64, value 64, 2 classes), without the embedding",
                    figure="148224",
                    check="claims:check_parameters",
                ),
                Claim(
                    "the closed-form gradient equals automatic differentiation",
                    figure="largest difference about 1e-9 in float32",
                    check="claims:check_gradient_formula",
                ),
                Claim(
                    "LIME's coefficients are, up to one factor, alpha v - alpha_unk v_unk along the classifier",
                    figure="Pearson > 0.96 with sampled LIME on tiny random models (15 to 21 distinct words)",
                    check="claims:check_lime_formula",
                ),
                Claim("accuracy on IMDB", figure="80.19%", needs="the IMDB reviews"),
            ),
        ),
    ),
)
