"""The facts of FIRM."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TAGS = ("vision", "interactive", "guidance", "scaled-dot", "softmax", "gating")

PAPER = Paper(
    id="firm",
    title="Towards Flexible Interactive Reflection Removal with Human Guidance",
    arxiv="2406.01555",
    year=2024,
    code=__package__,
    repo="ShawnChenn/FlexibleReflectionRemoval",
    commit="9cd714193e4d",
    fidelity="reference",
    replay="conversion:replay",
    ours=("No weights were published; the authors' data set of masks was not seen.",),
    entries=(
        Entry(
            id="firm",
            kind="model",
            summary="separates a photograph through glass into scene and reflection, guided by points and boxes",
            tags=(*_TAGS, "reflection-removal", "restoration", "dense-prediction"),
            build="network:FIRM",
            config="config:FIRMConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="claims:picture",
            train="training:train",
            convert="conversion:convert",
            differences=(
                "The authors reduce the mask bilinearly and compare with 1 exactly, so rims of a marked reflection "
                "count as scene and small ones vanish; that is the default. `mask_rule=nearest` keeps the labels.",
                "The authors fix the guidance width at 1024; here it follows the width and the number of levels.",
            ),
            ours=(
                "The padded mask is reduced, not the mask before padding: recordings do not tell which.",
                "Guidance given as points, boxes and strokes is drawn here; the authors use a segmenter (SAM), for "
                "which any function that gives such a mask can stand.",
                "The perceptual term of the loss takes any network: VGG19's weights do not travel with packages.",
                "The presets `photographs` and `tiny`, and the training on reflections laid over photographs.",
            ),
            presets={
                "published": {},
                "older": {"encoder_blocks": [1, 1, 1, 28], "decoder_blocks": [1, 1, 1, 1]},
                "photographs": {
                    "width": 8,
                    "encoder_blocks": [1, 1, 1],
                    "decoder_blocks": [1, 1, 1],
                    "hidden_dim": 64,
                },
                "tiny": {"width": 4, "encoder_blocks": [1, 1], "decoder_blocks": [1, 1], "hidden_dim": 16},
            },
            weights={
                "photographs": Weights(
                    "package://zoo_vision/weights/firm-photographs.safetensors",
                    sha256="5bc114984dce92ad7f806b572e11a0680b23368731d8214ce40c1774d0ac6978",
                    size=518_884,
                    license="Apache-2.0",
                    metric="24.14 dB guided, 23.93 dB unguided; unchanged 20.07, one gain 23.46 dB",
                    command="zoo train firm/photographs",
                    note=(
                        "Trained on windows of 41 photographs (scikit-image, scikit-learn, and Debian's opencv-doc, "
                        "mate-backgrounds and lomiri-wallpapers) under reflections laid over them; 12 "
                        "others were watched while the recipe was chosen, 8 more served the figure alone."
                    ),
                ),
            },
            claims=(
                Claim("the size of the network", figure="no figure in the paper", check="claims:check_parameters"),
                Claim(
                    "no guidance is allowed: with an empty mask attention is the same for all positions",
                    figure="identical at all positions",
                    check="claims:check_no_guidance",
                ),
                Claim(
                    "scene and reflection share middle and decoder and differ only through the two guidance blocks",
                    figure="equal answers with equal blocks and an empty mask",
                    check="claims:check_shared_decoder",
                ),
                Claim(
                    "the cost of guidance is quadratic in the 1/16 map only",
                    figure="196 tokens at 224 x 224",
                    check="claims:check_tokens",
                ),
                Claim(
                    "gates that pool over windows of 1.5 times the training size keep their statistics",
                    figure="equal to the plain network up to 1.5 times the training size",
                    check="claims:check_local_statistics",
                    slow=True,
                ),
                Claim(
                    "removes reflections better than one gain, and guidance helps",
                    figure="Real20 about 25 dB",
                    check="claims:check_beats_one_gain",
                    slow=True,
                ),
                Claim(
                    "state of the art on Real20 and SIR^2 with guidance",
                    figure="Real20 about 25 dB",
                    needs="Real20, SIR^2 and the authors' training set",
                ),
            ),
        ),
        Entry(
            id="firm-guidance-block",
            kind="model",
            summary="a layer for maps: attention from marked positions to all positions, and an MLP",
            tags=(*_TAGS, "layer"),
            build="guidance:GuidanceBlock",
            config="config:GuidanceConfig",
            example="guidance:example",
            picture="pictures:looks",
            presets={"tiny": {"dim": 16, "num_heads": 4, "hidden_dim": 24}},
        ),
    ),
)
