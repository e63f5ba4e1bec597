"""The facts of Attention Meets Perturbations."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

_NEWSGROUPS = {"vocab_size": 4000, "embedding_dim": 24, "hidden_dim": 16}

PAPER = Paper(
    id="attention-at",
    title="Attention Meets Perturbations: Robust and Interpretable Attention with Adversarial Training",
    arxiv="2009.12064",
    year=2021,
    code=__package__,
    license="MIT",
    repo="shunk031/attention-meets-perturbation",
    commit="d40a5ca",
    fidelity="paper",
    replay="conversion:replay",
    ours=(
        "Classifiers of transformers: scores are those of the first token in the last layer, the mean over heads, and "
        "the perturbation is added in every head.",
        "Word AT and Word iAT, the paper's baselines on embeddings, are not here.",
        "Nothing is trained on the paper's data; claims about training are measured on a synthetic task of keywords.",
    ),
    entries=(
        Entry(
            id="attention-at",
            kind="method",
            summary="adversarial training of attention: perturb scores along the loss's gradient",
            tags=("adversarial", "training", "interpretability", "classification"),
            build="method:AttentionAT",
            config="config:AttentionATConfig",
            example="method:example",
            presets={"paper": {"epsilon": 5.0}},
            differences=(
                "The released training step leaves the first pass's gradients in the parameters, so that it minimises "
                "2 L(clean) + L(adversarial); here each counts once.",
            ),
            claims=(
                Claim(
                    "the perturbation has norm epsilon per sentence and first-order maximal loss increase among "
                    "perturbations of that norm",
                    figure="||r|| = eps; loss(r) >= loss of 100 random perturbations of equal norm for small eps",
                    check="claims:check_first_order_maximal",
                ),
                Claim(
                    "training with Attention AT raises the correlation between attention and gradient word importance",
                    check="claims:check_correlation_with_importance",
                    slow=True,
                ),
                Claim(
                    "attention of an AT model is more robust: accuracy under score noise of norm eps falls less",
                    check="claims:check_robustness",
                    slow=True,
                ),
                Claim(
                    "low sensitivity to eps (1 to 30)",
                    figure="small spread",
                    check="claims:check_sensitivity",
                    slow=True,
                ),
                Claim(
                    "iAT best in nine of ten tasks, AT second",
                    needs="SST, IMDB, 20 Newsgroups, AG News, CNN, bAbI, SNLI and MultiNLI",
                ),
            ),
        ),
        Entry(
            id="attention-at-iat",
            kind="method",
            summary="adversarial training of attention along differences of scores",
            tags=("adversarial", "training", "interpretability", "classification"),
            build="method:AttentionAT",
            config="config:AttentionIATConfig",
            example="method:example",
            aliases=("attention-iat",),
            presets={
                "paper": {"epsilon": 5.0},
                "unnormalised": {"mode": "iat-unnormalised"},
                "released": {"mode": "iat-released"},
            },
            differences=(
                "The released iAT forms differences between sentences of the batch, never uses them, and walks down "
                "the gradient: mode=iat-released is that. The default follows the paper's equations.",
            ),
            ours=(
                "mode=iat-unnormalised, because normalised differences make iAT exactly AT: without normalisation "
                "words whose score stands out are perturbed more.",
            ),
            claims=(
                Claim(
                    "iAT with normalised difference vectors, taken literally, gives exactly the AT perturbation",
                    figure="max diff < 1e-6",
                    check="claims:check_iat_is_at",
                ),
            ),
        ),
        Entry(
            id="attention-at-classifier",
            kind="model",
            summary="the base model: bidirectional LSTM, one attention whose scores can be had, of one text or a pair",
            tags=("classification", "recurrent", "self", "single-level", "soft", "additive"),
            build="zoo_seq2seq.attention_classifier:AttentionClassifier",
            config="zoo_seq2seq.attention_classifier:AttentionClassifierConfig",
            example="zoo_seq2seq.attention_classifier:example",
            preprocess="zoo_seq2seq.newsgroups:preprocess",
            predict="zoo_seq2seq.newsgroups:predict",
            train="training:train",
            presets={
                "base": {},
                "pair": {"pair": True, "num_classes": 3},
                "tiny": {"vocab_size": 30, "embedding_dim": 10, "hidden_dim": 6},
                "newsgroups": _NEWSGROUPS,
                "newsgroups-at": _NEWSGROUPS,
                "newsgroups-iat": _NEWSGROUPS,
            },
        ),
    ),
)
