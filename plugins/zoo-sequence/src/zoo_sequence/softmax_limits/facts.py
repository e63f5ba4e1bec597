"""The facts of Limitations of Normalization in Attention Mechanism."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Traits

PAPER = Paper(
    id="softmax-limits",
    title="Limitations of Normalization in Attention Mechanism",
    arxiv="2508.17821",
    year=2025,
    code=__package__,
    fidelity="paper",
    replay="conversion:replay",
    entries=(
        Entry(
            id="softmax-limits",
            kind="probe",
            summary="how many tokens a head can select before selected and rest become indistinguishable",
            tags=("theory", "softmax", "interpretability", "normalisation"),
            build="probe:SoftmaxLimits",
            config="config:SoftmaxLimitsConfig",
            example="probe:example",
            picture="pictures:separability",
            requires=("transformers",),
            differences=(
                "The stated gradient bound 1/(4T) holds for the entries of the Jacobian; its spectral norm can reach "
                "1/(2T).",
                "The distance is defined as the norm of a sum in one place and as a sum of norms in another: both are "
                "offered.",
            ),
            ours=(
                "The triangle bound and the random-set identity replace theorems whose constants were not available.",
            ),
            claims=(
                Claim(
                    "vanishing attention: bounded logits give weights between C1/L and C2/L",
                    figure="exp(-2 Delta/T)/L <= alpha <= exp(2 Delta/T)/L on every row",
                    check="claims:check_vanishing_attention",
                ),
                Claim(
                    "the softmax gradient is of order 1/T",
                    figure="entries <= 1/(4T), spectral norm <= 1/(2T), attained by two equal tokens",
                    check="claims:check_gradient_bounds",
                ),
                Claim(
                    "distance collapse: with N proportional to L selected and rest come closer",
                    figure="0.26, 0.14, 0.070, 0.051 for L = 32, 128, 512, 1024 (random unit vectors)",
                    check="claims:check_distance_collapse",
                ),
                Claim(
                    "geometric separability of random unit vectors falls with the length",
                    figure="0.97, 0.58, 0.28, 0.20 for L = 32, 128, 512, 1024",
                    check="claims:check_separability",
                ),
                Claim(
                    "geometric separability saturates on a trained model",
                    figure="0.70 to 0.85 on pre-trained GPT-2",
                    needs="the pre-trained GPT-2",
                ),
                Claim(
                    "the gradient norm grows like 1/T at low temperature",
                    figure="log-log slope about -1 for T in 1..0.1 on logits with near ties",
                    check="claims:check_low_temperature_gradient",
                ),
            ),
        ),
        Entry(
            id="softmax-limits-attention",
            kind="attention",
            summary="standard attention with the normalisers that are recommended instead of softmax",
            tags=("self", "single-level", "soft", "single", "scaled-dot", "softmax", "sparse", "normalisation"),
            traits=Traits(causal="optional", time="n^2", memory="n", decoding="cache"),
            build="attention:NormalisedAttention",
            config="config:NormalisedAttentionConfig",
            example="attention:attention_example",
            functional="attention:normalised_attention",
            ours=(
                "The alternative normalisers, all divided by their sum (the published self-adjusted softmax is not), "
                "and the attention layer that offers them.",
            ),
            presets={
                "scalable-softmax": {"normaliser": "scalable-softmax"},
                "self-adjusted-softmax": {"normaliser": "self-adjusted-softmax"},
                "sparsemax": {"normaliser": "sparsemax"},
                "entmax15": {"normaliser": "entmax15"},
                "sigmoid": {"normaliser": "sigmoid"},
            },
            claims=(
                Claim(
                    "length-aware and sparse normalisers stay sharp where softmax vanishes",
                    figure="softmax at most exp(2 Delta/T)/L; scalable softmax, sparsemax and entmax near 1",
                    check="claims:check_alternatives",
                ),
            ),
        ),
    ),
)
