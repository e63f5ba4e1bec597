"""The facts of ATHENA."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="athena",
    title="ATHENA: Mathematical Reasoning with Thought Expansion",
    arxiv="2311.01036",
    year=2023,
    code=__package__,
    license="MIT",
    repo="the-jb/athena-math",
    commit="31a10b5",
    fidelity="reference",
    replay="conversion:replay",
    entries=(
        Entry(
            id="athena",
            kind="model",
            summary="solver of word problems: expressions over a language model's states are expanded, kept or dropped",
            tags=("reasoning", "mathematics", "cross-attention", "distinctive", "single-level", "soft"),
            build="network:Athena",
            config="config:AthenaConfig",
            example="network:example",
            picture="pictures:expansion",
            convert="conversion:convert",
            ours=(
                "The language model is not part of the entry: any encoder of transformers gives its last hidden states "
                "(`problems.solve_text`). Without a trained one there are no weights here.",
                "limit_thoughts ends an expansion that explodes, as it does without training.",
                "forward judges the first round of a batch; whole problems are solved one at a time.",
                "The authors' stochastic weight averaging is left to the trainer.",
            ),
            presets={
                "athena-base": {},
                "athena-large": {"lm_hidden_size": 1024, "num_heads": 16, "ff_size": 4096},
                "tiny": {"lm_hidden_size": 32, "num_heads": 4, "ff_size": 64, "max_depth": 3},
            },
            claims=(
                Claim(
                    "closure: every expression over the numbers built from + - * / is reached at a finite depth",
                    figure="n0+n1*n2 found at round 4",
                    check="claims:check_closure",
                ),
                Claim(
                    "canonical thoughts: commutative and associative duplicates are generated once",
                    figure="n0+n1 equals n1+n0; (n0+n1)+n2 equals n0+(n1+n2)",
                    check="claims:check_canonical",
                ),
                Claim(
                    "permutation: the embedding of a two-operand thought is symmetric in its operands",
                    figure="max diff < 1e-6",
                    check="claims:check_symmetric",
                ),
                Claim(
                    "pruned expansion stays small when the reasoner is trained: it learns to keep only valid thoughts",
                    figure="accuracy > 95%",
                    check="claims:check_learns_to_prune",
                    slow=True,
                ),
                Claim(
                    "RoBERTa-large on MAWPS, ASDiv-A, Math23k, SVAMP and UnbiasedMWP",
                    figure="93.0, 91.0, 86.5, 54.8, 42.0% of problems",
                    needs="RoBERTa and these data sets",
                ),
            ),
        ),
    ),
)
