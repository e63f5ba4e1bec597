"""The facts of What Does BERT Look At? An Analysis of BERT's Attention."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="bert-look",
    title="What Does BERT Look At? An Analysis of BERT's Attention",
    arxiv="1906.04341",
    year=2019,
    code=__package__,
    license="MIT",
    repo="clarkkev/attention-analysis",
    commit="b609cfc",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The code takes the first piece's row of a word by default, the paper the mean; the mean is the default here.",
    ),
    ours=(
        "Coreference follows the paper's description; its code was never published. The rules' agreement in number, "
        "gender and person is given with the mentions; the neural system that the paper compares with is not offered.",
        "The synthetic treebank and the CoNLL reader.",
    ),
    entries=(
        Entry(
            id="bert-look",
            kind="probe",
            summary="surface patterns, entropy and similarity of every head of a transformers model",
            tags=(
                *("interpretability", "visualisation", "syntax", "self", "encoder"),
                *("positional-head", "previous-head", "syntactic-head"),
            ),
            build="statistics:BertLook",
            config="config:BertLookConfig",
            example="statistics:example",
            picture="pictures:statistics",
            differences=(
                "Jensen-Shannon distances are summed over documents, not averaged; `reduce` chooses.",
                "The [SEP] denominators assume exactly two separators; `separators=count` uses the true number.",
            ),
            presets={"bert-base-uncased": {"js": True}, "tiny": {"cls_id": 1, "sep_id": 2, "punct_ids": [3, 4]}},
            claims=(
                Claim(
                    "attention to [SEP] splits into that of separators and that of the rest",
                    figure="sep = (2 sep_sep + (N-2) rest_sep) / N",
                    check="claims:check_separator_identity",
                ),
                Claim(
                    "uniform attention has entropy log N and JS distance 0 to itself",
                    figure="exact",
                    check="claims:check_uniform",
                ),
                Claim(
                    "a head that points to a fixed offset equals the offset baseline",
                    figure="100% on its relation",
                    check="claims:check_fixed_offset_head",
                ),
                Claim(
                    "ours: statistics of a model of GPT-2's size over 100 texts of 512 tokens need no more memory than "
                    "of one",
                    figure="no figure stated",
                    check="claims:check_memory",
                    slow=True,
                ),
                Claim(
                    "heads of a trained encoder look at separators (here all-MiniLM-L6-v2)",
                    figure="more than 0.5 on [SEP] in layers 5 to 10 of BERT-base",
                    check="claims:check_separators_of_minilm",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "single heads beat offset baselines on relations (here all-MiniLM-L6-v2 on 32 sentences parsed by "
                    "hand)",
                    figure="direct object 86.8, determiner 94.3, object of preposition 76.3, possessive 80.5 for "
                    "BERT-base",
                    check="claims:check_syntax_heads_of_minilm",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "BERT-base layers 5 to 10 put more than half of their attention on [SEP]",
                    figure="more than 0.5",
                    needs="the pre-trained bert-base-uncased",
                ),
                Claim(
                    "single heads beat offset baselines on relations",
                    figure="direct object 86.8 (8-10), determiner 94.3 (8-11), object of preposition 76.3 (9-6)",
                    needs="the Penn Treebank and the pre-trained bert-base-uncased",
                ),
            ),
        ),
        Entry(
            id="bert-look-attention-probe",
            kind="model",
            summary="dependency probe that weighs all attention maps, 290 parameters on BERT-base",
            tags=("interpretability", "syntax", "probe"),
            build="probes:AttentionProbe",
            config="config:AttentionProbeConfig",
            example="probes:attention_probe_example",
            picture="pictures:attention_probe",
            presets={"bert-base": {"num_maps": 144}, "tiny": {"num_maps": 8}},
            claims=(
                Claim(
                    "288 head weights and 2 ROOT scalars on BERT-base",
                    figure="290",
                    check="claims:check_probe_size",
                ),
                Claim(
                    "the probe finds the maps that point to heads",
                    figure="learns a synthetic treebank",
                    check="claims:check_probe_learns",
                ),
                Claim("UAS of the attention-only probe", figure="61", needs="the Penn Treebank"),
            ),
        ),
        Entry(
            id="bert-look-words-probe",
            kind="model",
            summary="dependency probe whose map weights depend on the two words",
            tags=("interpretability", "syntax", "probe"),
            build="probes:WordsProbe",
            config="config:WordsProbeConfig",
            example="probes:words_probe_example",
            picture="pictures:words_probe",
            convert="conversion:convert",
            differences=(
                "The weights of a word pair and the maps stand one column apart in the code, so ROOT is scored with "
                "the first word's weights and the last word with the bias; `align_words=True` is the paper's form.",
            ),
            presets={"bert-base-glove": {}, "tiny": {"num_maps": 8, "dim": 6}},
            claims=(
                Claim(
                    "UAS of the attention-and-words probe",
                    figure="77, against 58 for distances and words and 61 for attention only",
                    needs="the Penn Treebank and GloVe vectors",
                ),
            ),
        ),
        Entry(
            id="bert-look-distance-probe",
            kind="model",
            summary="the dependency baseline without attention: distances and words",
            tags=("interpretability", "syntax", "probe", "baseline"),
            build="probes:DistanceProbe",
            config="config:DistanceProbeConfig",
            example="probes:distance_probe_example",
            picture="pictures:distance_probe",
            presets={"glove": {}, "tiny": {"dim": 6, "hidden": 16}},
        ),
    ),
)
