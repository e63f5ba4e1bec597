"""The facts of Attention Heads of Large Language Models: A Survey."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="attention-heads-survey",
    title="Attention Heads of Large Language Models: A Survey",
    arxiv="2409.03752",
    year=2024,
    code=__package__,
    repo="IAAR-Shanghai/Awesome-Attention-Heads",
    commit="a992ea7",
    fidelity="paper",
    replay="conversion:replay",
    ours=(
        "A bracket of models in the survey's lists covers the names before it that have none.",
        "Formulas and thresholds of the scores; the retrieval score reads the weights where the needle is read again, "
        "not where it is generated.",
        'OV copying speaks for Name Mover Heads; "sink" is a label outside of the survey.',
        "What classes read and write is left empty: the survey's wording is not reproduced.",
    ),
    entries=(
        Entry(
            id="attention-heads-survey",
            kind="taxonomy",
            summary="41 classes of attention heads in four stages and eleven groups, with methods and benchmarks",
            tags=("survey", "interpretability"),
            build="tree:taxonomy",
            config="config:TaxonomyConfig",
            picture="pictures:stages",
            claims=(
                Claim(
                    "every class of heads belongs to one of four stages and one group of functions",
                    figure="4 stages, 11 groups, 41 classes",
                    check="claims:check_taxonomy",
                ),
            ),
        ),
        Entry(
            id="attention-heads-survey-scores",
            kind="probe",
            summary="scores that find previous-token, duplicate, induction, retrieval, copying and sink heads",
            tags=(
                "interpretability",
                "training-free",
                "previous-head",
                "duplicate-head",
                "induction-head",
                "retrieval-head",
                "name-mover-head",
                "successor-head",
                "letter-mover-head",
            ),
            build="scores:HeadScorer",
            config="config:HeadScoresConfig",
            example="scores:example",
            picture="pictures:scores",
            presets={"tiny": {"repeat_length": 10, "prompts": 2, "copy_tokens": 0}},
            claims=(
                Claim(
                    "scores find planted heads",
                    figure="by construction 1, a uniform head 1/T or so",
                    check="claims:check_planted",
                ),
                Claim(
                    "previous, induction and retrieval heads are there in a trained Llama",
                    figure="found in the families listed; no numbers stated",
                    check="claims:check_smollm2",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "successor heads are there in a trained Llama",
                    figure="found in the families listed; no numbers stated",
                    check="claims:check_successors_of_smollm2",
                    slow=True,
                    real=True,
                ),
            ),
        ),
        Entry(
            id="attention-heads-survey-replacement",
            kind="method",
            summary="zero, mean and patch ablation of heads, added directions, and direct and indirect effects",
            tags=("interpretability", "training-free", "erasure"),
            build="replacement:HeadReplacement",
            config="config:HeadReplacementConfig",
            example="replacement:example",
            picture="pictures:replacement",
            presets={"zero": {}, "mean": {"how": "mean"}, "patch": {"how": "patch"}},
            claims=(
                Claim(
                    "zero, mean and patch ablation coincide when the references are zero, constant or equal",
                    figure="exact",
                    check="claims:check_replacements",
                ),
                Claim(
                    "without the planted induction head a model repeats nothing, with that of another run it gives its "
                    "answers; idle heads change nothing",
                    figure="by construction",
                    check="claims:check_planted_replacement",
                ),
                Claim(
                    "patching a few heads turns the answers of a trained model, patching as many others does not (here "
                    "SmolLM2-135M on indirect objects)",
                    figure="found in the families listed; no numbers stated",
                    check="claims:check_patching_smollm2",
                    slow=True,
                    real=True,
                ),
            ),
        ),
    ),
)
