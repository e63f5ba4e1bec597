"""The facts of DDST."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

PAPER = Paper(
    id="ddst",
    title="Dynamic Double Space Tower",
    arxiv="2506.11394",
    year=2025,
    code=__package__,
    fidelity="reconstruction",
    ours=(
        "A reconstruction: the four rules of Gestalt, their order, the two directions and the use in a model of 3B "
        "parameters are as the abstract and public summaries say; all equations are ours, because text and code were "
        "out of reach.",
        "A soft closing lies below its input at lone peaks; what it adds is cut off at zero.",
        "Both directions share the weights of the four layers and have gates of their own, for every channel group.",
        "One resolution is kept throughout; the abstract does not say whether the layers form stages of a pyramid.",
        "`July`, the authors' vision-language model of 3B parameters, is not offered: its parts are not public. The "
        "tower takes the width of whatever host it stands in.",
    ),
    entries=(
        Entry(
            id="ddst",
            kind="model",
            summary="in place of attention: image tokens grouped by proximity, similarity, closure and continuity",
            tags=("vision", "token-mixer", "attention-free", "multimodal", "gating", "reconstruction", "layer"),
            build="tower:Tower",
            config="config:DDSTConfig",
            example="tower:example",
            picture="pictures:rules",
            presets={
                "ddst-small": {},
                "ddst-tiny": {"dim": 64, "num_layers": 2, "num_groups": 8, "question_dim": 64},
                "plug-in": {"dim": 768, "num_layers": 1, "question_dim": 768},
                "tiny": {"dim": 32, "num_layers": 1, "num_groups": 4, "question_dim": 24},
            },
            claims=(
                Claim(
                    "no token-token softmax attention: cost linear in the number of image tokens",
                    figure="time ratio about 4 when tokens go 1024 -> 4096 (attention: about 16)",
                    check="claims:check_linear_cost",
                    slow=True,
                ),
                Claim(
                    "no matrix of tokens by tokens is formed",
                    figure="exact",
                    check="claims:check_no_pairs",
                ),
                Claim(
                    "the tower drops into any multimodal model: same input and output shapes as an attention block",
                    figure="(B,N,C) -> (B,N,C)",
                    check="claims:check_drops_in",
                ),
                Claim(
                    "a 3B model, July, reports state of the art on spatial-relation question sets",
                    figure="no figure known here",
                    needs="the paper's model and data",
                ),
            ),
        ),
        Entry(
            id="ddst-relations",
            kind="model",
            summary="answers whether one colour lies left of, right of, above or below another",
            tags=("vision", "multimodal", "question-answering", "classification", "reconstruction"),
            build="relations:RelationNetwork",
            config="config:RelationsConfig",
            example="relations:example",
            preprocess="relations:preprocess",
            predict="relations:predict",
            picture="pictures:answers",
            train="training:train",
            ours=(
                "The whole network, and the scenes of coloured squares that it answers questions about. A first "
                "training on four cut-outs pasted on photographs stood at chance after 300 steps (0.692 nats).",
            ),
            presets={
                "tower": {},
                "attention": {"block": "attention", "hidden_dim": 344},
                "tiny": {"dim": 16, "num_groups": 4, "patch_size": 4},
            },
            weights={
                "tower": Weights(
                    "package://zoo_vision/weights/ddst-relations-tower.safetensors",
                    sha256="fc80c47e970663ca3ef6ca3c465bf61e0f4f9ed9bdf3b7f0cc58bb8aefb3a4df",
                    size=159_428,
                    license="Apache-2.0",
                    metric="98.8% of 512 fresh questions; softmax attention of the same size 51.2%, chance 50%",
                    command="zoo train ddst-relations/tower",
                    note="Trained on scenes of coloured squares that a program makes, the specification's own task.",
                ),
            },
            claims=(
                Claim(
                    "spatial-relation accuracy exceeds a parameter-matched attention block at equal steps",
                    figure="ordering, on left/right/above/below of synthetic scenes",
                    check="claims:check_relations",
                    slow=True,
                ),
            ),
        ),
    ),
)
