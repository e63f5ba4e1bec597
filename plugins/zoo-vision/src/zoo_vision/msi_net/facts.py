"""The facts of MSI-Net."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_SMALL = {"encoder_channels": [12, 16, 24, 32, 32], "context_channels": 24, "decoder_channels": [16, 12, 8]}

PAPER = Paper(
    id="msi-net",
    title="Contextual Encoder-Decoder Network for Visual Saliency Prediction",
    arxiv="1902.06634",
    year=2020,
    code=__package__,
    license="MIT",
    repo="alexanderkroner/saliency",
    commit="bd81e5825cf0",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The authors subtract the BGR means of ImageNet from RGB channels as they come; so does this network, so that "
        "published weights work: give it RGB.",
        "Sides that are no multiple of 8 shrink in the authors' network; here they are padded inside and cut again.",
    ),
    ours=(
        "The presets `scenes` and `tiny`, and the training on cut-outs pasted on photographs, because no recorded gaze "
        "travels with packages.",
        "The published checkpoints are TensorFlow's (one per data set, and `alexanderkroner/MSI-Net` on the Hub); none "
        "was opened here. Save their variables as safetensors under their TensorFlow names, then "
        "`zoo.load('msi-net/salicon', weights=PATH)` renames and transposes them.",
    ),
    entries=(
        Entry(
            id="msi-net",
            kind="model",
            summary="saliency map of an image: VGG16 features of three depths, read at five scales of context",
            tags=("vision", "saliency", "dense-prediction", "convolutional", "multi-scale"),
            build="network:MSINet",
            config="config:MSINetConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="claims:picture",
            train="training:train",
            convert="conversion:convert",
            presets={
                "salicon": {"height": 240, "width": 320},
                "osie": {"height": 240, "width": 320},
                "mit1003": {"height": 360, "width": 360},
                "dut-omron": {"height": 360, "width": 360},
                "pascal-s": {"height": 360, "width": 360},
                "cat2000": {"height": 216, "width": 384},
                "fiwi": {"height": 216, "width": 384},
                "scenes": {**_SMALL, "height": 96, "width": 96},
                "tiny": {
                    "encoder_channels": [2, 4, 8, 16, 16],
                    "context_channels": 8,
                    "decoder_channels": [4, 2, 1],
                    "height": 48,
                    "width": 64,
                },
            },
            weights={
                "salicon": Weights(
                    "hf://alexanderkroner/MSI-Net",
                    convert="conversion:convert",
                    license="MIT",
                    default=False,
                    note=(
                        "Published by the authors for TensorFlow; not opened here. Save its variables as safetensors "
                        "under their TensorFlow names and load the preset with `weights=PATH`."
                    ),
                ),
                "scenes": Weights(
                    "package://zoo_vision/weights/msi-net-scenes.safetensors",
                    sha256="47eac1190d67bdaab05eaf9a3c3db7efe93be85d08a0a59b34b12d9b8dd9799d",
                    size=576_900,
                    license="Apache-2.0",
                    metric="correlation 0.808 with masks of cut-outs kept for tests; the mean map 0.267",
                    command="zoo train msi-net/scenes",
                    note=(
                        "Trained on 103 cut-outs of Debian's tuxpaint-stamps-default (GPL-2) pasted on 41 photographs "
                        "(scikit-image, scikit-learn, and Debian's opencv-doc, mate-backgrounds, lomiri-wallpapers)."
                    ),
                ),
            },
            claims=(
                Claim(
                    "dilation and pooling at stride 1 keep the encoder at 1/8 resolution",
                    figure="1280 channels at (H/8, W/8)",
                    check="claims:check_resolution",
                ),
                Claim(
                    "lightweight compared with two-stream saliency models",
                    figure="24.9M parameters",
                    check="claims:check_parameters",
                ),
                Claim(
                    "output maps have minimum 0 and maximum 1",
                    figure="maximum within 1e-6 of 1 where the raw map spans more than 0.1",
                    check="claims:check_range",
                    slow=True,
                ),
                Claim(
                    "the loss is a divergence of distributions: the truth's scale does not matter",
                    figure="the same to 1e-5 for scales from 0.01 to 100, within 1e-7 H W of 0",
                    check="claims:check_scale_of_truth",
                ),
                Claim(
                    "finds what stands out better than a fixed map",
                    figure="SALICON: CC 0.889",
                    check="claims:check_finds_what_was_pasted",
                    slow=True,
                ),
                Claim(
                    "SALICON test",
                    figure="AUC 0.865, sAUC 0.736, NSS 1.931, CC 0.889, KLD 0.307",
                    needs="SALICON and the published weights",
                ),
            ),
        ),
    ),
)
