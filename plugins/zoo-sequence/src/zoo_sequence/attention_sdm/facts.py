"""The facts of Attention Approximates Sparse Distributed Memory."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="attention-sdm",
    title="Attention Approximates Sparse Distributed Memory",
    arxiv="2111.05498",
    year=2021,
    code=__package__,
    license="MIT",
    repo="TrentBrick/attention-approximates-sdm",
    commit="4cb44d8",
    fidelity="reference",
    replay="conversion:replay",
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
            build="probe:BetaProbe",
            config="config:ProbeConfig",
            example="probe:probe_example",
            picture="pictures:betas",
            requires=("transformers",),
            claims=(
                Claim(
                    "the intersection of two Hamming balls decays nearly exponentially with their distance",
                    figure="R^2 0.960, 0.972, 0.984, 0.988 for d = 9, 11, 15, 20 at n = 64",
                    check="claims:check_exponential_decay",
                ),
                Claim(
                    "the fitted beta depends on the radius",
                    figure="20.04, 15.85, 10.11, 5.60 for d = 9, 11, 15, 20 at n = 64",
                    check="claims:check_fitted_beta",
                ),
                Claim(
                    "a head of GPT-2 computes softmax(beta cos) with beta = |q||k|/sqrt(d_k)",
                    figure="identity",
                    check="claims:check_heads_are_memories",
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
            build="memory:SparseDistributedMemory",
            config="config:MemoryConfig",
            example="memory:example",
            picture="pictures:memory",
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
                    check="claims:check_agreement",
                ),
                Claim(
                    "softmax(beta cos) is attention with beta in place of 1/sqrt(d_k)",
                    figure="identity",
                    check="claims:check_hopfield_identity",
                ),
                Claim(
                    "signal-to-noise optimum p* = (2 m r)^(-1/3)",
                    figure="n=64, m=1024, r=2^64: 2.98e-8, radius 11; n=1000, m=1e4, r=1e6: radius 447",
                    check="claims:check_optimal_radius",
                ),
            ),
        ),
        Entry(
            id="attention-sdm-critical-distance",
            kind="benchmark",
            summary="from how many flipped bits a memory still moves closer to what it stores",
            tags=("theory", "memory-network", "retrieval"),
            build="critical_distance:CriticalDistance",
            config="config:CriticalDistanceConfig",
            example="critical_distance:critical_distance_example",
            picture="pictures:critical_distance",
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
                    check="claims:check_critical_distances",
                    slow=True,
                ),
            ),
        ),
    ),
)
