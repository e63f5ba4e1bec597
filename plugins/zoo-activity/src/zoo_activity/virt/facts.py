"""The facts of VIRT."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="virt",
    title="VIRT: Vision Instructed Transformer for Robotic Manipulation",
    arxiv="2410.07169",
    year=2024,
    code=__package__,
    license="LicenseRef-MIT-and-CC-BY-NC-4.0",
    repo="Lizhuoling/VIRT",
    commit="7381693",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The authors' LICENSE file is MIT (that of ACT, on which the code builds), their README says CC-BY-NC 4.0.",
        "The paper's pre-training by robotic imagery gives an image of the outcome as the instruction; the released "
        "code has no such path.",
    ),
    ours=(
        "`goal_image=True`: the outcome's tokens join the memory, with the cameras' positions and a learnt type.",
        "`grid_mask=True` draws period and offset anew in each call, blackens squares of half the period, in 7 of 10 "
        "calls; the released configs leave it off.",
        "In a sentence the colours are read from words 4 and 12, counted from 1; no recording shows a sentence.",
        "Any other detector's boxes can be given to `forward(boxes=...)`.",
        "Nothing is trained here: the tasks need a simulator. The published checkpoint "
        "(Zhuoling98/VIRT_droid_pretrain) is a pickle; its names convert.",
    ),
    entries=(
        Entry(
            id="virt",
            kind="model",
            summary="manipulation policy that looks at the current object's region closely, and says how sure it is",
            tags=("robotics", "policy", "transformer", "co-attention", "gaze", "uncertainty"),
            build="network:VIRT",
            picture="pictures:gaze",
            config="config:VIRTConfig",
            example="network:example",
            paper_input="network:paper_input",
            convert="conversion:convert",
            aliases=("virt-policy",),
            presets={
                "singlebox": {},
                "singlecolorbox": {},
                "multicolorbox": {"num_stages": 3, "predict_stage": True},
                "imagery": {"goal_image": True},
                "tiny": {
                    "dim": 32,
                    "hidden_dim": 48,
                    "num_heads": 4,
                    "decoder_layers": 2,
                    "chunk_size": 4,
                    "num_cameras": 2,
                    "image_width": 42,
                    "image_height": 28,
                    "roi_width": 28,
                    "roi_height": 28,
                    "past_actions": 2,
                    "past_observations": 3,
                    "trunk_dim": 16,
                    "trunk_layers": 1,
                    "trunk_heads": 2,
                    "trunk_mlp_ratio": 2.0,
                    "trunk_grid": 2,
                },
            },
            claims=(
                Claim(
                    "the object's region enters at high resolution as extra tokens",
                    figure="3*88 + 3*88 + 5 + 5 + 5 = 543 tokens in the released configs",
                    check="claims:check_memory_length",
                ),
                Claim(
                    "padded history does not influence the action",
                    figure="exact",
                    check="claims:check_padded_history",
                ),
                Claim(
                    "the uncertainty head down-weights uncertain steps",
                    figure="for an error e, sqrt2 e / exp(u) + u is least at u = ln(sqrt2 e)",
                    check="claims:check_best_scale",
                ),
                Claim(
                    "success on the hard tasks rises",
                    figure="from near 0% to above 65%",
                    needs="the simulator (Isaac Gym) and its demonstrations",
                ),
            ),
        ),
    ),
)
