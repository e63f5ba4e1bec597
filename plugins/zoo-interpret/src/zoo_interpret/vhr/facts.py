"""The facts of Cracking the Code of Hallucination in LVLMs with Vision-aware Head Divergence."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="vhr",
    title="Cracking the Code of Hallucination in LVLMs with Vision-aware Head Divergence",
    arxiv="2412.13949",
    year=2025,
    code=__package__,
    repo="jinghan1he/VHR",
    fidelity="paper",
    replay="conversion:replay",
    differences=(
        "A port of the authors' code is said to use the squared distance, which ranks the same and leaves out other "
        "outliers; the paper's Euclidean distance is the default, `distance` chooses.",
    ),
    ours=("Batches: every example has heads of its own. Prompts without an image are left alone.",),
    entries=(
        Entry(
            id="vhr",
            kind="method",
            summary="reinforce heads that depend on the image while a multimodal model writes",
            tags=("interpretability", "intervention", "hallucination", "multimodal", "training-free", "decoder"),
            build="reinforcement:Vhr",
            config="config:VhrConfig",
            example="reinforcement:example",
            picture="pictures:reinforcement",
            ours=(
                "Not stated in the paper, chosen here, with options: the sample standard deviation (`std`), a plain "
                "text-only pass (`reinforce_text_stream`), scaling at all positions of the prompt (`positions`).",
            ),
            presets={
                "llava-v1.5-7b": {},
                "llava-next-7b": {},
                "instructblip-7b": {"layers": list(range(14, 32))},
                "tiny": {"layers": [1, 2, 3]},
            },
            claims=(
                Claim(
                    "scaling one head's output by alpha > 1 turns the normalised stream towards that head's direction",
                    figure="the cosine never decreases (Proposition 1)",
                    check="claims:check_direction",
                ),
                Claim("alpha = 1 changes nothing", figure="exact", check="claims:check_alpha_one"),
                Claim(
                    "planted vision-aware heads are found first, and alone selected",
                    figure="all of them",
                    check="claims:check_planted_heads",
                ),
                Claim(
                    "selected heads write alpha times their output, the others what they wrote",
                    figure="exact",
                    check="claims:check_reinforced_outputs",
                ),
                Claim(
                    "parameters of LLaVA-1.5-7B, to which the method adds nothing",
                    figure="7B (7063427072)",
                    check="claims:check_parameters",
                ),
                Claim(
                    "hallucination drops",
                    figure="LLaVA-1.5 CHAIR_S 49.68 -> 33.32, CHAIR_I 14.32 -> 9.71; InstructBLIP 45.32 -> 37.76, "
                    "12.98 -> 9.75; LLaVA-NeXT 29.08 -> 24.96, 8.08 -> 6.80; POPE F1 84.98 -> 85.47, 85.36 -> 85.52, "
                    "88.51 -> 88.87",
                    needs="COCO and the weights of the three models",
                ),
                Claim(
                    "the second layer and the last fourteen are better reinforced together",
                    figure="CHAIR_S layer 1 only 40.80, last 14 only 41.96, both 33.32",
                    needs="COCO and LLaVA-1.5-7B",
                ),
            ),
        ),
        Entry(
            id="vhr-divergence",
            kind="probe",
            summary="how much every head depends on the image (VHD), and every written token (T-VHD)",
            tags=("interpretability", "hallucination", "multimodal", "decoder"),
            build="divergence:VisionAwareHeadDivergence",
            config="config:DivergenceConfig",
            example="divergence:example",
            picture="pictures:divergence",
            ours=("The number k of heads that T-VHD adds up is not stated; an eighth of a layer's heads here.",),
            presets={"paper": {}, "tiny": {"topk": 2}},
            claims=(
                Claim(
                    "VHD is zero for a head that sees no image",
                    figure="exact when attention to image positions is masked",
                    check="claims:check_blind_heads",
                ),
                Claim(
                    "hallucinated words have a lower T-VHD than correct ones",
                    figure="lower",
                    needs="COCO and LLaVA-1.5-7B",
                ),
            ),
        ),
    ),
)
