"""The facts of the Only Connect Wall: what it offers and claims."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="only-connect-wall",
    title="Large Language Models are Fixated by Red Herrings: Exploring Creative Problem Solving and Einstellung "
    "Effect using the Only Connect Wall Dataset",
    arxiv="2306.11167",
    year=2023,
    code=__package__,
    license="MIT",
    repo="TaatiTeam/OCW",
    commit="d092d89",
    fidelity="reference",
    replay="conversion:replay",
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
            build="benchmark:OnlyConnectWall",
            config="config:OnlyConnectWallConfig",
            example="benchmark:example",
            picture="pictures:wall",
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
                    check="claims:check_invariance",
                ),
                Claim(
                    "one swap of two words between two groups",
                    figure="AMI 0.7173, ARI 0.6875, FMS 0.75, WD 0.125, 2 correct groups",
                    check="claims:check_one_swap",
                ),
                Claim(
                    "the perfectly transposed wall scores below chance",
                    figure="AMI -0.3937, ARI -0.25, FMS 0, WD 1",
                    check="claims:check_transposed",
                ),
                Claim(
                    "removing red herrings makes walls easier for a clustering of embeddings",
                    figure="mean correct groups strictly higher on the mixed copy",
                    check="claims:check_red_herrings",
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
