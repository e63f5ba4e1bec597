"""The facts of Reducing the Transformer Architecture to a Minimum."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Traits, Weights

_IMAGES = {
    "mnist": {"image_size": 28, "patch_size": 7, "in_channels": 1},
    "cifar10": {"image_size": 32, "patch_size": 8, "in_channels": 3},
}

_SIZES = {
    f"{data}-{layers}-{heads}{'-mlp' if mlp else ''}": {**image, "num_layers": layers, "num_heads": heads, "mlp": mlp}
    for data, image in _IMAGES.items()
    for layers in (6, 12)
    for heads in (1, 4)
    for mlp in (False, True)
}

PAPER = Paper(
    id="minimal-transformer",
    title="Reducing the Transformer Architecture to a Minimum",
    arxiv="2410.13732",
    year=2024,
    code=__package__,
    fidelity="paper",
    replay="conversion:replay",
    ours=("T starts at the identity plus noise of deviation 0.02; standard normal T diverges with one head.",),
    entries=(
        Entry(
            id="minimal-transformer",
            kind="model",
            summary="small image classifier with switches for MLP, merged query/key, value/output and symmetry",
            tags=("vision", "classification", "transformer", "self"),
            build="network:MinimalTransformer",
            config="config:MinimalTransformerConfig",
            example="network:image_example",
            picture="pictures:digits",
            train="training:train",
            differences=("A third-party reproduction found that the reduced variants do lose accuracy on CIFAR-10.",),
            ours=(
                "No official code was seen: embedding sizes and post-norm follow a third-party reproduction.",
                "The preset digits and its training.",
            ),
            presets={
                **_SIZES,
                "tiny": {"num_layers": 1},
                "digits": {"image_size": 8, "patch_size": 2, "num_layers": 2, "variant": "wqk-no-vo"},
            },
            weights={
                "digits": Weights(
                    "package://zoo_sequence/weights/minimal-transformer-digits.safetensors",
                    sha256="8aa91c53b690fbce8d7b167eb2be1374538c5ca3b24525488a98b3e176375d50",
                    size=45_248,
                    license="Apache-2.0",
                    metric="96.11% of 360 held-out handwritten digits, a linear model 94.72%; 10954 parameters",
                    command="zoo train minimal-transformer/digits",
                    note="Q = 1.31, 400 epochs. After 50, in equal settings: unchanged with MLP 97.2% (52554 "
                    "parameters, Q = 0.27), wqk-no-vo with MLP 95.3%, without MLPs unchanged 95.0%, wqk 91.4%, "
                    "wqk-no-vo 87.5%, symmetric-no-vo 80.8%, symmetric 77.8%. Held-out over training loss grows as Q "
                    "falls: 1.14 (Q = 2.12), 1.16 (1.31), 1.75 (0.40), 2.15 (0.27).",
                ),
            },
            claims=(
                Claim(
                    "parameter savings",
                    figure="156298 to 31498: 80% (up to 90% with 12 layers)",
                    check="claims:check_savings",
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
            traits=Traits(causal="optional", time="n^2", memory="n", decoding="recompute"),
            build="layer:MinimalAttention",
            config="config:MinimalAttentionConfig",
            example="layer:example",
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
                    check="claims:check_merged_queries_and_keys",
                ),
                Claim(
                    "one head: W_V W_O can be one matrix",
                    figure="< 1e-5",
                    check="claims:check_merged_values_and_output",
                ),
                Claim(
                    "without W_V and W_O an output is a convex combination of the inputs",
                    figure="inside the inputs' range",
                    check="claims:check_convexity",
                ),
                Claim(
                    "symmetric similarity is positive semidefinite",
                    figure="eigenvalues >= -1e-6",
                    check="claims:check_semidefinite",
                ),
            ),
        ),
    ),
)
