"""The facts of Attention as an Adaptive Filter."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Traits, Weights

_TINY = {"dim": 16, "num_heads": 2, "max_length": 10, "input_norm": "all"}

_FILTER_2D = Weights(
    "package://zoo_sequence/weights/adaptive-filter-attention-filter-2d.safetensors",
    sha256="a106e3e5ad4c5a1fcc29b9c8d90d7fd0b481fc7b3c981f48c9f5d1fb8821a60a",
    size=529_304,
    license="Apache-2.0",
    metric="mean squared error one step ahead 0.195; raw measurements 4.06, Kalman filter 0.157",
    command="zoo train adaptive-filter-attention/filter-2d",
    note="For the benchmark adaptive-filter-attention-rotation/demo and its map from the plane to 128 channels.",
)

# The isotropic layer and the network of it have options that the full layer has not.
_OF_ISOTROPIC = (
    "With separate dynamics the code uses the values' decay for keys at one place; here keys have their own.",
    "The code rotates back to time 0; here it is the first time, which differs with rotate_values=False only.",
)
_RESIDUAL = (
    "Without its squares a residual can fall below -1 / S, where the robust logarithm ends: it is floored there "
    "(full_residual=False)."
)
_TRAINING = "Training draws 32 new trajectories every epoch; on 32 fixed ones 1000 epochs overfit."

PAPER = Paper(
    id="adaptive-filter-attention",
    title="Attention as an Adaptive Filter",
    arxiv="2509.04154",
    year=2025,
    code=__package__,
    repo="PCR-git/Adaptive-Filter-Attention",
    commit="dc4f7b7",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "In the authors' code the gate's parameters are fixed random tensors of 64 features; here they are parameters.",
        "With norms for queries and keys only, the code leaves the values undefined; here they stay as projected.",
        "The code's prediction decays by e^mu whatever the step; here it decays over the step by which it rotates.",
    ),
    ours=("The form of the learned gate, 1 / (1 + prior) per feature, and the softplus that keeps a prior positive.",),
    entries=(
        Entry(
            id="adaptive-filter-attention",
            aliases=("afa", "isotropic-afa"),
            kind="attention",
            summary="attention weights as precisions of past values carried forward by learned linear dynamics",
            tags=("self", "single-level", "soft", "single", "softmax", "causal", "complex", "filtering", "theory"),
            traits=Traits(
                causal="always",
                time="n^2",
                memory="n^2",
                decoding="recompute",
                parameters="complex projections, twice as large; dynamics of each head",
            ),
            build="layer:AdaptiveFilterAttention",
            config="config:AdaptiveFilterConfig",
            example="layer:example",
            differences=_OF_ISOTROPIC,
            ours=(_RESIDUAL, _TRAINING),
            train="training:train",
            convert="conversion:convert",
            presets={"filter-2d": {}, "tiny": _TINY},
            weights={"filter-2d": _FILTER_2D},
            claims=(
                Claim(
                    "zero decay, zero process noise, small angles: AFA is complex, rotary dot-product attention",
                    figure="attention maps equal < 1e-4",
                    check="claims:check_rotary_limit",
                ),
                Claim(
                    "the closed-form covariance solves the differential Lyapunov equation",
                    figure="relative error < 1e-3 (Euler, 1e4 steps), < 1e-8 (scipy)",
                    check="claims:check_lyapunov",
                ),
                Claim(
                    "mu -> 0: V = sigma^2 dt + eta^2 + gamma^2",
                    figure="< 1e-6",
                    check="claims:check_undamped_covariance",
                ),
                Claim(
                    "the factorised residual equals the explicit pairwise residual",
                    figure="< 1e-4",
                    check="claims:check_factorised_residual",
                ),
                Claim(
                    "time-shift equivariance",
                    figure="< 1e-5",
                    check="claims:check_time_shift",
                ),
                Claim(
                    "the isotropic variant takes the O(N^2 + N d) memory of attention",
                    figure="no N^2 d tensor",
                    check="claims:check_memory",
                    slow=True,
                ),
                Claim(
                    "filters a noisy linear system better than an untrained mean",
                    figure="error below raw measurement error after training",
                    check="claims:check_filtering",
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
            traits=Traits(
                causal="always",
                time="n^2",
                memory="n^2",
                decoding="recompute",
                parameters="complex projections, twice as large; dynamics of each feature",
            ),
            build="full:FullAdaptiveFilterAttention",
            config="config:FullFilterConfig",
            example="layer:example",
            ours=("No bias and scale choices; its gate takes the total precision of each feature.",),
            presets={"tiny": _TINY},
        ),
        Entry(
            id="adaptive-filter-attention-network",
            aliases=("afa-network",),
            kind="model",
            summary="transformer of adaptive filters: noisy trajectories to estimates one step ahead",
            tags=("self", "softmax", "causal", "complex", "filtering", "transformer"),
            build="network:build_network",
            config="config:FilterNetworkConfig",
            example="layer:example",
            picture="pictures:trajectory",
            differences=_OF_ISOTROPIC,
            ours=(_RESIDUAL, _TRAINING),
            train="training:train",
            convert="conversion:convert",
            presets={
                "filter-2d": {"num_layers": 0},
                "afa-transformer": {"num_layers": 2, "hidden_dim": 512},
                "tiny": {**_TINY, "num_layers": 2, "hidden_dim": 24},
            },
            weights={"filter-2d": _FILTER_2D},
        ),
        Entry(
            id="adaptive-filter-attention-rotation",
            kind="benchmark",
            summary="foretell a damped rotation from noisy measurements, beside a Kalman filter",
            tags=("theory", "synthetic", "filtering"),
            build="rotation:NoisyRotation",
            config="config:NoisyRotationConfig",
            example="rotation:rotation_example",
            picture="pictures:errors",
            ours=(
                "The demo's basis, its map to channels, initial states of deviation 5; the Kalman filter beside it.",
            ),
            presets={
                "measurement-noise": {"sigma2": 0.0, "eta2": 1.0},
                "both-noises": {"sigma2": 0.3, "eta2": 0.5},
                "strong-noise": {"sigma2": 0.5, "eta2": 2.0},
                "demo": {"sigma2": 0.0, "eta2": 4.0},
            },
        ),
    ),
)
