"""The facts of Attention: Marginal Probability is All You Need?."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Traits

_EXTENSIONS = "Multihop and expanding attention are extensions of the follow-up paper."

PAPER = Paper(
    id="marginal-attention",
    title="Attention: Marginal Probability is All You Need?",
    arxiv="2304.04556",
    year=2023,
    code=__package__,
    fidelity="paper",
    replay="conversion:replay",
    ours=(
        "Written from the framework as published; the paper's own notation may differ and no code was seen.",
        "Sizes of the presets.",
    ),
    entries=(
        Entry(
            id="marginal-attention",
            kind="attention",
            aliases=("structural-attention",),
            summary="posterior expectation over structures: prior, edge potential and value are plug-ins",
            tags=("self", "single-level", "soft", "single", "scaled-dot", "softmax", "transformer", "theory"),
            traits=Traits(causal="optional", time="n^2", memory="n", decoding="cache"),
            build="layer:StructuralAttention",
            config="config:StructuralAttentionConfig",
            example="layer:example",
            functional="layer:structural_attention",
            convert="conversion:convert",
            ours=(_EXTENSIONS,),
            presets={
                "transformer-encoder": {},
                "transformer-decoder": {"causal": True},
                "graph-attention": {"prior": "uniform", "potential": "dot"},
                "alibi": {"causal": True, "prior": "alibi"},
                "multihop": {"value": "multihop", "multihop_lambda": 1.0},
                "expanding": {"causal": True, "prior": "expanding", "alpha": 1.0, "beta": 9.0, "epsilon": 1e-3},
            },
            claims=(
                Claim(
                    "softmax attention is the posterior expectation of the value under a uniform prior over edges",
                    figure="equal to scaled_dot_product_attention < 1e-6",
                    check="claims:check_softmax_attention",
                ),
                Claim(
                    "causal, local, positional-bias and padding masks are priors over edges",
                    figure="equal to masked or biased softmax < 1e-6",
                    check="claims:check_priors",
                ),
                Claim(
                    "the factorised structure is the product of single-edge posteriors; multihop is exact",
                    figure="equal to enumeration < 1e-6",
                    check="claims:check_enumeration",
                ),
                Claim(
                    "one multihop layer solves pointer chains that one softmax layer cannot",
                    figure="one layer instead of two",
                    check="claims:check_pointer_chains",
                    slow=True,
                ),
                Claim(
                    "the window that expanding attention reads follows the distance of the relevant token",
                    figure="grows with the distance",
                    check="claims:check_expanding_window",
                ),
                Claim(
                    "the cost of expanding attention depends on the input",
                    figure="less than that of reading everything",
                    check="claims:check_expanding_cost",
                    slow=True,
                ),
            ),
        ),
        Entry(
            id="marginal-attention-iterative",
            kind="model",
            aliases=("iterative-attention",),
            summary="inference with latent nodes: Hopfield retrieval, slot attention, predictive coding",
            tags=("theory", "memory-network", "softmax"),
            build="iterative:IterativeAttention",
            config="config:IterativeAttentionConfig",
            example="iterative:iterative_example",
            picture="pictures:iterative",
            ours=("Linear causes in predictive coding.",),
            presets={
                "hopfield": {"form": "hopfield"},
                "slots": {"form": "slots", "num_slots": 7, "dim": 64, "iterations": 3},
                "learned-slots": {"form": "learned-slots", "num_slots": 7, "dim": 64, "iterations": 3},
                "pcn": {"form": "pcn", "num_slots": 4},
            },
            claims=(
                Claim(
                    "iterating attention on the marginal likelihood is modern Hopfield retrieval",
                    figure="energy never increases; fixed point softmax(beta X y) X",
                    check="claims:check_hopfield",
                ),
                Claim(
                    "children choosing among parents gives slot attention (EM)",
                    figure="log marginal likelihood never decreases",
                    check="claims:check_slots",
                ),
                Claim(
                    "precision inference in predictive coding is the same posterior",
                    figure="< 1e-6",
                    check="claims:check_precision",
                ),
            ),
        ),
        Entry(
            id="marginal-attention-lm",
            kind="model",
            summary="language model of structural attention",
            tags=("language-model", "causal", "self", "theory", "transformer"),
            build="language_model:StructuralLanguageModel",
            config="config:StructuralLanguageModelConfig",
            example="language_model:language_model_example",
            picture="pictures:language_model",
            ours=(_EXTENSIONS, "The language model."),
            presets={"tiny": {"dim": 32, "num_heads": 4, "num_layers": 2}},
        ),
    ),
)
