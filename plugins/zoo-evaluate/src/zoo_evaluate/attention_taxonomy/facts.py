"""The facts of An Attentive Survey of Attention Models."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Traits

PAPER = Paper(
    id="attention-taxonomy",
    title="An Attentive Survey of Attention Models",
    arxiv="1904.02874",
    year=2021,
    code=__package__,
    fidelity="paper",
    ours=(
        "The fields complexity, inductive_bias, training and evidence, the architecture values state-space and "
        "token-mixer, and the application language-model.",
        "Values of the worked examples where the survey gives several or none.",
        "In attention-core phi(x) = elu(x) + 1 is the kernel's map, keys and their squares are the features of "
        "feature-based alignment, and the activation of activated-general acts on the energy.",
    ),
    entries=(
        Entry(
            id="attention-taxonomy",
            kind="taxonomy",
            summary="the survey's classification of attention as a tree of terms, with validated records",
            tags=("survey",),
            build="tree:taxonomy",
            config="config:TaxonomyConfig",
            picture="pictures:tree",
            claims=(
                Claim(
                    "every catalogue entry of kind attention has a value on each of the four axes",
                    figure="validator passes",
                    check="claims:check_catalogue",
                ),
                Claim(
                    "the worked examples round-trip through the validator",
                    figure="all",
                    check="claims:check_examples",
                ),
            ),
        ),
        Entry(
            id="attention-core",
            kind="attention",
            aliases=("attention-taxonomy-core",),
            summary="generic attention with twelve alignment and ten distribution functions as parts",
            tags=("distinctive", "self", "single-level", "soft", "single", "scaled-dot", "softmax", "other"),
            traits=Traits(
                causal="optional",
                time="n^2",
                memory="n^2",
                decoding="recompute",
                parameters="no projections; those of the alignment function",
            ),
            build="core:AttentionCore",
            config="config:AttentionCoreConfig",
            example="core:example",
            picture="pictures:distributions",
            presets={
                "bahdanau": {"alignment": "additive"},
                "luong-general": {"alignment": "general"},
                "luong-local": {"alignment": "general", "distribution": "gaussian-window", "window": 10},
                "transformer": {"alignment": "scaled-dot"},
                "disan": {"alignment": "additive", "feature_wise": True},
            },
            claims=(
                Claim(
                    "scaled dot is dot / sqrt(d); biased general without bias is general; general with W = I is dot; "
                    "activated general with the identity is biased general",
                    figure="exact identities",
                    check="claims:check_identities",
                ),
                Claim(
                    "weights of q = (1,0) over (1,0), (0,1), (1,1) for dot, scaled dot, cosine and additive",
                    figure="1e-5",
                    check="claims:check_tiny_cases",
                ),
                Claim(
                    "sparsemax of (2, .5, .1), (1, 0, 1) and (.5, .4, .1)",
                    figure="(1, 0, 0), (.5, 0, .5), itself",
                    check="claims:check_sparsemax",
                ),
            ),
        ),
    ),
)
