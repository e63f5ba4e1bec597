"""The facts of See What You Are Told: Visual Attention Sink in Large Multimodal Models."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="visual-attention-sink",
    title="See What You Are Told: Visual Attention Sink in Large Multimodal Models",
    arxiv="2503.03321",
    year=2025,
    code=__package__,
    license="Apache-2.0",
    repo="seilk/VisAttnSink",
    commit="98e62d6",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The paper asks for a least ratio of image attention that is not on sinks, the code for a largest that is: the "
        "same for rho = 0.5; `rho` is the code's.",
        "The authors' config leaves the last layer out, but their code never reads that and changes it too, as here; "
        "`skip_last_layer` leaves it out.",
    ),
    entries=(
        Entry(
            id="visual-attention-sink",
            kind="method",
            summary="move attention from sink tokens to the rest of the image in image-centric heads, at inference",
            tags=("interpretability", "intervention", "attention-sink", "multimodal", "training-free", "decoder"),
            build="method:VisualAttentionSink",
            config="config:VisualAttentionSinkConfig",
            example="method:example",
            picture="pictures:redistribution",
            aliases=("var",),
            ours=(
                "Sinks of every example of a batch are its own; padding is never a sink.",
                "Where image positions are no single block, the image reaches from the first to the last of them.",
                "Rows stay as they are where nothing of the image is left that could take attention.",
                "`find_sink_dims` finds the dimensions of other models.",
            ),
            presets={
                "llava-v1.5-7b": {"sink_dims": [2533, 1415]},
                "llava-v1.5-13b": {"sink_dims": [2100, 4743]},
                "tiny": {"sink_dims": [3, 27], "tau": 3.0},
            },
            claims=(
                Claim(
                    "redistribution keeps every attention row a probability",
                    figure="row sums 1 +- 1e-6",
                    check="claims:check_row_sums",
                ),
                Claim(
                    "without sinks, with tau = infinity or with p = 1 the model is unchanged",
                    figure="exact equality",
                    check="claims:check_unchanged",
                ),
                Claim(
                    "the budget moved equals (1 - p) times all sink weight of the row",
                    figure="exact",
                    check="claims:check_budget",
                ),
                Claim(
                    "planted visual sinks are found, and lose (1 - p) of their attention to the rest of the image",
                    figure="all of them, in every layer with sinks",
                    check="claims:check_planted_sinks",
                ),
                Claim(
                    "the first token has massive activations in fixed dimensions, and attracts attention, in a trained "
                    "language model (SmolLM2-135M; the paper: Llama-2 with dimensions 2533 and 1415)",
                    figure="fixed dimensions",
                    check="claims:check_massive_dimensions",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "parameters of LLaVA-1.5-7B, to which the method adds nothing",
                    figure="7B (7063427072)",
                    check="claims:check_parameters",
                ),
                Claim(
                    "visual sinks can be masked without loss, random visual tokens of equal number cannot",
                    figure="figure 3",
                    needs="LLaVA-1.5-7B and its benchmarks",
                ),
            ),
        ),
    ),
)
