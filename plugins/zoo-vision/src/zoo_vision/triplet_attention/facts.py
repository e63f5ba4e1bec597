"""The facts of Rotate to Attend: Convolutional Triplet Attention Module."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_DIGITS = (
    "trained on 1,437 of scikit-learn's 1,797 handwritten digits (8 x 8, enlarged to 32 x 32); the other 360, of a "
    "fixed split, were never seen in training"
)

_TRIPLET_TAGS = ("vision", "cnn", "self", "single-level", "soft", "multi-representational", "sigmoid", "gate")

PAPER = Paper(
    id="triplet-attention",
    title="Rotate to Attend: Convolutional Triplet Attention Module",
    arxiv="2010.03045",
    year=2021,
    code=__package__,
    license="MIT",
    repo="LandskapeAI/triplet-attention",
    commit="f07524e45db5",
    fidelity="reference",
    replay="conversion:replay",
    differences=("The paper counts 6 k^2 parameters; the three batch norms add 6 learnable numbers.",),
    ours=(
        "The pool before the head takes any size; the authors' takes 7 x 7 (at 224 x 224 the two agree).",
        "`attention_maps`, which shows the gate over the H-W plane of one block.",
        "The published checkpoints are pickles behind links on Google Drive, never opened here: run `zoo convert "
        "FILE.pth`, then load the preset with `weights=PATH`; older gate names and `module.` prefixes are understood.",
    ),
    entries=(
        Entry(
            id="triplet-attention",
            kind="model",
            summary="a layer for maps (batch, channels, H, W): gates over the C-W, H-C and H-W planes, 300 parameters",
            tags=(*_TRIPLET_TAGS, "layer"),
            build="gates:TripletAttention",
            config="config:TripletConfig",
            example="gates:example",
            picture="pictures:gates",
            convert="conversion:convert",
            presets={"k7": {"kernel_size": 7}, "k3": {"kernel_size": 3}},
            claims=(
                Claim(
                    "the module is almost free in parameters",
                    figure="300 per block; +2400 on ResNet-18, +4800 on ResNet-50 (+0.019%)",
                    check="claims:check_parameters",
                ),
                Claim(
                    "the module is cheap in computation",
                    figure="ResNet-18: 1.8256e9 against 1.8190e9 (+0.36%); "
                    "ResNet-50: 4.1587e9 against 4.1114e9 (+1.15%)",
                    check="claims:check_multiply_adds",
                    slow=True,
                ),
                Claim(
                    "shape preserving on any channels, height and width",
                    figure="one instance on 16x12x10 and 64x7x9",
                    check="claims:check_any_shape",
                ),
                Claim(
                    "rotation symmetry: transposed input and gates give the transposed output",
                    figure="float64 equality to 1e-12",
                    check="claims:check_rotation",
                ),
            ),
        ),
        Entry(
            id="triplet-attention-resnet",
            kind="model",
            summary="ResNet with triplet attention in every block",
            tags=(*_TRIPLET_TAGS, "classification"),
            build="networks:TripletResNet",
            config="config:TripletResNetConfig",
            example="networks:image_example",
            paper_input="networks:paper_input",
            preprocess="networks:preprocess",
            predict="networks:predict",
            picture="pictures:network",
            train="training:train",
            convert="conversion:convert",
            ours=("The presets `test` and `digits`, and the training on handwritten digits.",),
            presets={
                **{str(depth): {"depth": depth} for depth in (18, 34, 50, 101)},
                **{
                    f"cifar{classes}-{depth}": {
                        "depth": depth,
                        "network_type": f"CIFAR{classes}",
                        "num_classes": classes,
                    }
                    for classes in (10, 100)
                    for depth in (18, 34, 50, 101)
                },
                "test": {"depths": [1, 1, 1, 1], "width": 8, "num_classes": 10, "network_type": "CIFAR10"},
                "digits": {"depths": [1, 1, 1, 1], "width": 8, "num_classes": 10, "network_type": "digits"},
            },
            weights={
                "digits": Weights(
                    "package://zoo_vision/weights/triplet-attention-resnet-digits.safetensors",
                    sha256="eed21bdfef772f4d4a1ed4faa8269ef7eb76ae6cdcee02817c24492005fba062",
                    size=334000,
                    license="Apache-2.0",
                    metric="99.44% of 360 held-out handwritten digits; a linear model 94.72%",
                    command="zoo train triplet-attention-resnet/digits",
                    note=_DIGITS,
                ),
            },
            claims=(
                Claim(
                    "multiply-adds of the published sizes at 224 x 224",
                    figure="ResNet-18 1.825G, ResNet-50 4.169G",
                    check="claims:check_published_multiply_adds",
                    slow=True,
                ),
                Claim(
                    "classifies digits better than a linear model",
                    figure="no figure in the paper",
                    check="claims:check_digits",
                    slow=True,
                ),
                Claim(
                    "ImageNet-1k top-1 and top-5 error",
                    figure="ResNet-18 28.91 / 10.01 (k=7), 29.67 / 10.42 (k=3); ResNet-50 22.52 / 6.326 (k=7), "
                    "23.88 / 6.938 (k=3)",
                    needs="ImageNet-1k and the published weights",
                ),
                Claim(
                    "COCO average precision with a ResNet-50 FPN",
                    figure="Faster R-CNN 39.2, RetinaNet 38.2, Mask R-CNN 39.8 (box), 35.8 (mask), Keypoint R-CNN 64.7",
                    needs="COCO, a detection framework and the published weights",
                ),
            ),
        ),
        Entry(
            id="triplet-attention-mobilenetv2",
            kind="model",
            summary="MobileNetV2 with triplet attention after every linear projection",
            tags=(*_TRIPLET_TAGS, "classification"),
            build="networks:TripletMobileNet",
            config="config:TripletMobileNetConfig",
            example="networks:image_example",
            paper_input="networks:paper_input",
            preprocess="networks:preprocess",
            predict="networks:predict",
            picture="pictures:cost",
            convert="conversion:convert",
            differences=(
                "The published MobileNetV2 ignores its kernel size and always uses 7; here `kernel_size=3` is obeyed.",
            ),
            ours=(
                "The position of the module in the flat sequences is inferred, not recorded.",
                "The preset `test`, and `width_mult`.",
            ),
            presets={
                "k7": {"kernel_size": 7},
                "k3": {"kernel_size": 3},
                "test": {"width_mult": 0.25, "num_classes": 10},
            },
            claims=(
                Claim(
                    "ImageNet-1k top-1 and top-5 error",
                    figure="28.01 / 9.516 (k=7), 27.38 / 9.23 (k=3)",
                    needs="ImageNet-1k and the published weights",
                ),
            ),
        ),
    ),
)
