"""The facts of You Need to Pay Better Attention: Rethinking the Mathematics of Attention Mechanism."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Traits, Weights

_TAGS = ("self", "single-level", "soft", "single", "scaled-dot", "softmax", "multi-head", "causal")

_TEXT = {"image_size": None, "vocab_size": 20_000, "num_classes": 2}

PAPER = Paper(
    id="better-attention",
    title="You Need to Pay Better Attention: Rethinking the Mathematics of Attention Mechanism",
    arxiv="2403.01643",
    year=2024,
    code=__package__,
    fidelity="paper",
    replay="conversion:replay",
    ours=("No official code was found; the mechanisms follow the paper's equations.",),
    entries=(
        Entry(
            id="better-attention",
            aliases=("super-attention",),
            kind="attention",
            summary="super attention: no key and value projections, but a learned kernel over the values' positions",
            tags=(*_TAGS, "fixed-length"),
            traits=Traits(
                causal="optional",
                time="n^2",
                memory="n^2",
                decoding="recompute",
                parameters="no key and value projections; a kernel of length x length",
            ),
            build="layers:SuperAttention",
            config="config:SuperAttentionConfig",
            example="layers:example",
            convert="conversion:convert_super",
            ours=(
                "The kernel W_A has no bias, also where the projections have some.",
                "A mask that differs between queries applies to S W_A: the kernel carries no hidden value around it.",
                "Converting a standard layer with one head to super attention starts W_A at the identity.",
            ),
            presets={"tiny": {"dim": 16, "max_length": 9}},
            claims=(
                Claim(
                    "2 d^2 + l^2 parameters: fewer than standard attention where l < sqrt(2) d",
                    figure="3/4 of standard attention at l = d",
                    check="claims:check_super_parameters",
                ),
                Claim(
                    "with W_A = I it equals efficient attention",
                    figure="< 1e-6",
                    check="claims:check_identity_kernel",
                ),
            ),
        ),
        Entry(
            id="better-attention-classifier",
            kind="model",
            summary="post-norm classifier of images or texts with standard, optimised, efficient or super attention",
            tags=("self", "transformer", "classification", "vision", "text"),
            build="classifier:BetterAttentionClassifier",
            config="config:ClassifierConfig",
            example="classifier:classifier_example",
            picture="pictures:mistakes",
            train="training:train",
            ours=(
                "Sizes of the presets are reconstructions, as are learned positions, ReLU and a dropout of 0.1.",
                "The preset digits and its training.",
            ),
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
                "imdb": {**_TEXT, "max_length": 32, "dim": 32, "hidden_dim": 32},
                "amazon": {**_TEXT, "max_length": 64, "dim": 64, "num_layers": 3, "num_classes": 5},
                "tiny": {**_TEXT, "vocab_size": 50, "max_length": 9, "dim": 16, "hidden_dim": 16},
                "digits": {"mechanism": "super", "image_size": 8, "patch_size": 2, "dim": 64, "hidden_dim": 64},
            },
            weights={
                "digits": Weights(
                    "package://zoo_sequence/weights/better-attention-classifier-digits.safetensors",
                    sha256="b3e6664b3792905e1b6ee5504a7bebe70f5a2704aafce70b2d52a6d9d3a25b41",
                    size=115_800,
                    license="Apache-2.0",
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
            tags=_TAGS,
            traits=Traits(
                causal="optional",
                time="n^2",
                memory="n",
                decoding="recompute",
                parameters="no key and value projections",
            ),
            build="layers:DKVEfficientAttention",
            config="config:AttentionConfig",
            example="layers:example",
            convert="conversion:convert_efficient",
            presets={"tiny": {"dim": 16}},
            claims=(
                Claim(
                    "half the parameters of standard attention",
                    figure="exactly 0.5 without bias",
                    check="claims:check_efficient_parameters",
                ),
                Claim(
                    "with one head, efficient and optimised attention can compute what standard attention computes",
                    figure="W_Q' = W_Q W_K', W_O' = W_V W_O: outputs equal < 1e-5",
                    check="claims:check_single_head",
                ),
                Claim(
                    "one (optimised) or two (efficient) matrix products fewer, so faster",
                    figure="4 d^2 l multiply-adds become 3 and 2; efficient up to 2x faster at small lengths",
                    check="claims:check_speed",
                    slow=True,
                ),
            ),
        ),
        Entry(
            id="better-attention-optimised",
            aliases=("optimised-attention",),
            kind="attention",
            summary="three quarters of the parameters of standard attention: heads average slices of the raw values",
            tags=_TAGS,
            traits=Traits(
                causal="optional", time="n^2", memory="n", decoding="recompute", parameters="no value projection"
            ),
            build="layers:OptimisedAttention",
            config="config:AttentionConfig",
            example="layers:example",
            convert="conversion:convert_optimised",
            presets={"tiny": {"dim": 16}},
            claims=(
                Claim(
                    "three quarters of the parameters of standard attention",
                    figure="exactly 0.75 without bias",
                    check="claims:check_optimised_parameters",
                ),
                Claim(
                    "with several heads it is standard attention only where the heads' value maps merge",
                    figure="equal < 1e-5 where they are the identity's slices",
                    check="claims:check_several_heads",
                ),
            ),
        ),
        Entry(
            id="better-attention-standard",
            aliases=("standard-attention",),
            kind="attention",
            summary="standard multi-head attention, the baseline of the other three",
            tags=(*_TAGS, "baseline"),
            traits=Traits(causal="optional", time="n^2", memory="n", decoding="recompute"),
            build="layers:StandardAttention",
            config="config:AttentionConfig",
            example="layers:example",
            convert="conversion:convert_standard",
            presets={"tiny": {"dim": 16}},
        ),
    ),
)
