"""What this plugin offers: facts only, light to import."""

from __future__ import annotations

from collections.abc import Iterator

from zoo import Claim, Entry, Paper, hookimpl

BERT_LOOK = Paper(
    id="bert-look",
    title="What Does BERT Look At? An Analysis of BERT's Attention",
    arxiv="1906.04341",
    year=2019,
    license="MIT",
    repo="clarkkev/attention-analysis",
    commit="b609cfc",
    fidelity="reference",
    replay="zoo_interpret.bert_look:replay",
    differences=(
        "In the authors' words probe the weights of a word pair and the maps stand one column apart, so ROOT is scored "
        "with the first word's weights and the last word with the bias; `align_words=True` is the paper's form.",
        "The code takes the first piece's row of a word by default, the paper the mean; the mean is the default here.",
        "Jensen-Shannon distances are summed over documents, not averaged; `reduce` chooses.",
        "The [SEP] denominators assume exactly two separators; `separators=count` uses the true number.",
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
            tags=("interpretability", "visualisation", "syntax", "self", "encoder"),
            build="zoo_interpret.bert_look:BertLook",
            config="zoo_interpret.bert_look:BertLookConfig",
            example="zoo_interpret.bert_look:example",
            presets={"bert-base-uncased": {}, "tiny": {"cls_id": 1, "sep_id": 2, "punct_ids": [3, 4]}},
            claims=(
                Claim(
                    "attention to [SEP] splits into that of separators and that of the rest",
                    figure="sep = (2 sep_sep + (N-2) rest_sep) / N",
                    check="zoo_interpret.bert_look.claims:check_separator_identity",
                ),
                Claim(
                    "uniform attention has entropy log N and JS distance 0 to itself",
                    figure="exact",
                    check="zoo_interpret.bert_look.claims:check_uniform",
                ),
                Claim(
                    "a head that points to a fixed offset equals the offset baseline",
                    figure="100% on its relation",
                    check="zoo_interpret.bert_look.claims:check_fixed_offset_head",
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
            build="zoo_interpret.bert_look:AttentionProbe",
            config="zoo_interpret.bert_look:AttentionProbeConfig",
            example="zoo_interpret.bert_look:attention_probe_example",
            presets={"bert-base": {"num_maps": 144}, "tiny": {"num_maps": 8}},
            claims=(
                Claim(
                    "288 head weights and 2 ROOT scalars on BERT-base",
                    figure="290",
                    check="zoo_interpret.bert_look.claims:check_probe_size",
                ),
                Claim(
                    "the probe finds the maps that point to heads",
                    figure="learns a synthetic treebank",
                    check="zoo_interpret.bert_look.claims:check_probe_learns",
                ),
                Claim("UAS of the attention-only probe", figure="61", needs="the Penn Treebank"),
            ),
        ),
        Entry(
            id="bert-look-words-probe",
            kind="model",
            summary="dependency probe whose map weights depend on the two words",
            tags=("interpretability", "syntax", "probe"),
            build="zoo_interpret.bert_look:WordsProbe",
            config="zoo_interpret.bert_look:WordsProbeConfig",
            example="zoo_interpret.bert_look:words_probe_example",
            convert="zoo_interpret.bert_look:convert",
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
            build="zoo_interpret.bert_look:DistanceProbe",
            config="zoo_interpret.bert_look:DistanceProbeConfig",
            example="zoo_interpret.bert_look:distance_probe_example",
            presets={"glove": {}, "tiny": {"dim": 6, "hidden": 16}},
        ),
    ),
)

SIXTEEN_HEADS = Paper(
    id="sixteen-heads",
    title="Are Sixteen Heads Really Better than One?",
    arxiv="1905.10650",
    year=2019,
    license="MIT",
    repo="pmichel31415/are-16-heads-really-better-than-1",
    commit="c47e202",
    fidelity="reference",
    replay="zoo_interpret.sixteen_heads:replay",
    differences=(
        "The paper takes the absolute value per example; the code takes it per token position and divides the last "
        "layer by the number of examples. The code's form is the default, `per=example` is the paper's.",
    ),
    ours=(
        "Structural removal for transformers models with separate projections; models with fused projections, grouped "
        "key/value heads or position biases that layers share are gated only.",
        "Losses are those that transformers models return for their labels: plain cross entropy, also in generation.",
    ),
    entries=(
        Entry(
            id="sixteen-heads",
            kind="method",
            summary="gate, rank, ablate and remove attention heads of trained transformers models",
            tags=("interpretability", "erasure", "pruning", "training-free"),
            build="zoo_interpret.sixteen_heads:SixteenHeads",
            config="zoo_interpret.sixteen_heads:SixteenHeadsConfig",
            example="zoo_interpret.sixteen_heads:example",
            presets={
                "paper": {},
                "script": {
                    "percents": [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 100]
                },
            },
            claims=(
                Claim(
                    "masking a head equals removing its rows and columns",
                    figure="largest logit difference < 1e-5",
                    check="zoo_interpret.sixteen_heads.claims:check_masking_equals_removal",
                ),
                Claim(
                    "importance is the first-order estimate of the loss change: gate gradients and contexts agree",
                    figure="equal",
                    check="zoo_interpret.sixteen_heads.claims:check_gate_gradients",
                ),
                Claim(
                    "the importance ordering beats its reverse when pruning a trained model",
                    figure="20 to 40% of heads removable with little loss",
                    check="zoo_interpret.sixteen_heads.claims:check_ordering",
                    slow=True,
                ),
                Claim(
                    "one head is enough in most layers except the last encoder-decoder attention",
                    figure="0.1 to 1 BLEU in most layers, 13.56 in the last",
                    needs="WMT data and the trained translation model",
                ),
            ),
        ),
    ),
)


@hookimpl
def zoo_papers() -> Iterator[Paper]:
    """The papers of this plugin, in alphabetical order of id."""
    yield BERT_LOOK
    yield SIXTEEN_HEADS
