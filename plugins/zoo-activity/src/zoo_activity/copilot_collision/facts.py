"""The facts of COPILOT."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="copilot-collision",
    title="COPILOT: Human-Environment Collision Prediction and Localization from Egocentric Videos",
    arxiv="2210.01781",
    year=2023,
    code=__package__,
    fidelity="reconstruction",
    ours=(
        "No code was published; task and outputs are known, the factorisations of attention are from memory of the "
        "paper.",
        "Ten joints, five frames, the heatmap's decoder and the weight 1 of its loss are choices.",
        "The world of boxes, its cameras and the controller are this zoo's; the paper has 8.6 million frames.",
        "Nothing is trained here.",
    ),
    entries=(
        Entry(
            id="copilot-collision",
            kind="model",
            summary="predicts from body-worn cameras whether, with which joints and where a body will collide",
            tags=("activity", "video", "transformer", "self", "egocentric", "multi-view"),
            build="network:Copilot",
            picture="pictures:groups",
            config="config:CopilotConfig",
            example="network:example",
            paper_input="network:paper_input",
            aliases=("copilot",),
            ours=(
                "Which factorisation is the paper's final model is not certain: `attention=cross_view_spatial` is the "
                "default.",
            ),
            presets={
                "base": {},
                "small": {"dim": 384, "num_heads": 6},
                "tiny": {
                    "dim": 32,
                    "num_layers": 4,
                    "num_heads": 2,
                    "num_views": 3,
                    "num_frames": 2,
                    "image_size": 32,
                    "patch_size": 8,
                    "decoder_dim": 16,
                },
            },
            claims=(
                Claim(
                    "attention exchanges information across space, time and viewpoint",
                    figure="one block: joint reaches all tokens, factorised ones through their groups",
                    check="claims:check_reach",
                ),
                Claim(
                    "factorised attention is cheaper than joint",
                    figure="scores per token: V T N = 5880 joint, V N + T = 1181, N + V T = 226",
                    check="claims:check_cheaper",
                ),
                Claim(
                    "works with any number of views",
                    figure="the same weights with 1 and 6",
                    check="claims:check_any_views",
                ),
                Claim(
                    "walking by the prediction reduces collisions",
                    figure="29% fewer in unseen scenes",
                    needs="the authors' simulator and their trained network",
                ),
            ),
        ),
        Entry(
            id="copilot-collision-world",
            kind="benchmark",
            summary="walks through a plane with boxes: collision, joints and regions from a body's cameras",
            tags=("activity", "video", "synthetic", "egocentric"),
            build="benchmark:Collisions",
            picture="pictures:world",
            config="config:WorldConfig",
            example="benchmark:example",
            presets={"tiny": {"num_cases": 6}},
        ),
    ),
)
