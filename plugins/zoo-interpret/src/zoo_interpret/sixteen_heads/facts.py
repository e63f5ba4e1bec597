"""The facts of Are Sixteen Heads Really Better than One?."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="sixteen-heads",
    title="Are Sixteen Heads Really Better than One?",
    arxiv="1905.10650",
    year=2019,
    code=__package__,
    license="MIT",
    repo="pmichel31415/are-16-heads-really-better-than-1",
    commit="c47e202",
    fidelity="reference",
    replay="conversion:replay",
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
            build="method:SixteenHeads",
            config="config:SixteenHeadsConfig",
            example="method:example",
            picture="pictures:curves",
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
                    check="claims:check_masking_equals_removal",
                ),
                Claim(
                    "importance is the first-order estimate of the loss change: gate gradients and contexts agree",
                    figure="equal",
                    check="claims:check_gate_gradients",
                ),
                Claim(
                    "the planted useful heads are ranked first, and importance prunes in the order of exact ablation",
                    figure="by construction",
                    check="claims:check_planted_heads",
                ),
                Claim(
                    "the importance ordering beats its reverse when pruning a trained model",
                    figure="20 to 40% of heads removable with little loss",
                    check="claims:check_ordering",
                    slow=True,
                ),
                Claim(
                    "a part of the heads of a trained model can go with little loss (here SmolLM2-135M)",
                    figure="up to about 20% on WMT and 40% on BERT",
                    check="claims:check_smollm2",
                    slow=True,
                    real=True,
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
