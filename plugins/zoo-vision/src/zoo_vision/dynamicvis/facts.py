"""The facts of DynamicVis."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TAGS = ("vision", "remote-sensing", "state-space", "token-selection", "attention-free", "multi-scale")
_LARGE = {"dims": [128, 256, 512, 1024], "depths": [2, 4, 32, 4]}
_DENSE = {"ratios": [1, 1, 1, 1], "global_position": "none", "softmax_on_x": False}
_TINY = {"dims": [8, 12, 16, 20], "depths": [1, 1, 2, 1], "image_size": 64}

_UNSEEN = (
    "Published by the authors as mmengine files, which are pickles; none was opened here. Download that of this size, "
    "run `zoo convert FILE --key state_dict`, and load the preset with `weights=PATH`."
)

PAPER = Paper(
    id="dynamicvis",
    title="DynamicVis: An Efficient and General Visual Foundation Model for Remote Sensing Image Understanding",
    arxiv="2503.16426",
    year=2025,
    code=__package__,
    license="Apache-2.0",
    repo="KyanChen/DynamicVis",
    commit="0bfe96f471af",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The paper suggests that scanned regions keep their place; the authors' code scans by falling score. That is "
        "the default, `order=position` is the other.",
        "Global tokens in the middle are cut out of the scan's answer at another place than they were put in, as in "
        "the authors' code, wherever those differ.",
        "The recordings come from a transcription of the published module with transformers' Mamba mixer.",
    ),
    ours=(
        "Paths with a shuffled sequence draw a new order in training and take one fixed order in evaluation.",
        "A load-balancing loss, which the authors' code holds and does not use, is left out.",
    ),
    entries=(
        Entry(
            id="dynamicvis",
            kind="model",
            summary="backbone for large images: a gate picks the tokens that a scan reads, the others are rescaled",
            tags=(*_TAGS, "backbone"),
            build="network:DynamicVis",
            config="config:DynamicVisConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            picture="pictures:growth",
            convert="conversion:convert",
            ours=(
                "Positions are resized to images of any size inside, not only when weights are loaded.",
                "Of the pre-training the multiple-instance loss is here (`loss`); its pyramid, RoI extraction and "
                "attention block are known in outline only and are not offered.",
                "The norm of the pooled answer has eps 1e-6.",
                "The published checkpoints (fMoW) are mmengine files in `KyanChen/DynamicVis` on the Hub, sizes b and "
                "l, some without token selection; none was opened here. Run `zoo convert FILE --key state_dict`, then "
                "`zoo.load('dynamicvis/base', weights=PATH)`.",
            ),
            presets={
                "base": {},
                "large": _LARGE,
                "base-dense": _DENSE,
                "large-dense": {**_LARGE, **_DENSE},
                "tiny": _TINY,
            },
            weights={
                preset: Weights(
                    "hf://KyanChen/DynamicVis",
                    convert="conversion:convert",
                    license="Apache-2.0",
                    default=False,
                    note=_UNSEEN,
                )
                for preset in ("base", "large", "base-dense", "large-dense")
            },
            claims=(
                Claim(
                    "the scan reads N/r tokens instead of N",
                    figure="with ratios 8,4,2,1 at 512: 2048 of 16384, 1024 of 4096, 512 of 1024, 256 of 256, plus "
                    "H_stage global tokens",
                    check="claims:check_scanned_tokens",
                    slow=True,
                ),
                Claim(
                    "97 ms and 833 MB for a 2048x2048 image: 6% of a ViT's latency and 3% of its memory",
                    figure="97 ms, 833 MB",
                    needs="the paper's GPU",
                ),
                Claim(
                    "strong on nine tasks of remote sensing",
                    figure="UC Merced, AID, LEVIR-Ship, NWPU, SSDD, Massachusetts, WHU, LEVIR-CD, OSCD",
                    needs="the data sets and the published weights",
                ),
            ),
        ),
        Entry(
            id="dynamicvis-classifier",
            kind="model",
            summary="image classifier: the backbone's last map averaged, normed, and a linear layer",
            tags=(*_TAGS, "classification"),
            build="network:DynamicVisClassifier",
            config="config:DynamicVisClassifierConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="pictures:chosen",
            train="training:train",
            convert="conversion:convert_classifier",
            ours=("The presets `digits` and `tiny`, and the training on handwritten digits.",),
            presets={
                "aid": {},
                "aid-large": _LARGE,
                "digits": {
                    "dims": [16, 24, 32, 48],
                    "depths": [1, 1, 1, 1],
                    "ratios": [4, 2, 1, 1],
                    "image_size": 32,
                    "num_classes": 10,
                    "dataset": "digits",
                },
                "tiny": {**_TINY, "num_classes": 5},
            },
            weights={
                "digits": Weights(
                    "package://zoo_vision/weights/dynamicvis-classifier-digits.safetensors",
                    sha256="0dd6e0c2ffdd569af5fef3be79dba6a662be3289ad56bb632cc58d075715c647",
                    size=281_144,
                    license="Apache-2.0",
                    metric="97.5% of 360 held-out handwritten digits; a linear model 94.72%",
                    command="zoo train dynamicvis-classifier/digits",
                    note="Trained on 1,437 of scikit-learn's 8 x 8 digits, enlarged to 32 x 32; 360 are held out.",
                ),
            },
            claims=(
                Claim(
                    "classifies digits better than a linear model",
                    figure="no figure in the paper",
                    check="claims:check_digits",
                    slow=True,
                ),
            ),
        ),
        Entry(
            id="dynamicvis-region-mixer",
            aliases=("dynamic-region-mixer",),
            kind="model",
            summary="a layer for tokens (batch, N, dim): scans one in r of them, chosen by score, rescales the others",
            tags=(*_TAGS, "layer", "token-mixer"),
            build="mixer:DynamicRegionMixer",
            config="config:MixerConfig",
            example="mixer:example",
            picture="pictures:scores",
            presets={
                "stage-1": {},
                "stage-2": {"dim": 192, "reduction_ratio": 4},
                "stage-3": {"dim": 384, "reduction_ratio": 2},
                "stage-4": {"dim": 768, "reduction_ratio": 1},
                "dense": {"reduction_ratio": 1, "global_position": "none", "softmax_on_x": False},
                "tiny": {"dim": 16, "reduction_ratio": 4, "num_global": 6},
            },
            claims=(
                Claim(
                    "memory and time grow linearly with the number of pixels",
                    figure="time at 512 / 256 near 4 in CPU, attention would give 16 in the mixing part",
                    check="claims:check_linear_growth",
                    slow=True,
                ),
                Claim(
                    "unselected tokens are only rescaled: new = x (1 + w) with w their softmax weight",
                    figure="exact",
                    check="claims:check_rescaling",
                ),
                Claim(
                    "forward/backward averaging makes the mixer equivariant to reversing the selected sequence",
                    figure="1e-6 without global tokens",
                    check="claims:check_reversal",
                ),
                Claim(
                    "selection is sparse and differentiable through the softmax weights only",
                    figure="the gate's gradient is non-zero, the index choice has none",
                    check="claims:check_gradient_of_selection",
                ),
            ),
        ),
    ),
)
