"""The facts of Fixing Imbalanced Attention to Mitigate In-Context Hallucination of LVLMs."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="paint",
    title="Fixing Imbalanced Attention to Mitigate In-Context Hallucination of Large Vision-Language Model",
    arxiv="2501.12206",
    year=2025,
    code=__package__,
    license="Apache-2.0",
    repo="hasanar1f/PAINT",
    commit="2a9e8f8",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The code sums rows of a softmax for its spatial tokens, which are always 1, so that its choice is arbitrary; "
        "here they are the patches that other patches attend to most.",
        "The code's local ratio is fixed at 0.25, its command line's is never read; here the config's is.",
        "The abstract promises gains by heads; the code's are uniform, as is the default here.",
    ),
    entries=(
        Entry(
            id="paint",
            kind="method",
            summary="raise attention to image tokens that the image encoder singles out, while a caption is written",
            tags=("interpretability", "intervention", "hallucination", "multimodal", "training-free", "decoder"),
            build="method:Paint",
            config="config:PaintConfig",
            example="method:example",
            picture="pictures:boost",
            ours=(
                "`head_gain=vhd`, a reconstruction: alpha of every head times its visual sensitivity, the distance of "
                "its outputs with and without the image over the layer's largest.",
                "CHAIR with any table of words and objects; the authors' table of synonyms is not copied.",
                "Batches and several images a prompt.",
            ),
            presets={
                "llava-v1.5-7b": {"end_layer": 32},
                "llava-v1.5-7b-best": {"end_layer": 32, "beta": 0.4},
                "llava-v1.5-7b-spatial": {"end_layer": 32, "beta": 0.4, "spatial_ratio": 0.05},
                "tiny": {"end_layer": 4},
            },
            claims=(
                Claim("alpha = beta = 0 leaves the model unchanged", figure="exact", check="claims:check_unchanged"),
                Claim(
                    "boosting never lowers a score",
                    figure="s + c|s| >= s; negative scores move towards zero, positive grow",
                    check="claims:check_boost_never_lowers",
                ),
                Claim(
                    "attention to visual tokens rises with alpha",
                    figure="monotone",
                    check="claims:check_mass_rises",
                ),
                Claim(
                    "planted patches of the image encoder are the ones selected, and get more attention of the text",
                    figure="all of them and no other",
                    check="claims:check_planted_patches",
                ),
                Claim(
                    "parameters of LLaVA-1.5-7B, to which the method adds nothing",
                    figure="7B (7063427072)",
                    check="claims:check_parameters",
                ),
                Claim(
                    "CHAIR on 500 COCO images",
                    figure="CHAIR_S 46.2 -> 17.6, CHAIR_I 13.8 -> 4.0, F1 75.9 -> 71.8; with spatial tokens 15.4, 4.8, "
                    "69.8",
                    needs="COCO and LLaVA-1.5-7B",
                ),
                Claim(
                    "captions grow and their F1 falls",
                    figure="97 -> 188 words",
                    needs="COCO and LLaVA-1.5-7B",
                ),
            ),
        ),
    ),
)
