"""The facts of A2N."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TAGS = ("vision", "super-resolution", "pixel-attention", "convolutional", "gating")

PAPER = Paper(
    id="a2n",
    title="Attention in Attention Network for Image Super-Resolution",
    arxiv="2104.09497",
    year=2021,
    code=__package__,
    repo="haoyuc/A2N",
    commit="210b38cbe721",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The authors' published file fixes the 3 x 3 form; A2N-M is the change of which their read-me tells.",
    ),
    ours=(
        "Values of images lie between 0 and `value_range`, 255 as in the authors' code; the small bundled weights "
        "were trained for 1.",
        "The presets `tiny` and `photographs`, and the training on photographs.",
        "The published x4 checkpoint lies as a pickle in the authors' repository "
        "(code/experiment/model/aan_x4.pt) and was never opened here: run `zoo convert aan_x4.pt`, then "
        "`zoo.load('a2n/x4', weights='aan_x4.safetensors')`.",
    ),
    entries=(
        Entry(
            id="a2n",
            kind="model",
            summary="super-resolution in which every block weighs attention against plain convolution per image",
            tags=_TAGS,
            build="network:A2N",
            config="config:A2NConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="claims:picture",
            train="training:train",
            convert="conversion:convert",
            presets={
                "x2": {"scale": 2},
                "x3": {"scale": 3},
                "x4": {"scale": 4},
                "photographs": {"scale": 2, "dim": 24, "upsampling_dim": 16, "num_blocks": 4, "value_range": 1.0},
                "tiny": {"dim": 16, "upsampling_dim": 8, "num_blocks": 2},
            },
            weights={
                "photographs": Weights(
                    "package://zoo_vision/weights/a2n-photographs.safetensors",
                    sha256="54367abfdf6cd858ee4c861082c8640c212a0b62a6977d513f65fd75211ff81e",
                    size=416_652,
                    license="Apache-2.0",
                    metric="33.65 dB on luma of photographs kept for tests at x2; bicubic 31.88 dB",
                    command="zoo train a2n/photographs",
                    note=(
                        "Trained on windows of 41 photographs (scikit-image, scikit-learn, and Debian's opencv-doc, "
                        "mate-backgrounds and lomiri-wallpapers); 12 others were watched while the recipe was "
                        "chosen, 8 more served the figure alone. Values in [0, 1]."
                    ),
                ),
            },
            claims=(
                Claim(
                    "the two weights of a block are a convex combination that depends on the input",
                    figure="sum to 1 in every block and differ between inputs",
                    check="claims:check_convex_combination",
                ),
                Claim(
                    "with the weights forced to (1, 0) or (0, 1) a block is a plain attention or convolution block",
                    figure="exact",
                    check="claims:check_limits",
                ),
                Claim(
                    "temperature 30 keeps the weights near 0.5 at the start",
                    figure="|w - 0.5| < 0.05",
                    check="claims:check_start",
                    slow=True,
                ),
                Claim(
                    "enlarges photographs better than bicubic interpolation",
                    figure="x4 on Set5 32.30 dB",
                    check="claims:check_beats_bicubic",
                    slow=True,
                ),
                Claim(
                    "x4 on Set5, Set14, B100, Urban100, Manga109",
                    figure="32.30, 28.71, 27.61, 26.27, 30.67 dB with 1.05M parameters",
                    needs="the benchmark sets and the published weights",
                ),
            ),
        ),
        Entry(
            id="a2n-m",
            kind="model",
            summary="A2N whose branch without attention is a 1 x 1 convolution: a fifth fewer parameters",
            tags=_TAGS,
            build="network:A2N",
            config="config:A2NConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="pictures:saving",
            convert="conversion:convert",
            presets={
                "x2": {"scale": 2, "plain_kernel": 1},
                "x3": {"scale": 3, "plain_kernel": 1},
                "x4": {"scale": 4, "plain_kernel": 1},
                "tiny": {"dim": 16, "upsampling_dim": 8, "num_blocks": 2, "plain_kernel": 1},
            },
            claims=(
                Claim(
                    "saves parameters by a 1 x 1 convolution in place of the 3 x 3 of the branch without attention",
                    figure="16 blocks x 8 x 40 x 40 = 204,800 fewer parameters (-20%)",
                    check="claims:check_saved_parameters",
                ),
            ),
        ),
    ),
)
