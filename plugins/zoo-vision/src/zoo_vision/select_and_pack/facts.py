"""The facts of select and pack attention."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TAGS = ("vision", "self", "hard", "sparse", "scaled-dot", "softmax", "routing")
_TEACHES = "without the selection loss the gate keeps too many tokens; with it about 30% remain"

PAPER = Paper(
    id="select-and-pack",
    title="Context-Aware Token Selection and Packing for Enhanced Vision Transformer",
    arxiv="2410.23608",
    year=2024,
    code=__package__,
    fidelity="reconstruction",
    ours=(
        "No code was published. Equations and constants are the paper's as far as the sources state them; chosen here "
        "are the noise's scale and threshold, the gate on normalised tokens, the order of containers, no bias of "
        "position (`position=relative` has one), and how scores cross resolutions: maxima of cells where a map "
        "shrinks, nearest neighbours where it grows.",
        "Tokens of an image that straddle two containers do not see each other, so an answer depends a little on the "
        "company in the batch. `packing=image` starts a new container with every image: more padding, and no such "
        "dependence.",
        "Traced programs, and counts of operations, have as many containers as if all tokens were kept, because their "
        "shapes may not depend on numbers; answers are the same.",
    ),
    entries=(
        Entry(
            id="select-and-pack",
            aliases=("spt",),
            kind="model",
            summary="Swin's backbone whose later stages attend among chosen tokens only, packed across the batch",
            tags=(*_TAGS, "backbone", "detection", "classification"),
            build="network:SPT",
            config="config:SPTConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="pictures:selected",
            train="training:train",
            ours=(
                "Sides that are no multiple of 32 are padded inside; padding is never kept, and maps are cut.",
                "A norm for each of the four maps, as Swin has under a detector; stochastic depth as Swin's; the "
                "classifier on the mean of the last map.",
                "The presets `tiny` and `digits`, and the training of the latter on handwritten digits at random "
                "places of a dark canvas, whose strokes are the objects of the selection loss, at alpha 0.05.",
            ),
            presets={
                "spt-tiny": {},
                "spt-small": {"depths": [2, 2, 22, 2], "drop_path": 0.3},
                "spt-base": {
                    "embed_dim": 128,
                    "depths": [2, 2, 22, 2],
                    "num_heads": [4, 8, 16, 32],
                    "drop_path": 0.5,
                },
                "digits": {
                    "embed_dim": 16,
                    "depths": [1, 1, 2, 1],
                    "num_heads": [1, 2, 2, 4],
                    "window_size": 4,
                    "mlp_ratio": 1.5,
                    "drop_path": 0.0,
                    "position": "relative",
                    "packing": "image",
                    "alpha": 0.05,
                    "num_classes": 10,
                    "image_size": 64,
                    "dataset": "digits",
                },
                "tiny": {
                    "embed_dim": 16,
                    "depths": [1, 1, 2, 1],
                    "num_heads": [1, 2, 2, 4],
                    "window_size": 4,
                    "image_size": 64,
                },
            },
            weights={
                "digits": Weights(
                    "package://zoo_vision/weights/select-and-pack-digits.safetensors",
                    sha256="2db711f14d229b189e58eaccfea7c0034b66cd5e99a9544a564c5e126e1f272b",
                    size=956_660,
                    license="Apache-2.0",
                    metric="97.22% of 360 held-out handwritten digits, at random places; a linear model of the digits "
                    "alone, at no place, 94.72%",
                    command="zoo train select-and-pack/digits",
                    note="Trained for 100 epochs on 1,437 of scikit-learn's handwritten digits (UCI, CC-BY 4.0), each "
                    "drawn at a random place of a canvas of four times its area.",
                ),
            },
            claims=(
                Claim(
                    "it classifies by what it selects, better than a linear model of the pixels",
                    figure="VOC multi-label 44.60 with 29.6% of tokens kept, 44.42 with half of them, whichever",
                    check="claims:check_digits",
                    slow=True,
                ),
                Claim(
                    _TEACHES,
                    figure="59.8% against 29.6% on VOC",
                    check="claims:check_selection_loss",
                    slow=True,
                ),
                Claim(
                    "better detection at less computation than Swin",
                    figure="COCO AP 46.0 to 47.1 (267 to 261 GFLOPs), 48.5 to 49.3 (359 to 342), 51.9 to 53.2 (982 to "
                    "944), detector included; BDD100K +0.6 mAP with 16.4% less",
                    needs="COCO, BDD100K, a Cascade Mask R-CNN and a GPU",
                ),
                Claim(
                    "selection from stage 3 on is best",
                    figure="BDD100K AP by first stage: 4 21.9, 3 22.6, 2 20.5, 1 18.3",
                    needs="BDD100K and a GPU",
                ),
            ),
        ),
        Entry(
            id="select-and-pack-attention",
            kind="model",
            summary="a layer for maps (batch, h, w, channels): chosen tokens attend in containers that images share",
            tags=(*_TAGS, "layer"),
            build="attention:SelectPackAttention",
            config="config:SelectPackConfig",
            example="attention:example",
            paper_input="attention:paper_input",
            picture="pictures:packing",
            presets={"tiny": {"dim": 16, "num_heads": 2, "window_size": 5}},
            claims=(
                Claim(
                    "packing is exact: the same as attention over each image's chosen tokens that share a container",
                    figure="1e-6",
                    check="claims:check_packing_is_exact",
                ),
                Claim(
                    "padding is at most L - 1 tokens per batch",
                    figure="containers = ceil(sum of chosen / L)",
                    check="claims:check_padding",
                ),
                Claim(
                    "multiply-adds B(NC + NC^2) + B'(3LC^2 + 2L^2C), against windows' B(4NC^2 + 2M^2NC)",
                    figure="30% chosen, N = 196, C = 384, L = 49: about 0.48 of window attention",
                    check="claims:check_cost",
                    slow=True,
                ),
                Claim(
                    "a gate that keeps everything, with L = N, is full self-attention",
                    figure="1e-6",
                    check="claims:check_full_attention",
                ),
                Claim(
                    "an image with no chosen token is legal",
                    figure="output = input through the residual and the MLP",
                    check="claims:check_nothing_chosen",
                ),
            ),
        ),
    ),
)
