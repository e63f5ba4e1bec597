"""What this plugin offers: facts only, light to import."""

from __future__ import annotations

from collections.abc import Iterator

from zoo import Claim, Entry, Paper, hookimpl

ATTENTION_TAXONOMY = Paper(
    id="attention-taxonomy",
    title="An Attentive Survey of Attention Models",
    arxiv="1904.02874",
    year=2021,
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
            build="zoo_evaluate.attention_taxonomy:taxonomy",
            config="zoo_evaluate.attention_taxonomy:TaxonomyConfig",
            claims=(
                Claim(
                    "every catalogue entry of kind attention has a value on each of the four axes",
                    figure="validator passes",
                    check="zoo_evaluate.attention_taxonomy:check_catalogue",
                ),
                Claim(
                    "the worked examples round-trip through the validator",
                    figure="all",
                    check="zoo_evaluate.attention_taxonomy:check_examples",
                ),
            ),
        ),
        Entry(
            id="attention-core",
            kind="attention",
            aliases=("attention-taxonomy-core",),
            summary="generic attention with twelve alignment and ten distribution functions as parts",
            tags=("distinctive", "self", "single-level", "soft", "single", "scaled-dot", "softmax", "other"),
            build="zoo_evaluate.attention_taxonomy:build_core",
            config="zoo_evaluate.attention_taxonomy:AttentionCoreConfig",
            example="zoo_evaluate.attention_taxonomy:core_example",
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
                    check="zoo_evaluate.attention_taxonomy:check_identities",
                ),
                Claim(
                    "weights of q = (1,0) over (1,0), (0,1), (1,1) for dot, scaled dot, cosine and additive",
                    figure="1e-5",
                    check="zoo_evaluate.attention_taxonomy:check_tiny_cases",
                ),
                Claim(
                    "sparsemax of (2, .5, .1), (1, 0, 1) and (.5, .4, .1)",
                    figure="(1, 0, 0), (.5, 0, .5), itself",
                    check="zoo_evaluate.attention_taxonomy:check_sparsemax",
                ),
            ),
        ),
    ),
)

ONLY_CONNECT_WALL = Paper(
    id="only-connect-wall",
    title="Large Language Models are Fixated by Red Herrings: Exploring Creative Problem Solving and Einstellung "
    "Effect using the Only Connect Wall Dataset",
    arxiv="2306.11167",
    year=2023,
    license="MIT",
    repo="TaatiTeam/OCW",
    commit="d092d89",
    fidelity="reference",
    replay="zoo_evaluate.only_connect_wall:replay",
    ours=(
        "Prompt texts, the parser of answers, the fixation index, and the pooling of contextual vectors.",
        "Predicted groups are padded with fresh labels or cut to four words; repeated unknown words get labels of "
        "their own; a group that is predicted twice is right once.",
        "Walls of WordNet synonyms are built anew from nltk's copy.",
        "The synthetic walls and their embeddings; mixed walls also avoid two groups of one connection.",
        "BERTScore is not rescaled with a baseline, which would need published tables.",
    ),
    entries=(
        Entry(
            id="only-connect-wall",
            kind="benchmark",
            summary="sort sixteen words into four groups despite red herrings: data, metrics, solvers",
            tags=("language-model", "creativity", "fixation"),
            build="zoo_evaluate.only_connect_wall:OnlyConnectWall",
            config="zoo_evaluate.only_connect_wall:OnlyConnectWallConfig",
            example="zoo_evaluate.only_connect_wall:example",
            presets={
                "tiny": {"num_walls": 4},
                "published": {"source": "hf://TaatiTeam/OCW"},
                "randomized": {"source": "hf://TaatiTeam/OCW", "randomized": True},
                "wordnet": {"source": "wordnet", "num_walls": 494},
                "connections": {"source": "hf://TaatiTeam/OCW", "task": "connections"},
            },
            requires=("scipy",),
            claims=(
                Claim(
                    "AMI, ARI, FMS and the counts do not depend on letter case, order of words or order of groups",
                    figure="exact",
                    check="zoo_evaluate.only_connect_wall.claims:check_invariance",
                ),
                Claim(
                    "one swap of two words between two groups",
                    figure="AMI 0.7173, ARI 0.6875, FMS 0.75, WD 0.125, 2 correct groups",
                    check="zoo_evaluate.only_connect_wall.claims:check_one_swap",
                ),
                Claim(
                    "the perfectly transposed wall scores below chance",
                    figure="AMI -0.3937, ARI -0.25, FMS 0, WD 1",
                    check="zoo_evaluate.only_connect_wall.claims:check_transposed",
                ),
                Claim(
                    "removing red herrings makes walls easier for a clustering of embeddings",
                    figure="mean correct groups strictly higher on the mixed copy",
                    check="zoo_evaluate.only_connect_wall.claims:check_red_herrings",
                    slow=True,
                ),
                Claim(
                    "language models solve few walls and more examples do not help",
                    figure="GPT-4 about 7 of 494 walls, humans 285",
                    needs="the published walls and a hosted language model",
                ),
            ),
        ),
    ),
)


@hookimpl
def zoo_papers() -> Iterator[Paper]:
    """The papers of this plugin, in alphabetical order of id."""
    yield ATTENTION_TAXONOMY
    yield ONLY_CONNECT_WALL
