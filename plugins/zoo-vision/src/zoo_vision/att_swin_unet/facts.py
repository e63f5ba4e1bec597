"""The facts of Att-SwinU-Net."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TAGS = ("vision", "segmentation", "dense-prediction", "local", "scaled-dot", "softmax", "relative-position")
_TINY = {
    "image_size": 64,
    "num_classes": 2,
    "embed_dim": 8,
    "depths": [2, 1, 1, 1],
    "num_heads": [1, 2, 2, 4],
    "window_size": 4,
}
_CROSS_TINY = {**_TINY, "cross_heads": 2, "cross_head_dim": 6}
_RULES = (
    "Sides that are no multiple of 8 patches are padded by their last row and column inside, and cut again; where a "
    "map is no multiple of the window, a block pads it and masks the padding. At the config's size nothing is padded.",
    "Colours lie in [0, 1], as the sources state no normalisation.",
    "The published files (the Swin-T initialisation and trained models) lie behind a link on Google Drive, never "
    "opened here: run `zoo convert FILE`, then `zoo.load(..., weights=PATH)`; names are the authors', masks and "
    "indices are dropped.",
)
_DIFFERENCES = (
    "The code instantiates a second patch embedding (6,432 parameters) and a norm in the decoder (1,536) that nothing "
    "uses; both are here, so that published checkpoints load and counts agree.",
    "The repository does not run as published; recordings were made after minimal repairs, with the number of classes, "
    "which it fixes at 9, and the image size of the decoder as arguments.",
)

PAPER = Paper(
    id="att-swin-unet",
    title="Attention Swin U-Net: Cross-Contextual Attention Mechanism for Skin Lesion Segmentation",
    arxiv="2210.16898",
    year=2022,
    code=__package__,
    repo="NITR098/AttSwinUNet",
    commit="4b14f377066a",
    fidelity="reference",
    replay="conversion:replay",
    differences=_DIFFERENCES,
    entries=(
        Entry(
            id="att-swin-unet",
            kind="model",
            summary="segments an image by a U-shaped Swin transformer whose skips exchange summary tokens",
            tags=(*_TAGS, "co-attention"),
            build="network:AttSwinUNet",
            config="config:AttSwinUNetConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="segmentation:preprocess",
            predict="segmentation:predict",
            picture="claims:picture",
            train="training:train",
            convert="conversion:convert",
            differences=(
                "The paper adds the encoder's attention weights to the decoder's; the published code forms that sum "
                "when the block's output exists and drops it. `spatial_attention=code`, the default, keeps its output; "
                "`paper` is new and was trained by nobody but us.",
                "The code's default gives `skip_num` as a number and compares it with strings, so that the "
                "cross-contextual attention is left out in silence: that is `skip_num=0` here, and 3 is the default.",
            ),
            ours=(
                *_RULES,
                "With `spatial_attention=paper` only those blocks of a decoder stage use the encoder's weights that "
                "are shifted as its last block is, so that windows agree; weights sum to 2 then, unless `renormalise`.",
                "The presets `isic`, `isic-paper` and `tiny`, and `scenes` with its training on cut-outs pasted on "
                "photographs, because no skin lesions travel with packages.",
            ),
            presets={
                "isic": {"num_classes": 1},
                "isic-paper": {"num_classes": 1, "spatial_attention": "paper"},
                "scenes": {
                    "image_size": 64,
                    "num_classes": 1,
                    "embed_dim": 12,
                    "depths": [2, 2, 1, 1],
                    "num_heads": [1, 2, 4, 8],
                    "window_size": 4,
                    "mlp_ratio": 3.0,
                    "drop_path": 0.0,
                    "cross_depth": 1,
                    "cross_heads": 2,
                    "cross_head_dim": 12,
                    "spatial_attention": "paper",
                },
                "tiny": _CROSS_TINY,
            },
            weights={
                "scenes": Weights(
                    "package://zoo_vision/weights/att-swin-unet-scenes.safetensors",
                    sha256="1b01fdcea4d0e78e3df3147b3b83707ef8647ae3931aba9de70a66f5a65f6ec2",
                    size=1_016_144,
                    license="Apache-2.0",
                    metric="Dice 0.316 with masks of cut-outs that served neither training nor choice; the best fixed "
                    "mask 0.223",
                    command="zoo train att-swin-unet/scenes",
                    note=(
                        "The recipe was chosen by other held-out pictures, with which it reaches 0.433 (fixed mask "
                        "0.232). "
                        "Trained on 103 cut-outs of Debian's tuxpaint-stamps-default (GPL-2) pasted on 41 photographs "
                        "(scikit-image, scikit-learn, and Debian's opencv-doc, mate-backgrounds, lomiri-wallpapers)."
                    ),
                ),
            },
            claims=(
                Claim(
                    "as published, the transfer of attention from encoder to decoder has no effect",
                    figure="bit-identical output with it on or off",
                    check="claims:check_published_transfer",
                ),
                Claim(
                    "output has the input's resolution",
                    figure="(B, classes, 224, 224)",
                    check="claims:check_resolution",
                ),
                Claim(
                    "parameter cost of the skips' attention",
                    figure="+5,513,088 (+13.3%), 46.91M in all",
                    check="claims:check_cost_of_skips",
                ),
                Claim(
                    "segments better than a fixed mask",
                    figure="ISIC 2018: Dice about 0.911",
                    check="claims:check_segments_what_was_pasted",
                    slow=True,
                ),
                Claim(
                    "Dice on skin lesions, each of the two attentions adding a little over Swin-Unet",
                    figure="0.886 (ISIC 2017), 0.911 (ISIC 2018), 0.944 (PH2)",
                    needs="ISIC 2017, ISIC 2018, PH2 and the published weights",
                ),
            ),
        ),
        Entry(
            id="att-swin-unet-plain",
            aliases=("swin-unet",),
            kind="model",
            summary="the base of Att-SwinU-Net: Swin-Unet, whose skips are joined as they are",
            tags=_TAGS,
            build="network:AttSwinUNet",
            config="config:SwinUNetConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="segmentation:preprocess",
            predict="segmentation:predict",
            picture="pictures:windows",
            convert="conversion:convert",
            differences=(
                "With `spatial_attention=code` the published branch joins every skip twice with one linear layer; so "
                "does this network then, and `off`, the default, is Swin-Unet.",
            ),
            ours=(*_RULES, "The presets `isic` and `tiny`."),
            presets={"isic": {"num_classes": 1}, "tiny": _TINY},
        ),
        Entry(
            id="att-swin-unet-cross-contextual",
            aliases=("cross-contextual-attention",),
            kind="model",
            summary="two streams of tokens (batch, tokens, dim): each gets a summary token that has read the other",
            tags=("vision", "co-attention", "layer", "scaled-dot", "softmax", "linear-cost"),
            build="cross_contextual:CrossContextualAttention",
            config="config:CrossContextualConfig",
            example="cross_contextual:example",
            paper_input="cross_contextual:paper_input",
            picture="pictures:summaries",
            convert="conversion:convert",
            ours=("The presets of the three skips' widths and `tiny`.",),
            presets={
                "skip-1": {"dim": 96},
                "skip-2": {"dim": 192},
                "skip-3": {"dim": 384},
                "tiny": {"dim": 12, "num_heads": 2, "head_dim": 6},
            },
            claims=(
                Claim(
                    "exchanges only one summary token between the two streams",
                    figure="tokens 1..N-1 of both inputs pass unchanged; cost linear in N",
                    check="claims:check_one_token",
                ),
            ),
        ),
    ),
)
