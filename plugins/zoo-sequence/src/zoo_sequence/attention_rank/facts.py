"""The facts of On the Benefits of Rank in Attention Layers."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_SMALL_ENCODER = {
    "dim": 8,
    "num_points": 6,
    "num_layers": 2,
    "num_heads": 2,
    "width_multiplier": 3,
    "hidden_dim": 24,
}

PAPER = Paper(
    id="attention-rank",
    title="On the Benefits of Rank in Attention Layers",
    arxiv="2407.16153",
    year=2024,
    code=__package__,
    repo="NoahAmsel/attention-formers",
    commit="24a779c",
    fidelity="reference",
    replay="conversion:replay",
    entries=(
        Entry(
            id="attention-rank",
            kind="benchmark",
            summary="find the nearest point: a synthetic test of head rank against number of heads",
            tags=("theory", "synthetic", "retrieval"),
            build="benchmark:NearestPoint",
            config="config:NearestPointConfig",
            example="benchmark:benchmark_example",
            picture="pictures:bounds",
            ours=(
                "Accuracy, beside the paper's error: the share of answers that lie nearest to the target, and twice as "
                "near as any multiple of the query.",
            ),
            differences=(
                "The paper's target is the nearest point; where points query themselves the code takes the farthest.",
            ),
            requires=("scipy",),
            presets={
                "fig1": {"dim": 64, "num_points": 16, "num_queries": -1},
                "figN": {"dim": 64, "num_points": 4, "num_queries": -1},
                "fig-d": {"dim": 16, "num_points": 16, "num_queries": -1},
                "posn": {"dim": 64, "num_points": 16, "num_queries": -1},
                "tiny": {"dim": 8, "num_points": 6, "num_queries": -1},
            },
            claims=(
                Claim(
                    "rank-1 heads need exponentially many in d: best combination of H random rank-1 hard heads",
                    figure="d=2: 0.25, 0.080, 0.033 for H = 8, 64, 512; d=8, H=64: 0.39",
                    check="claims:check_rank_one_heads",
                ),
                Claim(
                    "lower bound: an error below a constant needs exponentially many rank-1 heads, whatever they are",
                    figure="exp(Omega(d)) heads even at N = 2",
                    check="claims:check_lower_bound",
                ),
            ),
        ),
        Entry(
            id="attention-rank-heads",
            kind="model",
            summary="attention with a chosen number of heads of a chosen rank, and its exact constructions",
            tags=("theory", "distinctive", "softmax", "hard", "scaled-dot"),
            build="heads:RankHeads",
            config="config:RankHeadsConfig",
            example="heads:heads_example",
            picture="pictures:heads",
            differences=(
                "In the authors' constructions Q and K may share storage, so that a temperature scales both; here it "
                "scales Q.",
            ),
            train="training:train",
            presets={
                "tiny": {"dim": 8, "rank": 2, "num_heads": 4},
                "full-rank": {"dim": 8, "rank": 8, "num_heads": 1},
                "low-rank": {"dim": 8, "rank": 2, "num_heads": 4},
                "exact": {"dim": 8, "rank": 8, "num_heads": 1, "hard": True, "construction": "exact"},
            },
            weights={
                "full-rank": Weights(
                    "package://zoo_sequence/weights/attention-rank-heads-full-rank.safetensors",
                    sha256="c3e02b82c9adfa42b4ceda81ef0fcf0eff031e397eaf72f7a33cf47abc662a34",
                    size=960,
                    license="Apache-2.0",
                    metric="error 0.026 on the nearest of four points, d = 8; right point in 95.9%",
                    command="zoo train attention-rank-heads/full-rank",
                ),
                "low-rank": Weights(
                    "package://zoo_sequence/weights/attention-rank-heads-low-rank.safetensors",
                    sha256="aee34f7036b3a9263d6423bf97fc12898b7d64b8ea7176a077de55a79185d1d4",
                    size=1728,
                    license="Apache-2.0",
                    metric="error 0.45 on the nearest of four points, d = 8; right point in 11.2%",
                    command="zoo train attention-rank-heads/low-rank",
                ),
            },
            claims=(
                Claim(
                    "one full-rank hard head represents the nearest point exactly for any number of points",
                    figure="error 0",
                    check="claims:check_exact_construction",
                ),
                Claim(
                    "a full-rank softmax head approaches the target as its temperature grows",
                    figure="below 1e-2 on separated points at 1e3",
                    check="claims:check_temperature",
                ),
                Claim(
                    "with r H = d one full-rank head wins clearly, and 4x more rank-1 heads do not repair it",
                    figure="N=2: 0.04, 0.20, 0.28, 0.20, 0.18; N=8: 0.08, 0.43, 0.48, 0.49, 0.45",
                    check="claims:check_rank_against_heads",
                    slow=True,
                ),
            ),
        ),
        Entry(
            id="attention-rank-encoder",
            kind="model",
            summary="post-norm encoder whose layers average several independent multi-head attentions",
            tags=("theory", "self", "softmax", "scaled-dot", "transformer"),
            build="encoder:RankEncoder",
            config="config:RankEncoderConfig",
            example="encoder:encoder_example",
            picture="pictures:encoder",
            differences=("The authors' layer inherits an attention that it never uses; it is left out here.",),
            train="training:train_preset_encoder",
            presets={
                "fig1": {"dim": 64, "num_points": 16, "num_layers": 1, "num_heads": 2, "width_multiplier": 1},
                "figN": {"dim": 64, "num_points": 4, "num_layers": 2, "num_heads": 1, "width_multiplier": 64},
                "fig-d": {"dim": 16, "num_points": 16, "num_layers": 2, "num_heads": 1, "width_multiplier": 8},
                "posn": {
                    "dim": 64,
                    "num_points": 16,
                    "num_layers": 1,
                    "num_heads": 1,
                    "width_multiplier": 1,
                    "positional_dim": 64,
                },
                "tiny": _SMALL_ENCODER,
                "farthest": _SMALL_ENCODER,
            },
            weights={
                "farthest": Weights(
                    "package://zoo_sequence/weights/attention-rank-encoder-farthest.safetensors",
                    sha256="bdf83ab872005d1c128558968ca2cbc642e7f4f1768fa8c194496bef53204ac3",
                    size=13960,
                    license="Apache-2.0",
                    metric="error 0.34 on the farthest of six points, d = 8; right point in 31.8%",
                    command="zoo train attention-rank-encoder/farthest",
                ),
            },
            claims=(
                Claim(
                    "depth helps low rank at short context",
                    figure="2 layers below 1 layer at N = 2",
                    check="claims:check_depth",
                    slow=True,
                ),
            ),
        ),
    ),
)
