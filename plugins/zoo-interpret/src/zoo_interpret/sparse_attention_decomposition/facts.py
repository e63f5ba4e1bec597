"""The facts of Sparse Attention Decomposition Applied to Circuit Tracing."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="sparse-attention-decomposition",
    title="Sparse Attention Decomposition Applied to Circuit Tracing",
    arxiv="2410.00340",
    year=2024,
    code=__package__,
    license="MIT",
    repo="gaabrielfranco/sparse-attention-decomposition",
    commit="876fcd8",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The reference fixes 64 terms and 12 heads; here they are the model's.",
        "As in the reference a 1 is appended for every upstream head, so that bias terms count once for each head.",
    ),
    ours=(
        "Models with rotary positions or RMS norms, which the paper does not treat: a decomposition for each offset.",
        "Scores that folded weights do not give (norms of queries, biases on scores) are refused by name.",
        "`traced` and `graph`: the recursion from chosen firings, and the graph of all prompts together.",
    ),
    entries=(
        Entry(
            id="sparse-attention-decomposition",
            kind="probe",
            summary="firings of heads as few singular terms, and the upstream heads that wrote them",
            tags=("interpretability", "sparse", "training-free", "circuit", "name-mover-head", "inhibition-head"),
            build="tracing:SparseAttentionDecomposition",
            config="config:SparseAttentionDecompositionConfig",
            example="tracing:example",
            picture="pictures:terms",
            presets={"gpt2": {}},
            claims=(
                Claim(
                    "the terms of the singular decomposition sum to the score before the softmax",
                    figure="error < 1e-3 (the authors' assertion), < 1e-5 relative on tiny models",
                    check="claims:check_terms_sum",
                ),
                Claim(
                    "scores of firing heads are sparsely coded",
                    figure="2.4 to 2.8 of 8 terms on a tiny random model",
                    check="claims:check_sparse",
                ),
                Claim(
                    "scores of firing heads are sparsely coded in a trained model",
                    figure="sparse on GPT-2; no figure stated",
                    check="claims:check_smollm2_terms",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "what a planted induction head finds was written by the previous-token head",
                    figure="by construction all of it",
                    check="claims:check_planted_source",
                ),
                Claim(
                    "removing the kept signal of one upstream head lowers the downstream score",
                    figure="13.92 -> 5.25 in the recording",
                    check="claims:check_ablated_signal",
                    slow=True,
                ),
                Claim(
                    "as many random singular vectors do not have that effect",
                    figure="flat",
                    check="claims:check_random_vectors",
                    slow=True,
                ),
                Claim(
                    "ablating edges into name movers changes the logit difference, boosting has the opposite sign",
                    figure="for 9.6, 9.9, 10.0 of GPT-2; no figure stated",
                    check="claims:check_smollm2_edges",
                    slow=True,
                    real=True,
                ),
            ),
        ),
    ),
)
