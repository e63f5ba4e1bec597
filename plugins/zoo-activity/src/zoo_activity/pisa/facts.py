"""The facts of PISA."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="pisa",
    title="Transformers Meet ACT-R: Repeat-Aware and Sequential Listening Session Recommendation",
    arxiv="2408.16578",
    year=2024,
    code=__package__,
    license="CC-BY-NC-4.0",
    repo="deezer/recsys24-pisa",
    commit="afe264f",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The paper weighs tracks by their share of activation; the code raises activations to an exponent, "
        "`flatten`, of 0.5 first.",
        "Where a target session is padded, the authors' session loss is NaN and is dropped for the whole batch; here "
        "padded targets are left out, and `strict_reference_loss` is theirs.",
        "The authors' checkpoints also hold a user table and a pair of weights, never read and not here.",
        "The session loss divides by the number of targets twice, as the code does.",
    ),
    ours=(
        "With base level as the only activation, tracks are weighed by it as it is: no exponent, no normalisation.",
        "Without `causal` sessions see all others; without `input_scale` embeddings are not multiplied.",
        "PISA-artist, the same mechanism on artists, is not offered.",
        "No weights: Last.fm 1B and Deezer's sessions are in no package that is installed; the number of tracks is a "
        "default of ours.",
    ),
    entries=(
        Entry(
            id="pisa",
            kind="model",
            summary="recommends the tracks of a user's next listening session, repeated ones among them",
            tags=("activity", "recommendation", "sequential", "transformer", "self", "memory"),
            build="network:PISA",
            picture="pictures:memory",
            config="config:PISAConfig",
            example="network:example",
            convert="conversion:convert",
            presets={
                "lfm1b": {},
                "deezer": {"max_length": 30, "lambda_ls": 0.4, "negatives": "uniform"},
                "tiny": {
                    "num_items": 40,
                    "dim": 16,
                    "max_length": 5,
                    "session_length": 6,
                    "num_favorites": 4,
                },
            },
            claims=(
                Claim(
                    "base-level activation prefers recent and frequent tracks",
                    figure="monotone",
                    check="claims:check_base_level",
                ),
                Claim(
                    "session weights are a distribution",
                    figure="positive, sum 1; exponent 0 the uniform mean, 1 raw shares",
                    check="claims:check_distribution",
                ),
                Claim(
                    "causal: the representation of a step ignores later sessions",
                    figure="exact",
                    check="claims:check_causal",
                ),
                Claim(
                    "repeats can be recommended: the long-term term lifts a user's top activations",
                    figure="scores with lambda_ls 0 and 0.5",
                    check="claims:check_repeats",
                ),
            ),
        ),
    ),
)
