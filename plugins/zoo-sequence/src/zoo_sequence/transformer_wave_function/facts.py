"""The facts of Are queries and keys always relevant? A case study on Transformer wave functions."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

PAPER = Paper(
    id="transformer-wave-function",
    title="Are queries and keys always relevant? A case study on Transformer wave functions",
    arxiv="2405.18874",
    year=2024,
    code=__package__,
    license="Apache-2.0",
    repo="netket/netket",
    commit="3b9e1c286",
    fidelity="reference",
    replay="conversion:replay",
    ours=("The recorded reference is the authors' tutorial; the paper's own code was not public.",),
    entries=(
        Entry(
            id="transformer-wave-function",
            kind="model",
            summary="transformer whose output is the log amplitude of a spin configuration",
            tags=("theory", "physics", "self", "single-level", "soft", "single", "transformer", "location-based"),
            build="network:WaveFunction",
            config="config:WaveFunctionConfig",
            example="network:example",
            picture="pictures:network",
            train="training:train",
            ours=(
                "The query-key variants: `standard` is a T5-style reading, `decoupled` adds the free part to "
                "softmax(content).",
                "The training recipe on 4 x 4 sites.",
            ),
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
                    license="Apache-2.0",
                    metric="relative energy error 6.7e-04 on 4 x 4 sites at J2 = 0",
                    command="zoo train transformer-wave-function/check-4x4",
                ),
                "check-4x4-standard": Weights(
                    "package://zoo_sequence/weights/transformer-wave-function-check-4x4-standard.safetensors",
                    sha256="d4aa6c24d8dc8e0435e024190bc643a9161404d8e37ca9a1d9f8fca683665ca7",
                    size=62288,
                    license="Apache-2.0",
                    metric="relative energy error 6.5e-04 on 4 x 4 sites at J2 = 0",
                    command="zoo train transformer-wave-function/check-4x4-standard",
                ),
                "pretrained": Weights(
                    "hf://nqs-models/j1j2_square_10x10_05/model.safetensors",
                    convert="conversion:convert",
                    default=False,
                    license="Apache-2.0",
                    metric="energy -0.497508 per site at J2/J1 = 0.5, as published",
                    note="published by the authors; not fetched here, so its names were never checked",
                ),
            },
            claims=(
                Claim(
                    "factored attention reaches the energy of query-key attention at equal steps",
                    figure="no worse on 4x4 (J2=0, 100 steps: 5e-4 against 1e-1)",
                    check="claims:check_factored_against_standard",
                    slow=True,
                ),
                Claim(
                    "the factored network learns the frustrated model too",
                    figure="relative error 2.9e-2 at J2 = 0.5 after 120 steps (an independent run of the recipe)",
                    check="claims:check_frustrated",
                    slow=True,
                ),
                Claim(
                    "the variational energy never falls below the exact one",
                    figure="E >= E0",
                    check="claims:check_variational_bound",
                    slow=True,
                ),
                Claim(
                    "query-key maps become independent of the input during training",
                    figure="relative variance over configurations falls",
                    check="claims:check_input_independence",
                ),
                Claim(
                    "translation-invariant attention makes psi invariant under shifts by whole patches",
                    figure="log psi equal to 1e-10 in float64",
                    check="claims:check_translation_invariance",
                ),
                Claim(
                    "factored attention costs h n parameters (or h n^2) a layer instead of 2 d^2 + 2 d",
                    figure="closed form",
                    check="claims:check_parameter_cost",
                ),
            ),
        ),
        Entry(
            id="transformer-wave-function-ground-state",
            kind="benchmark",
            summary="ground state of the J1-J2 Heisenberg model on 4 x 4 sites against exact diagonalisation",
            tags=("physics", "theory"),
            build="benchmark:GroundState",
            config="config:LatticeConfig",
            example="benchmark:ground_state_example",
            picture="pictures:ground_state",
            requires=("scipy",),
            ours=("The benchmark against exact diagonalisation.",),
            claims=(
                Claim(
                    "exact ground-state energies on 4 x 4 sites",
                    figure="-11.228483, -9.917983, -8.457923 for J2 = 0, 0.2, 0.5",
                    check="claims:check_exact_energies",
                ),
            ),
        ),
    ),
)
