"""The facts of VISIT."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="visit",
    title=("Interpreting Transformer's Attention Dynamic Memory and Visualizing the Semantic Information Flow of GPT"),
    arxiv="2305.13417",
    year=2023,
    code=__package__,
    license="MIT",
    repo="shacharKZ/VISIT-Visualizing-Transformers",
    commit="046b460",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "For GPT-2 the reference multiplies a head's query with rows of W_K instead of columns, for models of Linear "
        "the key with the wrong side of W_Q; `compat=reference` does too, the correct products are the default.",
        "The reference keeps the norm of the first block's input for the edges into the next one; so does "
        "`compat=reference`.",
        "Heads' outputs before W_O are read by the lens too, although they lie in another space.",
    ),
    ours=(
        "Queries and keys are those before rotary positions, which have one direction for all offsets.",
        "Grouped heads read through their shared key and value; of gated feed-forward networks the gate is the key.",
        "Blocks whose parts read the same state through two norms (GPT-NeoX) beside those with one (GPT-J).",
        "The interactive page.",
    ),
    entries=(
        Entry(
            id="visit",
            kind="probe",
            summary="the forward pass at the last token as a graph of states read as tokens, with an interactive page",
            tags=("interpretability", "visualisation", "logit-lens", "language-model", "training-free"),
            build="probe:Visit",
            config="config:VisitConfig",
            example="probe:example",
            picture="claims:picture",
            presets={
                "paper": {},
                "reference": {"compat": "reference"},
                "tiny": {"heads": 3, "top_neurons": 4, "bottom_neurons": 2, "top_tokens": 5},
            },
            claims=(
                Claim(
                    "head outputs projected by W_O sum to the attention output minus its bias",
                    figure="exact",
                    check="claims:check_heads_sum",
                ),
                Claim(
                    "memory values weighted by attention sum to the head output",
                    figure="exact",
                    check="claims:check_memory_values",
                ),
                Claim(
                    "scores can be read as dot products in embedding space",
                    figure="exact up to the bias",
                    check="claims:check_scores",
                ),
                Claim(
                    "layer norms act as semantic filters",
                    figure="top tokens before and after differ; no figure stated",
                    check="claims:check_norms_filter",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "values of some heads decode to the token that they attend to",
                    figure="shown for GPT-2; no figure stated",
                    check="claims:check_values_decode",
                    slow=True,
                    real=True,
                ),
            ),
        ),
    ),
)
