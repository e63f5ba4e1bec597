"""The facts of Unveiling Simplicities of Attention: Adaptive Long-Context Head Identification."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="adaptive-long-context-heads",
    title="Unveiling Simplicities of Attention: Adaptive Long-Context Head Identification",
    arxiv="2502.09647",
    year=2025,
    code=__package__,
    fidelity="reconstruction",
    replay="conversion:replay",
    ours=(
        "The criterion follows the abstract, reviews and our knowledge; 1024 local keys, where moments come from and "
        "what thresholds measure (the retained share) are not from the text.",
        "Moments are of the window's recent keys without sinks, or of calibration keys; keys of all rotary positions "
        "are mixed as they are.",
        "Decisions of a dense run applied together, and layers that decide as they run, are both offered.",
        "By default weights are computed densely and then cut to the window, which shows what decisions do to a model "
        "and saves no time; `skip=True` computes windows alone where they are enough.",
    ),
    entries=(
        Entry(
            id="adaptive-long-context-heads",
            kind="method",
            summary="decides for every head and query whether a local window is enough, from moments of few keys",
            tags=("interpretability", "long-context", "sparse", "local", "training-free", "efficient"),
            build="method:AdaptiveLongContextHeads",
            config="config:AdaptiveLongContextHeadsConfig",
            example="method:example",
            picture="pictures:decisions",
            presets={
                "paper": {},
                "oracle": {"criterion": "oracle"},
                "static": {"criterion": "static"},
                "tiny": {"sink": 2, "local": 8},
            },
            claims=(
                Claim(
                    "if keys are Gaussian the estimate of the bulk's mass is exact in expectation",
                    figure="log mean exp(s) = mu + sigma^2 / 2",
                    check="claims:check_gaussian_keys",
                ),
                Claim(
                    "the decision's cost does not grow with the sequence",
                    figure="O(d^2) per head and query against O(T d)",
                    check="claims:check_cost",
                    slow=True,
                ),
                Claim(
                    "ours: attention that skips the bulk of local heads computes the same, in less time",
                    figure="no figure stated",
                    check="claims:check_skipping",
                    slow=True,
                ),
                Claim(
                    "query-adaptive labels reach higher sparsity than static ones at equal quality, on planted heads",
                    figure="about 80 to 90% local against about 60% on RULER and LongBench",
                    check="claims:check_planted_mixture",
                ),
                Claim(
                    "tau = 0 keeps every head local, tau > 1 keeps the full model",
                    figure="exact",
                    check="claims:check_extremes",
                ),
                Claim(
                    "QAdA is near the oracle, and adaptive labels are sparser than static ones at equal loss",
                    figure="on Llama, Mistral and Qwen; no figure stated",
                    check="claims:check_smollm2",
                    slow=True,
                    real=True,
                ),
            ),
        ),
    ),
)
