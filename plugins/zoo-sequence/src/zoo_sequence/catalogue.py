"""What this plugin offers: facts only, light to import."""

from __future__ import annotations

from collections.abc import Iterator

from zoo import Claim, Entry, Paper, Weights, hookimpl

_AFA = "zoo_sequence.adaptive_filter_attention"
_AFA_TINY = {"dim": 16, "num_heads": 2, "max_length": 10, "input_norm": "all"}

_AFA_FILTER_2D = Weights(
    "package://zoo_sequence/weights/adaptive-filter-attention-filter-2d.safetensors",
    sha256="a106e3e5ad4c5a1fcc29b9c8d90d7fd0b481fc7b3c981f48c9f5d1fb8821a60a",
    size=529_304,
    license="Apache-2.0",
    metric="mean squared error one step ahead 0.195; raw measurements 4.06, Kalman filter 0.157",
    command="zoo train adaptive-filter-attention/filter-2d",
    note="For the benchmark adaptive-filter-attention-rotation/demo and its map from the plane to 128 channels.",
)

ADAPTIVE_FILTER_ATTENTION = Paper(
    id="adaptive-filter-attention",
    title="Attention as an Adaptive Filter",
    arxiv="2509.04154",
    year=2025,
    repo="PCR-git/Adaptive-Filter-Attention",
    commit="dc4f7b7",
    fidelity="reference",
    replay=f"{_AFA}:replay",
    differences=(
        "In the authors' code the gate's parameters are fixed random tensors of 64 features; here they are parameters.",
        "With separate dynamics the code uses the values' decay for keys at one place; here keys have their own.",
        "With norms for queries and keys only, the code leaves the values undefined; here they stay as projected.",
        "The code's prediction decays by e^mu whatever the step; here it decays over the step by which it rotates.",
        "The code rotates back to time 0; here it is the first time, which differs with rotate_values=False only.",
    ),
    ours=(
        "The form of the learned gate, 1 / (1 + prior) per feature, and the softplus that keeps a prior positive.",
        "Without its squares a residual can fall below -1 / S, where the robust logarithm ends: it is floored there.",
        "The demo's basis, its map to channels, initial states of deviation 5, and the Kalman filter beside it.",
        "Training draws 32 new trajectories every epoch; on 32 fixed ones 1000 epochs overfit.",
        "The full layer has no bias and scale choices; its gate takes the total precision of each feature.",
    ),
    entries=(
        Entry(
            id="adaptive-filter-attention",
            aliases=("afa", "isotropic-afa"),
            kind="attention",
            summary="attention weights as precisions of past values carried forward by learned linear dynamics",
            tags=("self", "single-level", "soft", "single", "softmax", "causal", "complex", "filtering", "theory"),
            build=f"{_AFA}:AdaptiveFilterAttention",
            config=f"{_AFA}:AdaptiveFilterConfig",
            example=f"{_AFA}:example",
            train=f"{_AFA}:train",
            convert=f"{_AFA}:convert",
            presets={"filter-2d": {}, "tiny": _AFA_TINY},
            weights={"filter-2d": _AFA_FILTER_2D},
            claims=(
                Claim(
                    "zero decay, zero process noise, small angles: AFA is complex, rotary dot-product attention",
                    figure="attention maps equal < 1e-4",
                    check=f"{_AFA}.claims:check_rotary_limit",
                ),
                Claim(
                    "the closed-form covariance solves the differential Lyapunov equation",
                    figure="relative error < 1e-3 (Euler, 1e4 steps), < 1e-8 (scipy)",
                    check=f"{_AFA}.claims:check_lyapunov",
                ),
                Claim(
                    "mu -> 0: V = sigma^2 dt + eta^2 + gamma^2",
                    figure="< 1e-6",
                    check=f"{_AFA}.claims:check_undamped_covariance",
                ),
                Claim(
                    "the factorised residual equals the explicit pairwise residual",
                    figure="< 1e-4",
                    check=f"{_AFA}.claims:check_factorised_residual",
                ),
                Claim(
                    "time-shift equivariance",
                    figure="< 1e-5",
                    check=f"{_AFA}.claims:check_time_shift",
                ),
                Claim(
                    "the isotropic variant takes the O(N^2 + N d) memory of attention",
                    figure="no N^2 d tensor",
                    check=f"{_AFA}.claims:check_memory",
                ),
                Claim(
                    "filters a noisy linear system better than an untrained mean",
                    figure="error below raw measurement error after training",
                    check=f"{_AFA}.claims:check_filtering",
                    slow=True,
                ),
            ),
        ),
        Entry(
            id="adaptive-filter-attention-full",
            aliases=("afa-full",),
            kind="attention",
            summary="adaptive filter attention with decay and noise per feature, for short sequences (N <= 128)",
            tags=("self", "single-level", "soft", "multi-dimensional", "softmax", "causal", "complex", "filtering"),
            build=f"{_AFA}:FullAdaptiveFilterAttention",
            config=f"{_AFA}:FullFilterConfig",
            example=f"{_AFA}:example",
            presets={"tiny": _AFA_TINY},
        ),
        Entry(
            id="adaptive-filter-attention-network",
            aliases=("afa-network",),
            kind="model",
            summary="transformer of adaptive filters: noisy trajectories to estimates one step ahead",
            tags=("self", "softmax", "causal", "complex", "filtering", "transformer"),
            build=f"{_AFA}:build_network",
            config=f"{_AFA}:FilterNetworkConfig",
            example=f"{_AFA}:example",
            train=f"{_AFA}:train",
            convert=f"{_AFA}:convert",
            presets={
                "filter-2d": {"num_layers": 0},
                "afa-transformer": {"num_layers": 2, "hidden_dim": 512},
                "tiny": {**_AFA_TINY, "num_layers": 2, "hidden_dim": 24},
            },
            weights={"filter-2d": _AFA_FILTER_2D},
        ),
        Entry(
            id="adaptive-filter-attention-rotation",
            kind="benchmark",
            summary="foretell a damped rotation from noisy measurements, beside a Kalman filter",
            tags=("theory", "synthetic", "filtering"),
            build=f"{_AFA}:NoisyRotation",
            config=f"{_AFA}:NoisyRotationConfig",
            example=f"{_AFA}:rotation_example",
            presets={
                "measurement-noise": {"sigma2": 0.0, "eta2": 1.0},
                "both-noises": {"sigma2": 0.3, "eta2": 0.5},
                "strong-noise": {"sigma2": 0.5, "eta2": 2.0},
                "demo": {"sigma2": 0.0, "eta2": 4.0},
            },
        ),
    ),
)


ATTENTION_RANK = Paper(
    id="attention-rank",
    title="On the Benefits of Rank in Attention Layers",
    arxiv="2407.16153",
    year=2024,
    repo="NoahAmsel/attention-formers",
    commit="24a779c",
    fidelity="reference",
    replay="zoo_sequence.attention_rank:replay",
    differences=(
        "The paper's target is the nearest point; where points query themselves the code takes the farthest.",
        "The authors' encoder layer inherits an attention that it never uses; it is left out here.",
        "In the authors' constructions Q and K may share storage, so that a temperature scales both; here it scales Q.",
    ),
    entries=(
        Entry(
            id="attention-rank",
            kind="benchmark",
            summary="find the nearest point: a synthetic test of head rank against number of heads",
            tags=("theory", "synthetic", "retrieval"),
            build="zoo_sequence.attention_rank:NearestPoint",
            config="zoo_sequence.attention_rank:NearestPointConfig",
            example="zoo_sequence.attention_rank:benchmark_example",
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
                    check="zoo_sequence.attention_rank.claims:check_rank_one_heads",
                ),
                Claim(
                    "lower bound: an error below a constant needs exponentially many rank-1 heads, whatever they are",
                    figure="exp(Omega(d)) heads even at N = 2",
                    check="zoo_sequence.attention_rank.claims:check_lower_bound",
                ),
            ),
        ),
        Entry(
            id="attention-rank-heads",
            kind="model",
            summary="attention with a chosen number of heads of a chosen rank, and its exact constructions",
            tags=("theory", "distinctive", "softmax", "hard", "scaled-dot"),
            build="zoo_sequence.attention_rank:RankHeads",
            config="zoo_sequence.attention_rank:RankHeadsConfig",
            example="zoo_sequence.attention_rank:heads_example",
            train="zoo_sequence.attention_rank:train",
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
                    license="apache-2.0",
                    metric="error 0.026 on the nearest of four points, d = 8; right point in 99.7%",
                    command="zoo train attention-rank-heads/full-rank",
                ),
                "low-rank": Weights(
                    "package://zoo_sequence/weights/attention-rank-heads-low-rank.safetensors",
                    sha256="aee34f7036b3a9263d6423bf97fc12898b7d64b8ea7176a077de55a79185d1d4",
                    size=1728,
                    license="apache-2.0",
                    metric="error 0.45 on the nearest of four points, d = 8; right point in 72.4%",
                    command="zoo train attention-rank-heads/low-rank",
                ),
            },
            claims=(
                Claim(
                    "one full-rank hard head represents the nearest point exactly for any number of points",
                    figure="error 0",
                    check="zoo_sequence.attention_rank.claims:check_exact_construction",
                ),
                Claim(
                    "a full-rank softmax head approaches the target as its temperature grows",
                    figure="below 1e-2 on separated points at 1e3",
                    check="zoo_sequence.attention_rank.claims:check_temperature",
                ),
                Claim(
                    "with r H = d one full-rank head wins clearly, and 4x more rank-1 heads do not repair it",
                    figure="N=2: 0.04, 0.20, 0.28, 0.20, 0.18; N=8: 0.08, 0.43, 0.48, 0.49, 0.45",
                    check="zoo_sequence.attention_rank.claims:check_rank_against_heads",
                    slow=True,
                ),
            ),
        ),
        Entry(
            id="attention-rank-encoder",
            kind="model",
            summary="post-norm encoder whose layers average several independent multi-head attentions",
            tags=("theory", "self", "softmax", "scaled-dot", "transformer"),
            build="zoo_sequence.attention_rank:RankEncoder",
            config="zoo_sequence.attention_rank:RankEncoderConfig",
            example="zoo_sequence.attention_rank:encoder_example",
            train="zoo_sequence.attention_rank:train_preset_encoder",
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
                "tiny": {
                    "dim": 8,
                    "num_points": 6,
                    "num_layers": 2,
                    "num_heads": 2,
                    "width_multiplier": 3,
                    "hidden_dim": 24,
                },
                "farthest": {
                    "dim": 8,
                    "num_points": 6,
                    "num_layers": 2,
                    "num_heads": 2,
                    "width_multiplier": 3,
                    "hidden_dim": 24,
                },
            },
            weights={
                "farthest": Weights(
                    "package://zoo_sequence/weights/attention-rank-encoder-farthest.safetensors",
                    sha256="bdf83ab872005d1c128558968ca2cbc642e7f4f1768fa8c194496bef53204ac3",
                    size=13960,
                    license="apache-2.0",
                    metric="error 0.34 on the farthest of six points, d = 8; right point in 82.6%",
                    command="zoo train attention-rank-encoder/farthest",
                ),
            },
            claims=(
                Claim(
                    "depth helps low rank at short context",
                    figure="2 layers below 1 layer at N = 2",
                    check="zoo_sequence.attention_rank.claims:check_depth",
                    slow=True,
                ),
            ),
        ),
    ),
)


ATTENTION_SDM = Paper(
    id="attention-sdm",
    title="Attention Approximates Sparse Distributed Memory",
    arxiv="2111.05498",
    year=2021,
    license="MIT",
    repo="TrentBrick/attention-approximates-sdm",
    commit="4cb44d8",
    fidelity="reference",
    replay="zoo_sequence.attention_sdm:replay",
    differences=(
        "The authors' beta divides an (N-1)-covariance by an N-variance: N/(N-1) times least squares; both exist.",
        "The authors' cap area adds 2 where log 2 is meant, a factor e^2/2 in absolute counts; here it is right.",
        "The authors' floating-point lune loses digits for large distances; counts here are exact integers.",
    ),
    entries=(
        Entry(
            id="attention-sdm",
            kind="probe",
            aliases=("attention-sdm-probe",),
            summary="the effective beta of every head, and the memory radius it corresponds to",
            tags=("theory", "interpretability", "softmax", "scaled-dot", "memory-network"),
            build="zoo_sequence.attention_sdm:BetaProbe",
            config="zoo_sequence.attention_sdm:ProbeConfig",
            example="zoo_sequence.attention_sdm:probe_example",
            requires=("transformers",),
            claims=(
                Claim(
                    "the intersection of two Hamming balls decays nearly exponentially with their distance",
                    figure="R^2 0.960, 0.972, 0.984, 0.988 for d = 9, 11, 15, 20 at n = 64",
                    check="zoo_sequence.attention_sdm.claims:check_exponential_decay",
                ),
                Claim(
                    "the fitted beta depends on the radius",
                    figure="20.04, 15.85, 10.11, 5.60 for d = 9, 11, 15, 20 at n = 64",
                    check="zoo_sequence.attention_sdm.claims:check_fitted_beta",
                ),
                Claim(
                    "a head of GPT-2 computes softmax(beta cos) with beta = |q||k|/sqrt(d_k)",
                    figure="identity",
                    check="zoo_sequence.attention_sdm.claims:check_heads_are_memories",
                ),
                Claim(
                    "effective betas of GPT-2 heads lie between those of the optimal radii",
                    needs="the pre-trained GPT-2",
                ),
            ),
        ),
        Entry(
            id="attention-sdm-memory",
            kind="model",
            aliases=("sdm",),
            summary="sparse distributed memory: real neurons, exact intersections, or attention",
            tags=("theory", "memory-network", "retrieval", "softmax"),
            build="zoo_sequence.attention_sdm:SparseDistributedMemory",
            config="zoo_sequence.attention_sdm:MemoryConfig",
            example="zoo_sequence.attention_sdm:example",
            presets={
                "canonical": {"n": 1000, "neurons": 1_000_000, "radius": 451},
                "attention-like": {"n": 64, "neurons": 18_446_744_073_709_551_616, "radius": 11},
                "mnist": {"n": 784, "neurons": 10_000, "radius": 340},
                "tiny": {"n": 64, "neurons": 1_000_000, "radius": 20},
            },
            claims=(
                Claim(
                    "retrieval by the memory and by attention with the fitted beta agree",
                    figure="total variation 0.14, 0.12, 0.09, 0.06; both clean up 5 of 64 bits with 40 patterns",
                    check="zoo_sequence.attention_sdm.claims:check_agreement",
                ),
                Claim(
                    "softmax(beta cos) is attention with beta in place of 1/sqrt(d_k)",
                    figure="identity",
                    check="zoo_sequence.attention_sdm.claims:check_hopfield_identity",
                ),
                Claim(
                    "signal-to-noise optimum p* = (2 m r)^(-1/3)",
                    figure="n=64, m=1024, r=2^64: 2.98e-8, radius 11; n=1000, m=1e4, r=1e6: radius 447",
                    check="zoo_sequence.attention_sdm.claims:check_optimal_radius",
                ),
            ),
        ),
        Entry(
            id="attention-sdm-critical-distance",
            kind="benchmark",
            summary="from how many flipped bits a memory still moves closer to what it stores",
            tags=("theory", "memory-network", "retrieval"),
            build="zoo_sequence.attention_sdm:CriticalDistance",
            config="zoo_sequence.attention_sdm:CriticalDistanceConfig",
            example="zoo_sequence.attention_sdm:critical_distance_example",
            presets={
                "canonical": {"n": 1000, "num_patterns": 10_000, "step": 10},
                "attention-like": {"n": 64, "num_patterns": 1024},
                "mnist": {"n": 784, "num_patterns": 100, "step": 8},
                "tiny": {"n": 64, "num_patterns": 40},
            },
            claims=(
                Claim(
                    "binary memory, continuous memory and attention have almost the same critical distance",
                    figure="almost identical curves",
                    check="zoo_sequence.attention_sdm.claims:check_critical_distances",
                    slow=True,
                ),
            ),
        ),
    ),
)


_BETTER_TAGS = ("self", "single-level", "soft", "single", "scaled-dot", "softmax", "multi-head", "causal")
_BETTER_TEXT = {"image_size": None, "vocab_size": 20_000, "num_classes": 2}

BETTER_ATTENTION = Paper(
    id="better-attention",
    title="You Need to Pay Better Attention: Rethinking the Mathematics of Attention Mechanism",
    arxiv="2403.01643",
    year=2024,
    fidelity="paper",
    replay="zoo_sequence.better_attention:replay",
    ours=(
        "No official code was found; the mechanisms follow the paper's equations.",
        "Sizes of the classifier's presets are reconstructions, as are learned positions, ReLU and a dropout of 0.1.",
        "The kernel W_A has no bias, also where the projections have some.",
        "A mask that differs between queries applies to S W_A, so that the kernel carries no hidden value around it.",
        "Converting a standard layer with one head to super attention starts W_A at the identity.",
        "The preset digits and its training.",
    ),
    entries=(
        Entry(
            id="better-attention",
            aliases=("super-attention",),
            kind="attention",
            summary="super attention: no key and value projections, but a learned kernel over the values' positions",
            tags=(*_BETTER_TAGS, "fixed-length"),
            build="zoo_sequence.better_attention:SuperAttention",
            config="zoo_sequence.better_attention:SuperAttentionConfig",
            example="zoo_sequence.better_attention:example",
            convert="zoo_sequence.better_attention:convert_super",
            presets={"tiny": {"dim": 16, "max_length": 9}},
            claims=(
                Claim(
                    "2 d^2 + l^2 parameters: fewer than standard attention where l < sqrt(2) d",
                    figure="3/4 of standard attention at l = d",
                    check="zoo_sequence.better_attention.claims:check_super_parameters",
                ),
                Claim(
                    "with W_A = I it equals efficient attention",
                    figure="< 1e-6",
                    check="zoo_sequence.better_attention.claims:check_identity_kernel",
                ),
            ),
        ),
        Entry(
            id="better-attention-classifier",
            kind="model",
            summary="post-norm classifier of images or texts with standard, optimised, efficient or super attention",
            tags=("self", "transformer", "classification", "vision", "text"),
            build="zoo_sequence.better_attention:BetterAttentionClassifier",
            config="zoo_sequence.better_attention:ClassifierConfig",
            example="zoo_sequence.better_attention:classifier_example",
            train="zoo_sequence.better_attention:train",
            presets={
                "mnist": {},
                "cifar100": {
                    "image_size": 32,
                    "in_channels": 3,
                    "num_classes": 100,
                    "dim": 256,
                    "num_layers": 4,
                    "hidden_dim": 512,
                },
                "imdb": {**_BETTER_TEXT, "max_length": 32, "dim": 32, "hidden_dim": 32},
                "amazon": {**_BETTER_TEXT, "max_length": 64, "dim": 64, "num_layers": 3, "num_classes": 5},
                "tiny": {**_BETTER_TEXT, "vocab_size": 50, "max_length": 9, "dim": 16, "hidden_dim": 16},
                "digits": {"mechanism": "super", "image_size": 8, "patch_size": 2, "dim": 64, "hidden_dim": 64},
            },
            weights={
                "digits": Weights(
                    "package://zoo_sequence/weights/better-attention-classifier-digits.safetensors",
                    sha256="b3e6664b3792905e1b6ee5504a7bebe70f5a2704aafce70b2d52a6d9d3a25b41",
                    size=115_800,
                    license="apache-2.0",
                    metric="96.94% of 360 held-out handwritten digits (the first of five runs)",
                    command="zoo train better-attention-classifier/digits",
                    note="Means of five runs in equal settings: standard, optimised and efficient 98.0%, super 97.9%. "
                    "So small and easy a task does not show the paper's order.",
                ),
            },
            claims=(
                Claim(
                    "optimised and efficient attention are as accurate as standard attention, super attention more",
                    figure="by up to several points (version 2: up to 17% relative, version 3: up to 10%)",
                    needs="MNIST, CIFAR-100, IMDB and Amazon reviews",
                ),
            ),
        ),
        Entry(
            id="better-attention-efficient",
            aliases=("dkv-efficient-attention",),
            kind="attention",
            summary="half the parameters of standard attention: heads read slices of the raw keys and values",
            tags=_BETTER_TAGS,
            build="zoo_sequence.better_attention:DKVEfficientAttention",
            config="zoo_sequence.better_attention:AttentionConfig",
            example="zoo_sequence.better_attention:example",
            convert="zoo_sequence.better_attention:convert_efficient",
            presets={"tiny": {"dim": 16}},
            claims=(
                Claim(
                    "half the parameters of standard attention",
                    figure="exactly 0.5 without bias",
                    check="zoo_sequence.better_attention.claims:check_efficient_parameters",
                ),
                Claim(
                    "with one head, efficient and optimised attention can compute what standard attention computes",
                    figure="W_Q' = W_Q W_K', W_O' = W_V W_O: outputs equal < 1e-5",
                    check="zoo_sequence.better_attention.claims:check_single_head",
                ),
                Claim(
                    "one (optimised) or two (efficient) matrix products fewer, so faster",
                    figure="4 d^2 l multiply-adds become 3 and 2; efficient up to 2x faster at small lengths",
                    check="zoo_sequence.better_attention.claims:check_speed",
                    slow=True,
                ),
            ),
        ),
        Entry(
            id="better-attention-optimised",
            aliases=("optimised-attention",),
            kind="attention",
            summary="three quarters of the parameters of standard attention: heads average slices of the raw values",
            tags=_BETTER_TAGS,
            build="zoo_sequence.better_attention:OptimisedAttention",
            config="zoo_sequence.better_attention:AttentionConfig",
            example="zoo_sequence.better_attention:example",
            convert="zoo_sequence.better_attention:convert_optimised",
            presets={"tiny": {"dim": 16}},
            claims=(
                Claim(
                    "three quarters of the parameters of standard attention",
                    figure="exactly 0.75 without bias",
                    check="zoo_sequence.better_attention.claims:check_optimised_parameters",
                ),
                Claim(
                    "with several heads it is standard attention only where the heads' value maps merge",
                    figure="equal < 1e-5 where they are the identity's slices",
                    check="zoo_sequence.better_attention.claims:check_several_heads",
                ),
            ),
        ),
        Entry(
            id="better-attention-standard",
            aliases=("standard-attention",),
            kind="attention",
            summary="standard multi-head attention, the baseline of the other three",
            tags=(*_BETTER_TAGS, "baseline"),
            build="zoo_sequence.better_attention:StandardAttention",
            config="zoo_sequence.better_attention:AttentionConfig",
            example="zoo_sequence.better_attention:example",
            convert="zoo_sequence.better_attention:convert_standard",
            presets={"tiny": {"dim": 16}},
        ),
    ),
)


_DAT_UNSEEN = "Published by the authors; the file was not seen here, so its tensor names are those of their code."
_DAT_343M = {
    "num_layers": 24,
    "dim": 1024,
    "num_heads": 16,
    "num_kv_heads": 4,
    "num_relational_kv_heads": 4,
    "num_symbols": 1024,
    "symbol_heads": 8,
    "trainable_symbols": False,
}
_DAT_1_27B = {
    "num_layers": 24,
    "dim": 2048,
    "num_heads": 32,
    "num_kv_heads": 8,
    "num_relational_kv_heads": 8,
    "num_symbols": 2048,
    "trainable_symbols": False,
}
_DAT_BASELINE = {"num_layers": 24, "num_relational_heads": 0, "ff_bias": False}
_DAT_PUBLISHED = {
    "dat-343m": "awni/DAT-sa8-ra8-ns1024-sh8-nkvh4-343M",
    "dat-343m-nr32": "awni00/DAT-sa8-ra8-nr32-ns1024-sh8-nkvh4-343M",
    "dat-343m-nr64": "awni00/DAT-sa8-ra8-nr64-ns1024-sh8-nkvh4-343M",
    "dat-1.27b": "awni00/DAT-sa16-ra16-nr128-ns2048-sh16-nkvh8-1.27B",
    "dat-1.27b-nr64": "awni00/DAT-sa16-ra16-nr64-ns2048-sh8-nkvh8-1.27B",
    "t-757m": "awni00/T-sa24-757M",
}

DUAL_ATTENTION = Paper(
    id="dual-attention",
    title="Disentangling and Integrating Relational and Sensory Information in Transformer Architectures",
    arxiv="2405.16727",
    year=2024,
    license="MIT",
    repo="Awni00/dual-attention",
    commit="a6ef87c",
    replay="zoo_sequence.dual_attention:replay",
    differences=(
        "The authors' language model does not pass its bias setting on: feed-forward biases exist whatever it says, "
        "attention biases never. dat-lm follows (ff_bias=False leaves them out, as the t-* baselines do).",
        "With swiglu the authors scale the initialisation of the gate (linear3); here that of the output (linear2).",
        "The authors' symbol retriever applies its dropout to the retrieval softmax in eval mode too; here dropout "
        "is on the branches of a block only, and in training only.",
        "Softmax relations are normalised over the whole sequence, later tokens included; dat-lm follows the code, the "
        "drop-in layer refuses them where it is causal.",
    ),
    ours=(
        "Where d H_r is not a multiple of R, the relation width p is rounded down.",
        "Symbol library sizes and heads of vidat-imagenet (64, 4) and vidat-cifar (64, 4), and the 4 x 4 patches of "
        "vidat-cifar: the paper gives ranges or nothing.",
        "The drop-in layer has a symbol retriever of its own and an equal split of heads by default.",
        "dat-seq2seq follows the description; its positions (rotary or learned) are our choice.",
        "The ablations of relational cross-attention and relational symbolic attention are not offered.",
    ),
    entries=(
        Entry(
            id="dual-attention",
            kind="attention",
            summary="sensory heads beside relational heads that pass on relations and symbols instead of features",
            tags=("self", "single-level", "soft", "single", "scaled-dot", "softmax", "multi-head", "relational"),
            build="zoo_sequence.dual_attention:DualAttentionLayer",
            config="zoo_sequence.dual_attention:DualAttentionConfig",
            example="zoo_sequence.dual_attention:example",
            presets={
                "tiny": {"dim": 24, "num_heads": 4, "num_symbols": 8},
                "symmetric": {"symmetric_relations": True},
                "relative": {"symbol_retrieval": "position_relative"},
            },
            claims=(
                Claim(
                    "with zero relational heads DAT is a standard transformer",
                    figure="equal outputs < 1e-5",
                    check="zoo_sequence.dual_attention.claims:check_zero_relational_heads",
                ),
                Claim(
                    "symmetric relations: r(x_i, x_j) = r(x_j, x_i) when both sides share a projection",
                    figure="exact",
                    check="zoo_sequence.dual_attention.claims:check_symmetric_relations",
                ),
                Claim(
                    "the message depends on the sender only through relations and its symbol",
                    figure="0 change",
                    check="zoo_sequence.dual_attention.claims:check_sender_enters_by_relations",
                ),
                Claim(
                    "projecting after aggregating equals projecting each pair",
                    figure="< 1e-5; memory N^2 R instead of N^2 D",
                    check="zoo_sequence.dual_attention.claims:check_projection_order",
                ),
            ),
        ),
        Entry(
            id="dual-attention-lm",
            aliases=("dat-lm",),
            kind="model",
            summary="causal language model of dual attention, with its plain-transformer baselines",
            tags=("self", "causal", "transformer", "language-model", "relational"),
            build="zoo_sequence.dual_attention:DATLanguageModel",
            config="zoo_sequence.dual_attention:DATConfig",
            example="zoo_sequence.dual_attention:lm_example",
            presets={
                "tiny": {
                    "vocab_size": 53,
                    "dim": 32,
                    "num_layers": 2,
                    "num_heads": 4,
                    "num_symbols": 8,
                    "max_length": 64,
                },
                "dat-343m": _DAT_343M,
                "dat-343m-nr32": _DAT_343M | {"num_relations": 32},
                "dat-343m-nr64": _DAT_343M | {"num_relations": 64},
                "dat-1.27b": _DAT_1_27B | {"num_relations": 128, "symbol_heads": 16},
                "dat-1.27b-nr64": _DAT_1_27B | {"num_relations": 64, "symbol_heads": 8},
                "t-353m": _DAT_BASELINE | {"dim": 1024, "num_heads": 16},
                "t-757m": _DAT_BASELINE | {"dim": 1536, "num_heads": 24},
                "t-1.31b": _DAT_BASELINE | {"dim": 2048, "num_heads": 32},
            },
            weights={
                preset: Weights(
                    f"hf://{repository}",
                    convert="zoo_sequence.dual_attention:convert",
                    default=False,
                    note=_DAT_UNSEEN,
                )
                for preset, repository in _DAT_PUBLISHED.items()
            },
            claims=(
                Claim(
                    "lower perplexity than a transformer of equal size on fineweb-edu",
                    figure="16.09 (343M DAT) against 16.94 (353M transformer)",
                    needs="10 billion tokens of fineweb-edu and a GPU cluster",
                ),
            ),
        ),
        Entry(
            id="dual-attention-vit",
            aliases=("vidat",),
            kind="model",
            summary="vision transformer of dual attention, with a trained player of relational games",
            tags=("self", "transformer", "vision", "classification", "relational"),
            build="zoo_sequence.dual_attention:ViDAT",
            config="zoo_sequence.dual_attention:ViDATConfig",
            example="zoo_sequence.dual_attention:vidat_example",
            train="zoo_sequence.dual_attention:train",
            presets={
                "tiny": {
                    "image_shape": [3, 12, 12],
                    "patch_shape": [4, 4],
                    "num_classes": 5,
                    "dim": 24,
                    "num_heads": 4,
                    "num_symbols": 8,
                },
                "vidat-imagenet": {"num_layers": 12, "dim": 384, "num_heads": 12, "symbol_heads": 4},
                "vidat-cifar": {
                    "num_layers": 8,
                    "dim": 384,
                    "num_heads": 12,
                    "symbol_heads": 4,
                    "symmetric_relations": True,
                    "image_shape": [3, 32, 32],
                    "patch_shape": [4, 4],
                    "num_classes": 10,
                },
                "relational-games": {
                    "num_layers": 1,
                    "dim": 128,
                    "num_heads": 2,
                    "hidden_dim": 256,
                    "num_symbols": 16,
                    "symmetric_relations": True,
                    "image_shape": [3, 36, 36],
                    "patch_shape": [12, 12],
                    "num_classes": 2,
                },
            },
            weights={
                "relational-games": Weights(
                    "package://zoo_sequence/weights/vidat-relational-games.safetensors",
                    sha256="5be679dd10a2611af705894bb34bbbae2011ecd03fc12e6b52d8b900826feb9d",
                    size=846_624,
                    license="apache-2.0",
                    metric="game occurs, accuracy on new images: 99.9% (pentominoes), 99.0% (held-out hexominoes), "
                    "76.5% (held-out stripes)",
                    command="zoo train dual-attention-vit/relational-games",
                    note="A plain transformer of the same size, trained the same way, reaches 97.3%, 96.7% and 77.4%.",
                ),
            },
            claims=(
                Claim(
                    "data efficiency: fewer samples than a transformer of equal size on relational games",
                    figure="ordering",
                    check="zoo_sequence.dual_attention.claims:check_data_efficiency",
                    slow=True,
                ),
                Claim(
                    "ViDAT beats a ViT of equal size on natural images",
                    figure="CIFAR-10 89.7 against 86.4, CIFAR-100 70.5 against 68.8",
                    needs="CIFAR and a GPU",
                ),
            ),
        ),
        Entry(
            id="dual-attention-seq2seq",
            aliases=("dat-seq2seq",),
            kind="model",
            summary="encoder-decoder of dual attention for symbolic tasks",
            tags=("co-attention", "transformer", "seq2seq", "relational"),
            build="zoo_sequence.dual_attention:DATSeq2Seq",
            config="zoo_sequence.dual_attention:DATSeq2SeqConfig",
            example="zoo_sequence.dual_attention:seq2seq_example",
            presets={"tiny": {"dim": 32, "num_heads": 4, "num_symbols": 8, "max_length": 64}},
        ),
        Entry(
            id="dual-attention-relational-games",
            kind="benchmark",
            summary="five games on synthetic images that only relations between objects decide",
            tags=("vision", "classification", "relational"),
            build="zoo_sequence.dual_attention:RelationalGames",
            config="zoo_sequence.dual_attention:RelationalGamesConfig",
            example="zoo_sequence.dual_attention:games_example",
            presets={game: {"game": game} for game in ("same", "between", "occurs", "xoccurs", "match-pattern")},
        ),
    ),
)


RESNET_50 = {"depths": [3, 4, 6, 3], "width": 64, "bottleneck": True, "small_stem": False, "key_channels": 64}

EFFICIENT_ATTENTION = Paper(
    id="efficient-attention",
    title="Efficient Attention: Attention with Linear Complexities",
    arxiv="1812.01243",
    year=2018,
    repo="cmsflash/efficient-attention",
    commit="46a5f9e",
    license="MIT",
    fidelity="reference",
    replay="zoo_sequence.efficient_attention:replay",
    differences=(
        "The code has heads, a reprojection and a residual; the paper's equation has one head and neither.",
        "The code has the softmax normalisation only; the paper also defines scaling (normalization=scaling).",
    ),
    ours=(
        "The residual is added to feature maps, as in the code, and not to sequences, whose host adds its own.",
        "Keys hidden by a padding mask leave the key softmax and the number of positions.",
        "The small residual network; where modules go in it; the vision transformer as a host.",
        "The feature pyramid's modules follow its output maps, the pooled one included.",
    ),
    entries=(
        Entry(
            id="efficient-attention",
            kind="attention",
            summary="softmax(Q) (softmax(K)' V): linear in the number of positions, for maps and sequences",
            tags=("self", "single-level", "soft", "single", "linear", "softmax", "cnn", "bidirectional"),
            build="zoo_sequence.efficient_attention:EfficientAttention",
            config="zoo_sequence.efficient_attention:EfficientAttentionConfig",
            example="zoo_sequence.efficient_attention:example",
            functional="zoo_sequence.efficient_attention:functional",
            presets={
                "tiny": {"dim": 16, "key_channels": 8, "num_heads": 2},
                "256-64-64": {"dim": 256, "key_channels": 64, "value_channels": 64},
                "512-32-512": {"dim": 512, "key_channels": 32, "value_channels": 512},
            },
            claims=(
                Claim(
                    "with scaling normalisation it equals dot-product attention",
                    figure="max abs difference < 1e-5",
                    check="zoo_sequence.efficient_attention:check_scaling",
                ),
                Claim(
                    "with softmax normalisation every row of the implied matrix is a probability distribution",
                    figure="rows sum to 1 within 1e-5, no negative entry",
                    check="zoo_sequence.efficient_attention:check_distribution",
                ),
                Claim(
                    "compute O(d^2 n) and memory O(dn + d^2) instead of O(d n^2) and O(n^2)",
                    figure="2 n d_k d_v multiply-adds against n^2 (d_k + d_v); d_k n + d_k d_v numbers against n^2",
                    check="zoo_sequence.efficient_attention:check_complexity",
                ),
                Claim(
                    "time is linear in the number of positions",
                    figure="n = 4096: 0.5 ms against 0.37 s dense; n = 16384: 11 ms against 2.2 s; at least 20x",
                    check="zoo_sequence.efficient_attention:check_linear",
                    slow=True,
                ),
                Claim(
                    "in Mask R-CNN R-50 it raises box / mask AP",
                    figure="39.4 / 35.1 to 41.2 / 36.7",
                    needs="MS-COCO 2017 and detection training on several GPUs",
                ),
            ),
        ),
        Entry(
            id="efficient-attention-fpn",
            aliases=("ea-fpn",),
            kind="model",
            summary="feature pyramid over a ResNet, with efficient attention after res3, res4 and on every level",
            tags=("self", "linear", "cnn", "detection", "backbone"),
            build="zoo_sequence.efficient_attention:EfficientAttentionFPN",
            config="zoo_sequence.efficient_attention:EfficientAttentionFPNConfig",
            example="zoo_sequence.efficient_attention:image_example",
            presets={"tiny": {}, "50": {**RESNET_50, "pyramid_channels": 256}},
        ),
        Entry(
            id="efficient-attention-resnet",
            aliases=("ea-resnet",),
            kind="model",
            summary="residual network with efficient attention after its second and third stage",
            tags=("self", "linear", "cnn", "classification", "backbone"),
            build="zoo_sequence.efficient_attention:build_resnet",
            config="zoo_sequence.efficient_attention:EfficientAttentionResNetConfig",
            example="zoo_sequence.efficient_attention:image_example",
            presets={"tiny": {}, "50": {**RESNET_50, "num_classes": 1000}},
        ),
        Entry(
            id="efficient-attention-vit",
            kind="model",
            summary="vision transformer with efficient attention, or any other bidirectional drop-in layer by name",
            tags=("self", "linear", "transformer", "classification"),
            build="zoo.nn.vision_transformer:VisionTransformer",
            config="zoo_sequence.efficient_attention:EfficientAttentionViTConfig",
            example="zoo_sequence.efficient_attention:vit_example",
            presets={
                "tiny": {},
                "small": {
                    "dim": 384,
                    "num_layers": 12,
                    "num_heads": 6,
                    "image_size": 224,
                    "patch_size": 16,
                    "num_classes": 1000,
                },
            },
        ),
    ),
)


_LONG_RANGE_ARENA = {
    f"lra-{task}": {
        "num_layers": layers,
        "dim": dim,
        "num_heads": heads,
        "max_length": length,
        "vocab_size": vocabulary,
        "num_classes": classes,
        "num_documents": documents,
    }
    for task, layers, dim, heads, length, vocabulary, classes, documents in (
        ("listops", 6, 512, 8, 2_000, 18, 10, 1),
        ("text", 4, 256, 4, 4_000, 257, 2, 1),
        ("retrieval", 4, 128, 4, 4_000, 257, 2, 2),
        ("image", 3, 64, 4, 1_024, 256, 10, 1),
        ("pathfinder", 4, 128, 8, 1_024, 256, 2, 1),
    )
}
_FASTMAX_TINY = {"num_layers": 1, "dim": 16, "num_heads": 2}

FAST_ATTENTION = Paper(
    id="fast-attention",
    title="FAST: Factorizable Attention for Speeding up Transformers",
    arxiv="2402.07901",
    year=2024,
    repo="armingerami/fastmax",
    commit="28eb11a",
    license="MIT",
    fidelity="reference",
    replay="zoo_sequence.fast_attention:replay",
    differences=(
        "The paper standardises queries and keys (normalize=standardize); the reproduction code divides the scores of "
        "plain ones by 8 sqrt(D), which is the default here; the CUDA package divides by the largest norm (maxnorm).",
        "Without normalisation the package sets a temperature and then overwrites it by 1: taken as a mistake.",
        "The package's explicit-matrix branch ignores the normalisation; here there is one meaning.",
    ),
    ours=(
        "The divisor of standardised scores (temperature, default 1): no recording covers that mode.",
        "k x k is symmetric, so D (D + 1) / 2 products serve in place of D^2: the same numbers at half the cost. "
        "Quadratic dropout therefore drops k_a k_b and k_b k_a together.",
        "Hidden keys and values are zero and leave the denominators; hidden tokens count for no largest norm.",
        "Where a denominator is exactly 0 the output is 0.",
        "Vocabularies and classes of the Long Range Arena presets, their documents encoded one by one, and the row of "
        "13 patches that the tiny vision transformer reads.",
        "Default sizes where the table has choices: width 32, 49 patches, p = 2.",
    ),
    entries=(
        Entry(
            id="fast-attention",
            aliases=("fastmax",),
            kind="attention",
            summary="fastmax: a polynomial in place of the exponential; every token sees every token in linear time",
            tags=("self", "single-level", "soft", "single", "scaled-dot", "linear", "polynomial", "causal"),
            build="zoo_sequence.fast_attention:Fastmax",
            config="zoo_sequence.fast_attention:FastmaxConfig",
            example="zoo_sequence.fast_attention:example",
            functional="zoo_sequence.fast_attention:functional",
            presets={"tiny": {"dim": 16, "num_heads": 2}},
            claims=(
                Claim(
                    "the factorised evaluation equals the explicit N x N polynomial attention",
                    figure="max abs difference < 1e-5 (float32)",
                    check="zoo_sequence.fast_attention.claims:check_factorised",
                ),
                Claim(
                    "every token attends to every token: for p = 2 all weights are strictly positive",
                    figure="min weight > 0, rows sum to 1",
                    check="zoo_sequence.fast_attention.claims:check_every_token_attends",
                ),
                Claim(
                    "linear in N: cost O(N D^(p+1)), memory O(N D^p + D^(p+1))",
                    figure="time ratio about 2 per doubling of N, softmax about 4",
                    check="zoo_sequence.fast_attention.claims:check_linear",
                    slow=True,
                ),
                Claim(
                    "break-even with softmax at N about D (p = 1) and D^2 (p = 2)",
                    figure="multiply-adds about 2ND^2 (p = 1), 2ND^3 (p = 2) against 2N^2 D; one core, D = 16: p = 1 "
                    "6 ms, p = 2 67 ms, softmax 1.49 s at N = 8192; 0.1, 14.5, 84 ms at N = 2048",
                    check="zoo_sequence.fast_attention.claims:check_break_even",
                    slow=True,
                ),
                Claim(
                    "fastmax tends to softmax for small scores",
                    figure="scores halved from scale 0.05: error falls by 3.9 to 4.1 (p = 1), 7.3 to 8.2 (p = 2)",
                    check="zoo_sequence.fast_attention.claims:check_taylor",
                ),
                Claim(
                    "gradient with respect to the scores is bounded by a constant times max |v|, independent of N",
                    figure="|d o / d s| <= 2 |f'(s)| / sum f * max |v|",
                    check="zoo_sequence.fast_attention.claims:check_gradient_bound",
                ),
                Claim(
                    "the own gradient agrees with autograd and keeps O(N D^(p-1)) numbers instead of O(N D^p)",
                    figure="q, k, v, outputs and denominators: about 4 D numbers per token for p = 2",
                    check="zoo_sequence.fast_attention.claims:check_memory_of_gradient",
                ),
                Claim(
                    "forward time of the CUDA package on an RTX A6000",
                    figure="batch 64, 8 heads, p = 2: D = 32 0.11 s at N = 1000, 1.09 s at N = 10000; D = 64 0.32 s at "
                    "N = 1000",
                    needs="that GPU; growth with N is measured above",
                ),
            ),
        ),
        Entry(
            id="fast-attention-encoder",
            aliases=("fastmax-encoder",),
            kind="model",
            summary="encoder of long sequences with fastmax heads, in the shapes of the Long Range Arena",
            tags=("self", "linear", "transformer", "classification", "long-context"),
            build="zoo_sequence.fast_attention:FastmaxEncoder",
            config="zoo_sequence.fast_attention:FastmaxEncoderConfig",
            example="zoo_sequence.fast_attention:encoder_example",
            presets={
                **_LONG_RANGE_ARENA,
                "tiny": {**_FASTMAX_TINY, "max_length": 13, "vocab_size": 18, "num_classes": 10},
            },
            claims=(
                Claim(
                    "on the Long Range Arena fastmax with p = 2 is on a par with softmax",
                    figure="average close to 57 against 58; p = 1 slightly lower",
                    needs="the Long Range Arena's data and days of training on a GPU",
                ),
            ),
        ),
        Entry(
            id="fast-attention-gpt",
            aliases=("fastmax-gpt",),
            kind="model",
            summary="nanoGPT-style language model with fastmax heads; generates from a state of constant size",
            tags=("self", "linear", "causal", "transformer", "language-model"),
            build="zoo_sequence.fast_attention:FastmaxGPT",
            config="zoo_sequence.fast_attention:FastmaxGPTConfig",
            example="zoo_sequence.fast_attention:gpt_example",
            presets={
                "nanogpt-char": {
                    "num_layers": 6,
                    "dim": 384,
                    "num_heads": 6,
                    "max_length": 256,
                    "vocab_size": 65,
                },
                "tiny": {**_FASTMAX_TINY, "max_length": 13, "vocab_size": 18},
            },
        ),
        Entry(
            id="fast-attention-vit",
            aliases=("fastmax-vit",),
            kind="model",
            summary="vision transformer with fastmax heads for small images, by patch or by pixel",
            tags=("self", "linear", "transformer", "vision", "classification"),
            build="zoo_sequence.fast_attention:FastmaxViT",
            config="zoo_sequence.fast_attention:FastmaxViTConfig",
            example="zoo_sequence.fast_attention:vit_example",
            presets={
                "mnist-vit": {"num_layers": 3, "dim": 32, "num_heads": 4, "image_size": 28, "patch_size": 4},
                "tiny": {**_FASTMAX_TINY, "image_size": 4, "image_width": 52, "patch_size": 4},
            },
            claims=(
                Claim(
                    "on MNIST fastmax with p = 2 is on a par with softmax",
                    figure="equal accuracy; p = 1 slightly lower",
                    needs="MNIST",
                ),
            ),
        ),
    ),
)


MOBA_CHARACTERS = {
    "vocab_size": 96,
    "dim": 64,
    "num_layers": 4,
    "num_kv_heads": None,
    "hidden_dim": 192,
    "max_length": 512,
    "block_size": 32,
    "topk": 3,
}

MOBA_TEXT = (
    "Trained from seed 0 on the sources of CPython 3.11.7's 168 top-level modules, nine in ten (sha256 of the text "
    "2e31e854ce7c5a39...). Other Python versions have other text, and then other weights and figures."
)

MOBA_SCALING = {
    name: {
        "vocab_size": 128_256,
        "dim": 128 * heads,
        "num_layers": heads,
        "num_heads": heads,
        "num_kv_heads": None,
        "hidden_dim": hidden_dim,
        "max_length": length,
        "block_size": block_size,
        "topk": 3,
    }
    for name, heads, hidden_dim, block_size, length in (
        ("545m", 14, 4864, 512, 8_192),
        ("822m", 16, 5632, 512, 8_192),
        ("1.1b", 18, 6144, 512, 8_192),
        ("1.5b", 20, 6912, 512, 8_192),
        ("2.1b", 22, 7680, 512, 8_192),
        ("hybrid-1.5b", 20, 6912, 2_048, 32_768),
    )
}

MARGINAL_ATTENTION = Paper(
    id="marginal-attention",
    title="Attention: Marginal Probability is All You Need?",
    arxiv="2304.04556",
    year=2023,
    fidelity="paper",
    replay="zoo_sequence.marginal_attention:replay",
    ours=(
        "Written from the framework as published; the paper's own notation may differ and no code was seen.",
        "Multihop and expanding attention are extensions of the follow-up paper.",
        "Sizes of the presets, the language model, and linear causes in predictive coding.",
    ),
    entries=(
        Entry(
            id="marginal-attention",
            kind="attention",
            aliases=("structural-attention",),
            summary="posterior expectation over structures: prior, edge potential and value are plug-ins",
            tags=("self", "single-level", "soft", "single", "scaled-dot", "softmax", "transformer", "theory"),
            build="zoo_sequence.marginal_attention:StructuralAttention",
            config="zoo_sequence.marginal_attention:StructuralAttentionConfig",
            example="zoo_sequence.marginal_attention:example",
            functional="zoo_sequence.marginal_attention:structural_attention",
            convert="zoo_sequence.marginal_attention:convert",
            presets={
                "transformer-encoder": {},
                "transformer-decoder": {"causal": True},
                "graph-attention": {"prior": "uniform", "potential": "dot"},
                "alibi": {"causal": True, "prior": "alibi"},
                "multihop": {"value": "multihop", "multihop_lambda": 1.0},
                "expanding": {"causal": True, "prior": "expanding", "alpha": 1.0, "beta": 9.0, "epsilon": 1e-3},
            },
            claims=(
                Claim(
                    "softmax attention is the posterior expectation of the value under a uniform prior over edges",
                    figure="equal to scaled_dot_product_attention < 1e-6",
                    check="zoo_sequence.marginal_attention.claims:check_softmax_attention",
                ),
                Claim(
                    "causal, local, positional-bias and padding masks are priors over edges",
                    figure="equal to masked or biased softmax < 1e-6",
                    check="zoo_sequence.marginal_attention.claims:check_priors",
                ),
                Claim(
                    "the factorised structure is the product of single-edge posteriors; multihop is exact",
                    figure="equal to enumeration < 1e-6",
                    check="zoo_sequence.marginal_attention.claims:check_enumeration",
                ),
                Claim(
                    "one multihop layer solves pointer chains that one softmax layer cannot",
                    figure="one layer instead of two",
                    check="zoo_sequence.marginal_attention.claims:check_pointer_chains",
                    slow=True,
                ),
                Claim(
                    "the window that expanding attention reads follows the distance of the relevant token",
                    figure="grows with the distance",
                    check="zoo_sequence.marginal_attention.claims:check_expanding_window",
                ),
                Claim(
                    "the cost of expanding attention depends on the input",
                    figure="less than that of reading everything",
                    check="zoo_sequence.marginal_attention.claims:check_expanding_cost",
                    slow=True,
                ),
            ),
        ),
        Entry(
            id="marginal-attention-iterative",
            kind="model",
            aliases=("iterative-attention",),
            summary="inference with latent nodes: Hopfield retrieval, slot attention, predictive coding",
            tags=("theory", "memory-network", "softmax"),
            build="zoo_sequence.marginal_attention:IterativeAttention",
            config="zoo_sequence.marginal_attention:IterativeAttentionConfig",
            example="zoo_sequence.marginal_attention:iterative_example",
            presets={
                "hopfield": {"form": "hopfield"},
                "slots": {"form": "slots", "num_slots": 7, "dim": 64, "iterations": 3},
                "learned-slots": {"form": "learned-slots", "num_slots": 7, "dim": 64, "iterations": 3},
                "pcn": {"form": "pcn", "num_slots": 4},
            },
            claims=(
                Claim(
                    "iterating attention on the marginal likelihood is modern Hopfield retrieval",
                    figure="energy never increases; fixed point softmax(beta X y) X",
                    check="zoo_sequence.marginal_attention.claims:check_hopfield",
                ),
                Claim(
                    "children choosing among parents gives slot attention (EM)",
                    figure="log marginal likelihood never decreases",
                    check="zoo_sequence.marginal_attention.claims:check_slots",
                ),
                Claim(
                    "precision inference in predictive coding is the same posterior",
                    figure="< 1e-6",
                    check="zoo_sequence.marginal_attention.claims:check_precision",
                ),
            ),
        ),
        Entry(
            id="marginal-attention-lm",
            kind="model",
            summary="language model of structural attention",
            tags=("language-model", "causal", "self", "theory", "transformer"),
            build="zoo_sequence.marginal_attention:StructuralLanguageModel",
            config="zoo_sequence.marginal_attention:StructuralLanguageModelConfig",
            example="zoo_sequence.marginal_attention:language_model_example",
            presets={"tiny": {"dim": 32, "num_heads": 4, "num_layers": 2}},
        ),
    ),
)


_MINIMAL_SETS = {
    "mnist": {"image_size": 28, "patch_size": 7, "in_channels": 1},
    "cifar10": {"image_size": 32, "patch_size": 8, "in_channels": 3},
}
_MINIMAL_SIZES = {
    f"{data}-{layers}-{heads}{'-mlp' if mlp else ''}": {**images, "num_layers": layers, "num_heads": heads, "mlp": mlp}
    for data, images in _MINIMAL_SETS.items()
    for layers in (6, 12)
    for heads in (1, 4)
    for mlp in (False, True)
}

MINIMAL_TRANSFORMER = Paper(
    id="minimal-transformer",
    title="Reducing the Transformer Architecture to a Minimum",
    arxiv="2410.13732",
    year=2024,
    fidelity="paper",
    replay="zoo_sequence.minimal_transformer:replay",
    differences=("A third-party reproduction found that the reduced variants do lose accuracy on CIFAR-10.",),
    ours=(
        "No official code was seen: embedding sizes and post-norm follow a third-party reproduction.",
        "T starts at the identity plus noise of deviation 0.02; standard normal T diverges with one head.",
        "The preset digits and its training.",
    ),
    entries=(
        Entry(
            id="minimal-transformer",
            kind="model",
            summary="small image classifier with switches for MLP, merged query/key, value/output and symmetry",
            tags=("vision", "classification", "transformer", "self"),
            build="zoo_sequence.minimal_transformer:MinimalTransformer",
            config="zoo_sequence.minimal_transformer:MinimalTransformerConfig",
            example="zoo_sequence.minimal_transformer:image_example",
            train="zoo_sequence.minimal_transformer:train",
            presets={
                **_MINIMAL_SIZES,
                "tiny": {"num_layers": 1},
                "digits": {"image_size": 8, "patch_size": 2, "num_layers": 2, "variant": "wqk-no-vo"},
            },
            weights={
                "digits": Weights(
                    "package://zoo_sequence/weights/minimal-transformer-digits.safetensors",
                    sha256="8ac4b3d1dfcbb51e415977bea9cd1185a27b3a4b2b28c0d3c4df38895f71f619",
                    size=45_248,
                    license="apache-2.0",
                    metric="87.50% of 360 held-out handwritten digits with 10954 parameters, Q = 1.31",
                    command="zoo train minimal-transformer/digits",
                    note="In equal settings: unchanged with MLP 97.2% (52554 parameters, Q = 0.27), wqk-no-vo with MLP "
                    "95.3%, without MLPs unchanged 95.0%, wqk 91.4%, symmetric-no-vo 80.8%, symmetric 77.8%. Held-out "
                    "over training loss grows as Q falls: 1.14 (Q = 2.12), 1.16 (1.31), 1.75 (0.40), 2.15 (0.27).",
                ),
            },
            claims=(
                Claim(
                    "parameter savings",
                    figure="156298 to 31498: 80% (up to 90% with 12 layers)",
                    check="zoo_sequence.minimal_transformer:check_savings",
                ),
                Claim(
                    "the reduced variants reach similar accuracy",
                    figure="MNIST 97.55 to 98.73; CIFAR-10 68.19, reduced 9.84 to 61.37 in a reproduction",
                    needs="MNIST and CIFAR-10",
                ),
            ),
        ),
        Entry(
            id="minimal-transformer-attention",
            kind="attention",
            summary="attention with merged query/key, without value/output, or with symmetric similarity",
            tags=("self", "single-level", "soft", "single", "scaled-dot", "general", "softmax", "transformer"),
            build="zoo_sequence.minimal_transformer:MinimalAttention",
            config="zoo_sequence.minimal_transformer:MinimalAttentionConfig",
            example="zoo_sequence.minimal_transformer:example",
            presets={
                "unchanged": {},
                "wqk": {"variant": "wqk"},
                "wqk-no-vo": {"variant": "wqk-no-vo"},
                "symmetric": {"variant": "symmetric"},
                "symmetric-no-vo": {"variant": "symmetric-no-vo"},
            },
            claims=(
                Claim(
                    "one head: W_Q W_K' can be one matrix",
                    figure="< 1e-5",
                    check="zoo_sequence.minimal_transformer:check_merged_queries_and_keys",
                ),
                Claim(
                    "one head: W_V W_O can be one matrix",
                    figure="< 1e-5",
                    check="zoo_sequence.minimal_transformer:check_merged_values_and_output",
                ),
                Claim(
                    "without W_V and W_O an output is a convex combination of the inputs",
                    figure="inside the inputs' range",
                    check="zoo_sequence.minimal_transformer:check_convexity",
                ),
                Claim(
                    "symmetric similarity is positive semidefinite",
                    figure="eigenvalues >= -1e-6",
                    check="zoo_sequence.minimal_transformer:check_semidefinite",
                ),
            ),
        ),
    ),
)


MOBA = Paper(
    id="moba",
    title="MoBA: Mixture of Block Attention for Long-Context LLMs",
    arxiv="2502.13189",
    year=2025,
    repo="MoonshotAI/MoBA",
    commit="61e456b",
    license="MIT",
    fidelity="reference",
    replay="zoo_sequence.moba:replay",
    differences=(
        "The paper's equation leaves out the softmax scale; the code scales attention by D^-0.5, the gate not.",
        "The paper assumes that the length divides into blocks; the code, and this entry, allow a short last block.",
        "The paper quotes both 81.25% and 75% sparsity for one setting: the first counts topk blocks, both are bounds.",
    ),
    ours=(
        "Vocabulary (128256), rotary base (10000) and multi-head attention of the scaling presets are not published.",
        "Their feed-forward widths are int(8/3 dim) rounded up to a multiple of 256: this gives every published size.",
        "Padded tokens count as absent: blocks are formed of real tokens only, on whichever side the padding is.",
        "No checkpoint is published. Any Llama checkpoint loads unchanged, but without continued training MoBA is no "
        "substitute for its full attention.",
        "The window and sink gates, the character models, and the evaluation by tiles.",
    ),
    entries=(
        Entry(
            id="moba",
            kind="attention",
            summary="each query reads its own block and the best-matching earlier blocks; no N x N matrix",
            tags=("self", "single-level", "local", "single", "scaled-dot", "softmax", "sparse", "block", "causal"),
            build="zoo_sequence.moba:MoBA",
            config="zoo_sequence.moba:MoBAConfig",
            example="zoo_sequence.moba:example",
            functional="zoo_sequence.moba:functional",
            presets={
                "tiny": {"num_kv_heads": 2, "block_size": 4, "topk": 2},
                "8k": {"dim": 1792, "num_heads": 14, "block_size": 512},
                "1m": {
                    "dim": 4096,
                    "num_heads": 32,
                    "num_kv_heads": 8,
                    "block_size": 4_096,
                    "topk": 12,
                    "rope_theta": 500_000.0,
                },
            },
            claims=(
                Claim(
                    "with topk at least the number of blocks it is causal full attention",
                    figure="max abs difference < 1e-5 in float32",
                    check="zoo_sequence.moba.claims:check_full_attention",
                ),
                Claim(
                    "it is strictly causal",
                    figure="0 change up to t when tokens after t are replaced",
                    check="zoo_sequence.moba.claims:check_causality",
                ),
                Claim(
                    "sparsity is 1 - block * topk / length",
                    figure="81.25% at 8192 and 95.31% at 32768 (512, 3); 95.31% at 1M and 62.5% at 128K (4096, 12)",
                    check="zoo_sequence.moba.claims:check_sparsity",
                ),
                Claim(
                    "sub-quadratic: fewer score products than causal attention",
                    figure="up to 6.5x faster at 1M tokens, 16x at 10M (on GPUs)",
                    check="zoo_sequence.moba.claims:check_products",
                ),
                Claim(
                    "and less time than dense attention, the more so the longer the sequence",
                    figure="up to 6.5x faster at 1M tokens, 16x at 10M; up to 40x over the naive form at 32k (on GPUs)",
                    check="zoo_sequence.moba.claims:check_speed",
                    slow=True,
                ),
                Claim(
                    "no N x N tensor is formed, forward or backward",
                    figure="memory linear in length",
                    check="zoo_sequence.moba.claims:check_no_square",
                ),
                Claim(
                    "sliding-window attention and attention sinks are special cases of the gate",
                    figure="equal outputs",
                    check="zoo_sequence.moba.claims:check_patterns",
                ),
                Claim(
                    "the gate carries no gradient",
                    figure="gradients of attention with the choice taken as given",
                    check="zoo_sequence.moba.claims:check_choice_has_no_gradient",
                ),
            ),
        ),
        Entry(
            id="moba-lm",
            kind="model",
            summary="Llama decoder with MoBA or full attention per layer, switchable; any causal drop-in layer by name",
            tags=("self", "sparse", "causal", "long-context", "language-model", "transformer"),
            build="zoo_sequence.moba:MoBALanguageModel",
            config="zoo_sequence.moba:MoBALanguageModelConfig",
            example="zoo_sequence.moba:language_model_example",
            preprocess="zoo_sequence.moba.characters:preprocess",
            predict="zoo_sequence.moba.characters:predict",
            train="zoo_sequence.moba.characters:train",
            convert="zoo_sequence.moba:convert",
            presets={
                "tiny": {},
                "char": MOBA_CHARACTERS,
                "char-full": {**MOBA_CHARACTERS, "attention": "full"},
                **MOBA_SCALING,
                "llama-8b-1m": {
                    "vocab_size": 128_256,
                    "dim": 4_096,
                    "num_layers": 32,
                    "num_heads": 32,
                    "num_kv_heads": 8,
                    "hidden_dim": 14_336,
                    "max_length": 2**20,
                    "rope_theta": 500_000.0,
                    "block_size": 4_096,
                    "topk": 12,
                    "full_attention_last_layers": 3,
                },
            },
            weights={
                "char": Weights(
                    "package://zoo_sequence/weights/moba-lm-char.safetensors",
                    sha256="145b04e076acbe8ea88d8bd1d107033f78ff9f1f71fdb29880704df463e0f335",
                    size=907_392,
                    license="Apache-2.0",
                    metric="2.049 bits per character on held-out modules; its twin with full attention 2.058",
                    command="zoo train moba-lm/char",
                    note=MOBA_TEXT,
                ),
                "char-full": Weights(
                    "package://zoo_sequence/weights/moba-lm-char-full.safetensors",
                    sha256="8ea89a46756e4f1a8702d4ae62daa2ebdc33202aececc2b58d370524509e1fb5",
                    size=907_392,
                    license="Apache-2.0",
                    metric="2.058 bits per character on held-out modules",
                    command="zoo train moba-lm/char-full",
                    note=MOBA_TEXT,
                ),
            },
            claims=(
                Claim(
                    "MoBA adds and removes no parameter",
                    figure="parameter ratio exactly 1",
                    check="zoo_sequence.moba.claims:check_parameters",
                ),
                Claim(
                    "a MoBA model reaches the loss of the same model with full attention",
                    figure="2.625 against 2.622 in the fits at 8K (0.1%), 0.5B to 2.1B parameters",
                    check="zoo_sequence.moba.claims:check_full_twin",
                    slow=True,
                ),
                Claim(
                    "loss scales with compute as full attention's does",
                    figure="loss(8K) = 2.625 C^-0.063 against 2.622 C^-0.063",
                    needs="pre-training of five models of 0.5B to 2.1B parameters",
                ),
                Claim(
                    "an 8B model with 1M tokens of context keeps its benchmark scores",
                    figure="MMLU 0.4903 against 0.4904, GSM8K 0.7278 against 0.7142, RULER@128K 0.7818 against 0.7849",
                    needs="continual pre-training of Llama 3.1 8B on 100B tokens; no checkpoint is published",
                ),
                Claim(
                    "finer blocks at equal sparsity are better",
                    figure="about 1e-2 in loss between 8 and 128 blocks of a 32K context",
                    needs="pre-training of a 1.5B model at 32K context",
                ),
            ),
        ),
    ),
)


_MOH_UNSEEN = "Published by the authors; the file was not seen here, so its tensor names are those of their code."


def _runs(*runs: tuple[int, int]) -> list[int]:
    """One number per layer, from runs of (number, layers)."""
    return [number for number, layers in runs for _ in range(layers)]


_MOH_DIT_XL = {"dim": 1152, "num_layers": 28, "num_heads": _runs((8, 9), (16, 10), (24, 9)), "head_dim": 72}
_MOH_DIT_L = {"dim": 1024, "num_layers": 24, "num_heads": _runs((8, 8), (16, 8), (24, 8)), "head_dim": 64}
_MOH_DIT_B = {"dim": 768, "num_layers": 12, "num_heads": [12]}
_MOH_DIT_S = {"dim": 384, "num_layers": 12, "num_heads": [6]}
_MOH_VIT_S = {"dims": [72, 144, 288, 576], "num_heads": [3, 6, 12, 24], "depths": [5, 5, 22, 5], "drop_path": 0.45}
_MOH_VIT_B = {"dims": [96, 192, 384, 768], "num_heads": [4, 8, 16, 32], "depths": [5, 5, 23, 5], "drop_path": 0.60}

MOH = Paper(
    id="moh",
    title="MoH: Multi-Head Attention as Mixture-of-Head Attention",
    arxiv="2410.11842",
    year=2024,
    license="Apache-2.0",
    repo="SkyworkAI/MoH",
    commit="2cefd57",
    replay="zoo_sequence.moh.conversion:replay",
    differences=(
        "The paper writes plain softmax gates; the code multiplies by the numbers of shared and of chosen heads "
        "and by 2 and renormalises the chosen gates. The weights were trained with the code's form, which is ours.",
        "The code computes every head and multiplies unchosen ones by zero; here they are left out (skip=False "
        "computes them all).",
    ),
    ours=(
        "With one shared head there is nothing to weigh and its gate is 1, in MoH-DiT as in the MoH-ViT code.",
        "The layer's default head counts: a quarter shared, half of all heads on.",
        "gated=False builds the plain-attention baseline under the same names.",
    ),
    entries=(
        Entry(
            id="moh",
            aliases=("moh-attention",),
            kind="attention",
            summary="multi-head attention in which every token picks and weighs the heads it reads",
            tags=("self", "single-level", "soft", "single", "scaled-dot", "softmax", "multi-head", "sparse", "routing"),
            build="zoo_sequence.moh:MoHAttention",
            config="zoo_sequence.moh:MoHConfig",
            example="zoo_sequence.moh:example",
            presets={"tiny": {"dim": 24, "num_heads": 6, "shared_heads": 2, "routed_heads": 2}},
            claims=(
                Claim(
                    "multi-head attention is a sum over heads: concat(H_1..H_h) W_O = sum_i H_i W_O^i",
                    figure="max abs difference < 1e-5",
                    check="zoo_sequence.moh.claims:check_sum_over_heads",
                ),
                Claim(
                    "MoH with all heads chosen and unit gates equals multi-head attention",
                    figure="< 1e-5",
                    check="zoo_sequence.moh.claims:check_unit_gates",
                ),
                Claim(
                    "the gates of a token sum to h_s a1 + k a2 with a1 + a2 = 2",
                    figure="exact identity",
                    check="zoo_sequence.moh.claims:check_gate_sum",
                ),
                Claim(
                    "leaving out unchosen heads gives what computing all of them gives",
                    figure="exact; ours: output and gradients < 1e-5",
                    check="zoo_sequence.moh.claims:check_skipping_is_exact",
                ),
                Claim(
                    "unchosen heads are work saved: half of the heads take half of the attention time",
                    figure="ratio about 0.5 with 8 of 16 heads on",
                    check="zoo_sequence.moh.claims:check_head_time",
                    slow=True,
                ),
            ),
        ),
        Entry(
            id="moh-dit",
            kind="model",
            summary="class-conditional latent diffusion transformer with mixture-of-head attention",
            tags=("self", "transformer", "diffusion", "generation", "routing"),
            build="zoo_sequence.moh:MoHDiT",
            config="zoo_sequence.moh:MoHDiTConfig",
            example="zoo_sequence.moh:dit_example",
            presets={
                "tiny": {
                    "input_size": 8,
                    "dim": 24,
                    "num_layers": 2,
                    "num_heads": [2, 4],
                    "head_dim": 6,
                    "shared_heads": [2, 2],
                    "routed_heads": [0, 1],
                    "mlp_ratio": 2.0,
                    "num_classes": 9,
                },
                "XL/2-90": _MOH_DIT_XL
                | {"shared_heads": _runs((8, 9), (16, 19)), "routed_heads": _runs((0, 19), (3, 9))},
                "XL/2-75": _MOH_DIT_XL
                | {"shared_heads": _runs((8, 9), (10, 10), (14, 9)), "routed_heads": _runs((0, 9), (2, 19))},
                "L/2-90": _MOH_DIT_L
                | {"shared_heads": _runs((8, 8), (16, 16)), "routed_heads": _runs((0, 16), (3, 8))},
                "L/2-75": _MOH_DIT_L
                | {"shared_heads": _runs((8, 16), (12, 8)), "routed_heads": _runs((0, 8), (4, 16))},
                "B/2-90": _MOH_DIT_B
                | {"shared_heads": _runs((6, 5), (7, 5), (12, 2)), "routed_heads": _runs((4, 10), (0, 2))},
                "B/2-75": _MOH_DIT_B
                | {"shared_heads": _runs((4, 2), (6, 8), (12, 2)), "routed_heads": _runs((2, 2), (3, 8), (0, 2))},
                "S/2-90": _MOH_DIT_S | {"shared_heads": _runs((3, 8), (6, 4)), "routed_heads": _runs((2, 8), (0, 4))},
                "S/2-75": _MOH_DIT_S
                | {"shared_heads": _runs((2, 2), (3, 8), (6, 2)), "routed_heads": _runs((1, 6), (2, 4), (0, 2))},
            },
            weights={
                "XL/2-90": Weights(
                    "hf://Chat-UniVi/MoH-DiT-XL-90",
                    convert="zoo_sequence.moh.conversion:convert",
                    default=False,
                    note=_MOH_UNSEEN,
                ),
            },
            claims=(
                Claim(
                    "share of heads that are on",
                    figure="XL/2-90: 403/448 = 90.0%, XL/2-75: 336/448 = 75.0%",
                    check="zoo_sequence.moh.claims:check_dit_heads",
                ),
                Claim(
                    "image quality: FID 8.56 at 90% of the heads against 9.62 of DiT-XL/2",
                    figure="FID 8.56 (guided 2.94)",
                    needs="ImageNet statistics and the published weights",
                ),
            ),
        ),
        Entry(
            id="moh-llama",
            kind="model",
            summary="Llama whose heads are routed by query norm: 24 of 32 heads, no new parameter",
            tags=("self", "causal", "transformer", "language-model", "routing"),
            build="zoo_sequence.moh:MoHLlama",
            config="zoo_sequence.moh:MoHLlamaConfig",
            example="zoo_sequence.moh:llama_example",
            presets={
                "tiny": {
                    "vocab_size": 64,
                    "dim": 32,
                    "num_layers": 2,
                    "num_heads": 8,
                    "num_kv_heads": 4,
                    "hidden_dim": 88,
                    "max_length": 128,
                },
                "llama3-8b": {
                    "vocab_size": 128_256,
                    "dim": 4096,
                    "num_layers": 32,
                    "num_heads": 32,
                    "num_kv_heads": 8,
                    "hidden_dim": 14_336,
                    "max_length": 8192,
                    "rope_theta": 500_000.0,
                },
            },
            weights={
                "llama3-8b": Weights("hf://Chat-UniVi/MoH-LLaMA3-8B", default=False, note=_MOH_UNSEEN),
            },
            claims=(
                Claim(
                    "share of heads that are on",
                    figure="24/32 = 75% in every layer",
                    check="zoo_sequence.moh.claims:check_llama_heads",
                ),
                Claim(
                    "MoH-LLaMA3-8B beats LLaMA3-8B over 14 benchmarks",
                    figure="64.0 on average, +2.4",
                    needs="the published 8B weights and the 14 benchmarks",
                ),
            ),
        ),
        Entry(
            id="moh-llama-attention",
            kind="attention",
            summary="attention whose second half of heads is chosen per token by query norm, without a router",
            tags=("self", "causal", "single-level", "soft", "single", "scaled-dot", "softmax", "sparse", "routing"),
            build="zoo_sequence.moh:QueryNormAttention",
            config="zoo_sequence.moh:QueryNormConfig",
            example="zoo_sequence.moh:layer_example",
            functional="zoo_sequence.moh:query_norm_attention",
            presets={"tiny": {"dim": 32, "num_heads": 8, "num_kv_heads": 4}},
        ),
        Entry(
            id="moh-vit",
            kind="model",
            summary="image classifier of four stages (TransNeXt) with mixture-of-head attention",
            tags=("self", "transformer", "vision", "classification", "local", "routing"),
            build="zoo_sequence.moh:MoHViT",
            config="zoo_sequence.moh:MoHViTConfig",
            example="zoo_sequence.moh:vit_example",
            presets={
                "tiny": {
                    "image_size": 64,
                    "dims": [8, 12, 16, 24],
                    "num_heads": [2, 3, 4, 6],
                    "shared_heads": [2, 1, 2, 2],
                    "routed_heads": [0, 1, 1, 2],
                    "mlp_ratios": [2, 2, 2, 2],
                    "depths": [1, 1, 1, 1],
                    "num_classes": 7,
                },
                "s-80": _MOH_VIT_S | {"shared_heads": [3, 6, 3, 8], "routed_heads": [0, 0, 6, 12]},
                "s-75": _MOH_VIT_S | {"shared_heads": [3, 6, 3, 4], "routed_heads": [0, 0, 6, 12]},
                "b-75": _MOH_VIT_B | {"shared_heads": [4, 8, 4, 5], "routed_heads": [0, 0, 8, 16]},
                "b-50": _MOH_VIT_B | {"shared_heads": [2, 2, 2, 4], "routed_heads": [2, 4, 6, 8]},
            },
            weights={
                preset: Weights(
                    f"hf://Chat-UniVi/MoH-ViT-{preset.upper()}",
                    convert="zoo_sequence.moh.conversion:convert",
                    default=False,
                    note=_MOH_UNSEEN,
                )
                for preset in ("b-75", "b-50", "s-80", "s-75")
            },
            claims=(
                Claim(
                    "share of heads that are on",
                    figure="S-80: 343/429 = 80.0%, S-75: 75.3%, B-75: 441/588 = 75.0%, B-50: 50%",
                    check="zoo_sequence.moh.claims:check_vit_heads",
                ),
                Claim(
                    "nearly no extra parameters: gates cost C (h_s + h_r + 2) per layer",
                    figure="under 0.2% of MoH-ViT-B",
                    check="zoo_sequence.moh.claims:check_gate_parameters",
                ),
                Claim(
                    "ImageNet-1K accuracy at fewer heads: S 84.7 (80%), B 84.9 (75%) and 84.7 (50%)",
                    figure="TransNeXt-S/B 84.7/84.8",
                    needs="ImageNet-1K and the published weights",
                ),
            ),
        ),
    ),
)

PAVLOVIAN_ATTENTION = Paper(
    id="pavlovian-attention",
    title="Understanding Transformers through the Lens of Pavlovian Conditioning",
    arxiv="2508.08289",
    year=2025,
    fidelity="paper",
    replay="zoo_sequence.pavlovian_attention:replay",
    ours=(
        "The list of rules (Hebb, decay, Oja, delta, BCM) is a concrete reading of a qualitative discussion.",
        "Constants of capacity and error propagation were derived from the theory, not copied from the text.",
        "The entries beyond the layer: the language model, the memory kit and the conditioning protocols.",
    ),
    entries=(
        Entry(
            id="pavlovian-attention",
            kind="attention",
            summary="linear attention as conditioning, with Hebb, decay, Oja, delta or BCM plasticity",
            tags=("self", "single-level", "soft", "single", "linear", "causal", "recurrent"),
            build="zoo_sequence.pavlovian_attention:PavlovianAttention",
            config="zoo_sequence.pavlovian_attention:PavlovianConfig",
            example="zoo_sequence.pavlovian_attention:example",
            presets={
                "tiny": {"dim": 32, "num_heads": 2},
                "small": {"dim": 384, "num_heads": 6},
                "delta": {"rule": "delta"},
            },
            claims=(
                Claim(
                    "linear attention without normalisation is Hebbian storage followed by retrieval",
                    figure="difference < 1e-5",
                    check="zoo_sequence.pavlovian_attention.claims:check_hebbian_identity",
                ),
                Claim(
                    "redundant heads suppress independent errors exponentially",
                    figure="majority of H heads errs at most exp(-2H(1/2-e)^2)",
                    check="zoo_sequence.pavlovian_attention.claims:check_redundant_heads",
                ),
            ),
        ),
        Entry(
            id="pavlovian-attention-lm",
            kind="model",
            aliases=("pavlovian-lm",),
            summary="language model whose attention layers are conditioning experiments",
            tags=("self", "causal", "linear", "language-model", "transformer"),
            build="zoo_sequence.pavlovian_attention:PavlovianLanguageModel",
            config="zoo_sequence.pavlovian_attention:PavlovianLanguageModelConfig",
            example="zoo_sequence.pavlovian_attention:language_model_example",
            train="zoo_sequence.pavlovian_attention:train",
            presets={
                "tiny": {},
                "small": {"num_layers": 6, "dim": 384, "num_heads": 6},
                "recall": {},
            },
            weights={
                "recall": Weights(
                    "package://zoo_sequence/weights/pavlovian-attention-lm-recall.safetensors",
                    sha256="828ae415a517cd70454f2e34b10b41da48d66555a222bcb787111f20d1d92300",
                    size=136288,
                    license="apache-2.0",
                    metric="recalls 100%, 99%, 94%, 73%, 34% of 2, 4, 8, 16, 32 pairs; a head has d_k = 16",
                    command="zoo train pavlovian-attention-lm/recall",
                ),
            },
        ),
        Entry(
            id="pavlovian-attention-memory",
            kind="model",
            aliases=("associative-memory",),
            summary="associative memory of one head: write, read, and the theory of its capacity",
            tags=("memory-network", "linear", "theory"),
            build="zoo_sequence.pavlovian_attention:AssociativeMemory",
            config="zoo_sequence.pavlovian_attention:MemoryConfig",
            example="zoo_sequence.pavlovian_attention:memory_example",
        ),
        Entry(
            id="pavlovian-attention-capacity",
            kind="benchmark",
            summary="how many associations a memory holds: error and recall against the number of pairs",
            tags=("theory", "memory-network", "retrieval"),
            build="zoo_sequence.pavlovian_attention:Capacity",
            config="zoo_sequence.pavlovian_attention:CapacityConfig",
            example="zoo_sequence.pavlovian_attention:capacity_example",
            claims=(
                Claim(
                    "average-case capacity O(d_k): mean squared retrieval error (n-1)/d_k",
                    figure="ratio 1.00 within 3% for n >= 8, within 10% for n = 4",
                    check="zoo_sequence.pavlovian_attention.claims:check_average_capacity",
                ),
                Claim(
                    "worst-case capacity O(sqrt d_k): interference can add up coherently",
                    figure="4.4, 7.6, 15.8, 31.2 for d_k = 64, 256, 1024, 4096; exponent 0.4 to 0.6",
                    check="zoo_sequence.pavlovian_attention.claims:check_worst_case_capacity",
                ),
            ),
        ),
        Entry(
            id="pavlovian-attention-conditioning",
            kind="benchmark",
            aliases=("conditioning",),
            summary="acquisition, extinction, blocking and overshadowing as a benchmark of memories",
            tags=("theory", "memory-network"),
            build="zoo_sequence.pavlovian_attention:Conditioning",
            config="zoo_sequence.pavlovian_attention:ConditioningConfig",
            example="zoo_sequence.pavlovian_attention:conditioning_example",
            claims=(
                Claim(
                    "a delta rule stores up to d_k associations exactly and shows blocking; the Hebb rule does not",
                    figure="error < 1e-6; blocked cue 0.006 (delta) against 4.0 (Hebb)",
                    check="zoo_sequence.pavlovian_attention.claims:check_blocking",
                ),
            ),
        ),
    ),
)


_SKIM = "zoo_sequence.skim_attention"
_SKIM_CONTEXT = {"num_layout_layers": 2}
_SKIM_SMALL = {
    "vocab_size": 61,
    "dim": 32,
    "num_layers": 2,
    "num_heads": 4,
    "hidden_dim": 40,
    "layout_dim": 24,
    "max_2d_positions": 128,
    "max_length": 32,
}
_SKIM_TINY = _SKIM_SMALL | {"skim_head_dim": 6, "num_layout_layers": 1, "num_layout_heads": 3}
_SKIM_LAYOUT_ANALYSIS = {
    "vocab_size": 128,
    "dim": 64,
    "num_layers": 2,
    "num_heads": 4,
    "hidden_dim": 128,
    "layout_dim": 64,
    "skim_head_dim": 16,
    "num_layout_layers": 1,
    "num_layout_heads": 4,
    "max_2d_positions": 256,
    "head": "token-classification",
}

SKIM_ATTENTION = Paper(
    id="skim-attention",
    title="Skim-Attention: Learning to Focus via Document Layout",
    arxiv="2109.01078",
    year=2021,
    license="Apache-2.0",
    repo="recitalAI/skim-attention",
    commit="64917bb",
    fidelity="reference",
    replay=f"{_SKIM}:replay",
    differences=(
        "The authors' layout encoder sees padding: with one, the padding of a batch changes the attention of real "
        "tokens. Kept here.",
        "The authors' SkimmingMask needs an attention mask (batch, length, length); (batch, length) is taken too.",
        "Their SkimmingMask config has a number of skim-attention heads, but the encoder's number is what counts.",
    ),
    ours=(
        "LongSkimformer: global tokens use the queries, keys and values of all others, the layout encoder is not "
        "windowed (its fused attention is linear in memory, quadratic in time), layers with other windows get other "
        "attention from the same scores, and the preset has Longformer's vocabulary.",
        "BERT with skim embeddings: the four projections have biases.",
        "With degrade_2d_positions the tables of widths and heights do not exist.",
        "skimming-mask-bert contextualises its boxes; skimming-mask-bert-plain does not.",
        "The synthetic pages of the layout analysis, and the weights trained on them.",
    ),
    entries=(
        Entry(
            id="skim-attention",
            aliases=("skimformer",),
            kind="model",
            summary="document encoder whose attention looks at word boxes only and is computed once for all layers",
            tags=("self", "single-level", "soft", "scaled-dot", "softmax", "transformer", "document", "layout"),
            build=f"{_SKIM}:build_skimformer",
            config=f"{_SKIM}:SkimformerConfig",
            example=f"{_SKIM}:example",
            train=f"{_SKIM}:train",
            convert=f"{_SKIM}:convert",
            requires=("transformers",),
            presets={
                "tiny": _SKIM_TINY | {"head": "mlm"},
                "skimformer-base": _SKIM_CONTEXT | {"head": "mlm"},
                "skimformer-base-plain": {"head": "mlm"},
                "layout-analysis": _SKIM_LAYOUT_ANALYSIS,
            },
            weights={
                "layout-analysis": Weights(
                    "package://zoo_sequence/weights/skim-attention-layout-analysis.safetensors",
                    sha256="3f5cdda22e1b46f5a0bda78422fa635651040b3bf73173b6789462223abc1883",
                    size=674556,
                    license="apache-2.0",
                    metric="area-weighted macro F1 0.947 on drawn pages (0.445 with 1-D positions instead of boxes)",
                    command="zoo train skim-attention/layout-analysis",
                ),
                "skimformer-base": Weights(
                    "hf://nglaura/skimformer",
                    convert=f"{_SKIM}:convert",
                    default=False,
                    license="apache-2.0",
                    note="Published by the authors; the file was not seen here, so its names are those of their code.",
                ),
            },
            claims=(
                Claim(
                    "attention depends on the layout only",
                    figure="0 change",
                    check=f"{_SKIM}.claims:check_layout_only",
                ),
                Claim(
                    "attention is computed once and shared by all layers: query/key cost divided by their number",
                    figure="1/12 of the score computations of a 12-layer BERT",
                    check=f"{_SKIM}.claims:check_scores_computed_once",
                ),
                Claim(
                    "12 layers at length 512 take less time than those of a BERT of equal size",
                    figure="a large gain is quoted, without a number that could be verified",
                    check=f"{_SKIM}.claims:check_time",
                    slow=True,
                ),
                Claim(
                    "fewer query/key parameters than BERT with the same depth",
                    figure="saves 11*2*(768^2+768) = 12,993,024",
                    check=f"{_SKIM}.claims:check_saved_parameters",
                ),
                Claim(
                    "lower perplexity than BERT with 1-D or 2-D positions and than LayoutLM, trained on the same data",
                    figure="order only",
                    needs="the authors' pre-training data (PDF files and web pages)",
                ),
            ),
        ),
        Entry(
            id="skim-attention-embed",
            aliases=("bert-with-skim-embed",),
            kind="model",
            summary="BERT whose embeddings hold the six layout embeddings of a box, projected axis by axis",
            tags=("self", "softmax", "transformer", "document", "layout"),
            build=f"{_SKIM}:build_skim_embed",
            config=f"{_SKIM}:SkimEmbedConfig",
            example=f"{_SKIM}:example",
            requires=("transformers",),
            presets={
                "tiny": _SKIM_SMALL | {"head": "mlm"},
                "bert-with-skim-embed": {"head": "mlm"},
            },
        ),
        Entry(
            id="skim-attention-layout-analysis",
            kind="benchmark",
            summary="what is each word of a page? DocBank's area-weighted F1, on drawn pages or on DocBank files",
            tags=("document", "layout", "synthetic"),
            build=f"{_SKIM}:LayoutAnalysis",
            config=f"{_SKIM}:LayoutAnalysisConfig",
            example=f"{_SKIM}:layout_analysis_example",
        ),
        Entry(
            id="skim-attention-long",
            aliases=("long-skimformer",),
            kind="model",
            summary="Skimformer for long documents: a sliding window and global tokens, linear memory",
            tags=("self", "local", "linear", "sparse", "softmax", "transformer", "document", "layout"),
            build=f"{_SKIM}:build_long_skimformer",
            config=f"{_SKIM}:LongSkimformerConfig",
            example=f"{_SKIM}:example",
            convert=f"{_SKIM}:convert",
            requires=("transformers",),
            presets={
                "tiny": _SKIM_TINY | {"head": "mlm", "window": [8]},
                "long-skimformer": _SKIM_CONTEXT | {"head": "mlm", "max_length": 2048, "vocab_size": 50_265},
                "long-skimformer-30522": _SKIM_CONTEXT | {"head": "mlm", "max_length": 2048},
            },
            claims=(
                Claim(
                    "attention is a window and global tokens, computed once and used by every layer",
                    figure="dense attention under the mask of window and global tokens: difference < 1e-5",
                    check=f"{_SKIM}.claims:check_window",
                ),
                Claim(
                    "memory grows linearly with the length",
                    figure="4 times the length: 4 times the memory (dense: 16 times)",
                    check=f"{_SKIM}.claims:check_linear_memory",
                    slow=True,
                ),
                Claim(
                    "lower perplexity than Longformer, trained on the same data",
                    figure="order only",
                    needs="the authors' pre-training data (PDF files and web pages)",
                ),
            ),
        ),
        Entry(
            id="skim-attention-mask",
            aliases=("skimming-mask",),
            kind="model",
            summary="BERT or LayoutLM in which a token sees only the keys that its box's skim-attention weighs most",
            tags=("self", "sparse", "softmax", "transformer", "document", "layout"),
            build=f"{_SKIM}:build_skimming_mask",
            config=f"{_SKIM}:SkimmingMaskConfig",
            example=f"{_SKIM}:example",
            convert=f"{_SKIM}:convert",
            requires=("transformers",),
            presets={
                "tiny": _SKIM_TINY | {"top_k": 5},
                "skimming-mask-bert": _SKIM_CONTEXT,
                "skimming-mask-bert-plain": {},
                "skimming-mask-layoutlm": _SKIM_CONTEXT | {"core": "layoutlm"},
            },
            claims=(
                Claim(
                    "each token attends to at most top_k others in every layer and head",
                    figure="at most top_k nonzero weights per row",
                    check=f"{_SKIM}.claims:check_top_k",
                ),
                Claim(
                    "layout analysis: SkimmingMask on BERT gains several F1 points, on LayoutLM slightly, with 128 of "
                    "512 tokens",
                    figure="order only",
                    needs="DocBank and the pre-trained models",
                ),
            ),
        ),
    ),
)


SOFTMAX_LIMITS = Paper(
    id="softmax-limits",
    title="Limitations of Normalization in Attention Mechanism",
    arxiv="2508.17821",
    year=2025,
    fidelity="paper",
    replay="zoo_sequence.softmax_limits:replay",
    differences=(
        "The stated gradient bound 1/(4T) holds for the entries of the Jacobian; its spectral norm can reach 1/(2T).",
        "The distance is defined as the norm of a sum in one place and as a sum of norms in another: both are offered.",
    ),
    ours=(
        "The triangle bound and the random-set identity replace theorems whose constants were not available.",
        "The alternative normalisers, all divided by their sum (the published self-adjusted softmax is not), "
        "and the attention layer that offers them.",
    ),
    entries=(
        Entry(
            id="softmax-limits",
            kind="probe",
            summary="how many tokens a head can select before selected and rest become indistinguishable",
            tags=("theory", "softmax", "interpretability", "normalisation"),
            build="zoo_sequence.softmax_limits:SoftmaxLimits",
            config="zoo_sequence.softmax_limits:SoftmaxLimitsConfig",
            example="zoo_sequence.softmax_limits:example",
            requires=("transformers",),
            claims=(
                Claim(
                    "vanishing attention: bounded logits give weights between C1/L and C2/L",
                    figure="exp(-2 Delta/T)/L <= alpha <= exp(2 Delta/T)/L on every row",
                    check="zoo_sequence.softmax_limits.claims:check_vanishing_attention",
                ),
                Claim(
                    "the softmax gradient is of order 1/T",
                    figure="entries <= 1/(4T), spectral norm <= 1/(2T), attained by two equal tokens",
                    check="zoo_sequence.softmax_limits.claims:check_gradient_bounds",
                ),
                Claim(
                    "distance collapse: with N proportional to L selected and rest come closer",
                    figure="0.26, 0.14, 0.070, 0.051 for L = 32, 128, 512, 1024 (random unit vectors)",
                    check="zoo_sequence.softmax_limits.claims:check_distance_collapse",
                ),
                Claim(
                    "geometric separability of random unit vectors falls with the length",
                    figure="0.97, 0.58, 0.28, 0.20 for L = 32, 128, 512, 1024",
                    check="zoo_sequence.softmax_limits.claims:check_separability",
                ),
                Claim(
                    "geometric separability saturates on a trained model",
                    figure="0.70 to 0.85 on pre-trained GPT-2",
                    needs="the pre-trained GPT-2",
                ),
                Claim(
                    "the gradient norm grows like 1/T at low temperature",
                    figure="log-log slope about -1 for T in 1..0.1 on logits with near ties",
                    check="zoo_sequence.softmax_limits.claims:check_low_temperature_gradient",
                ),
            ),
        ),
        Entry(
            id="softmax-limits-attention",
            kind="attention",
            summary="standard attention with the normalisers that are recommended instead of softmax",
            tags=("self", "single-level", "soft", "single", "scaled-dot", "softmax", "sparse", "normalisation"),
            build="zoo_sequence.softmax_limits:NormalisedAttention",
            config="zoo_sequence.softmax_limits:NormalisedAttentionConfig",
            example="zoo_sequence.softmax_limits:attention_example",
            functional="zoo_sequence.softmax_limits:normalised_attention",
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
                    check="zoo_sequence.softmax_limits.claims:check_alternatives",
                ),
            ),
        ),
    ),
)


TRANSFORMER_WAVE_FUNCTION = Paper(
    id="transformer-wave-function",
    title="Are queries and keys always relevant? A case study on Transformer wave functions",
    arxiv="2405.18874",
    year=2024,
    license="Apache-2.0",
    repo="netket/netket",
    commit="3b9e1c286",
    fidelity="reference",
    replay="zoo_sequence.transformer_wave_function:replay",
    ours=(
        "The query-key variants: `standard` is a T5-style reading, `decoupled` adds the free part to softmax(content).",
        "The recorded reference is the authors' tutorial; the paper's own code was not public.",
        "The exact-diagonalisation benchmark on 4 x 4 sites and its training recipe.",
    ),
    entries=(
        Entry(
            id="transformer-wave-function",
            kind="model",
            summary="transformer whose output is the log amplitude of a spin configuration",
            tags=("theory", "physics", "self", "single-level", "soft", "single", "transformer", "location-based"),
            build="zoo_sequence.transformer_wave_function:WaveFunction",
            config="zoo_sequence.transformer_wave_function:WaveFunctionConfig",
            example="zoo_sequence.transformer_wave_function:example",
            train="zoo_sequence.transformer_wave_function:train",
            presets={
                "check-4x4": {"alpha_scale": 0.3},
                "check-4x4-standard": {"alpha_scale": 0.3, "attention": "standard"},
                "golden": {"dim": 12, "num_heads": 3},
                "tutorial": {"lattice_size": 10, "num_layers": 4, "dim": 60, "num_heads": 10},
                "pretrained": {"lattice_size": 10, "num_layers": 8, "dim": 72, "num_heads": 12},
            },
            weights={
                "check-4x4": Weights(
                    "package://zoo_sequence/weights/transformer-wave-function-check-4x4.safetensors",
                    sha256="1a200c4c935255b1c492c23e6e08394a32097b3730cacbbb00cef52c41781c6f",
                    size=52920,
                    license="apache-2.0",
                    metric="relative energy error 6.7e-04 on 4 x 4 sites at J2 = 0",
                    command="zoo train transformer-wave-function/check-4x4",
                ),
                "check-4x4-standard": Weights(
                    "package://zoo_sequence/weights/transformer-wave-function-check-4x4-standard.safetensors",
                    sha256="d4aa6c24d8dc8e0435e024190bc643a9161404d8e37ca9a1d9f8fca683665ca7",
                    size=62288,
                    license="apache-2.0",
                    metric="relative energy error 6.5e-04 on 4 x 4 sites at J2 = 0",
                    command="zoo train transformer-wave-function/check-4x4-standard",
                ),
                "pretrained": Weights(
                    "hf://nqs-models/j1j2_square_10x10_05/model.safetensors",
                    convert="zoo_sequence.transformer_wave_function:convert",
                    default=False,
                    license="apache-2.0",
                    metric="energy -0.497508 per site at J2/J1 = 0.5, as published",
                    note="published by the authors; not fetched here, so its names were never checked",
                ),
            },
            claims=(
                Claim(
                    "factored attention reaches the energy of query-key attention at equal steps",
                    figure="no worse on 4x4 (J2=0, 100 steps: 5e-4 against 1e-1)",
                    check="zoo_sequence.transformer_wave_function.claims:check_factored_against_standard",
                    slow=True,
                ),
                Claim(
                    "the factored network learns the frustrated model too",
                    figure="relative error 2.9e-2 at J2 = 0.5 after 120 steps (an independent run of the recipe)",
                    check="zoo_sequence.transformer_wave_function.claims:check_frustrated",
                    slow=True,
                ),
                Claim(
                    "the variational energy never falls below the exact one",
                    figure="E >= E0",
                    check="zoo_sequence.transformer_wave_function.claims:check_variational_bound",
                ),
                Claim(
                    "query-key maps become independent of the input during training",
                    figure="relative variance over configurations falls",
                    check="zoo_sequence.transformer_wave_function.claims:check_input_independence",
                ),
                Claim(
                    "translation-invariant attention makes psi invariant under shifts by whole patches",
                    figure="log psi equal to 1e-10 in float64",
                    check="zoo_sequence.transformer_wave_function.claims:check_translation_invariance",
                ),
                Claim(
                    "factored attention costs h n parameters (or h n^2) a layer instead of 2 d^2 + 2 d",
                    figure="closed form",
                    check="zoo_sequence.transformer_wave_function.claims:check_parameter_cost",
                ),
            ),
        ),
        Entry(
            id="transformer-wave-function-ground-state",
            kind="benchmark",
            summary="ground state of the J1-J2 Heisenberg model on 4 x 4 sites against exact diagonalisation",
            tags=("physics", "theory"),
            build="zoo_sequence.transformer_wave_function:GroundState",
            config="zoo_sequence.transformer_wave_function:LatticeConfig",
            example="zoo_sequence.transformer_wave_function:ground_state_example",
            requires=("scipy",),
            claims=(
                Claim(
                    "exact ground-state energies on 4 x 4 sites",
                    figure="-11.228483, -9.917983, -8.457923 for J2 = 0, 0.2, 0.5",
                    check="zoo_sequence.transformer_wave_function.claims:check_exact_energies",
                ),
            ),
        ),
    ),
)


@hookimpl
def zoo_papers() -> Iterator[Paper]:
    """The papers of this plugin, in alphabetical order of id."""
    yield ADAPTIVE_FILTER_ATTENTION
    yield ATTENTION_RANK
    yield ATTENTION_SDM
    yield BETTER_ATTENTION
    yield DUAL_ATTENTION
    yield EFFICIENT_ATTENTION
    yield FAST_ATTENTION
    yield MARGINAL_ATTENTION
    yield MINIMAL_TRANSFORMER
    yield MOBA
    yield MOH
    yield PAVLOVIAN_ATTENTION
    yield SKIM_ATTENTION
    yield SOFTMAX_LIMITS
    yield TRANSFORMER_WAVE_FUNCTION
