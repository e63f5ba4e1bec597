"""What this plugin offers: facts only, light to import."""

from __future__ import annotations

from collections.abc import Iterator

from zoo import Claim, Entry, Paper, Weights, hookimpl


def _shiftvit(embed_dim: int, depths: list[int], mlp_ratio: float, drop_path: float) -> dict[str, object]:
    n_div = 12 if embed_dim == 96 else 16
    return {
        "embed_dim": embed_dim,
        "depths": depths,
        "mlp_ratio": mlp_ratio,
        "drop_path": drop_path,
        "n_div": n_div,
    }


_SHIFTVIT_SIZES = {
    "light-tiny": _shiftvit(96, [2, 2, 6, 2], 4.0, 0.2),
    "r4-tiny": _shiftvit(96, [2, 2, 12, 3], 4.0, 0.2),
    "r2-tiny": _shiftvit(96, [6, 8, 18, 6], 2.0, 0.2),
    "light-small": _shiftvit(96, [2, 2, 18, 2], 4.0, 0.4),
    "r4-small": _shiftvit(96, [2, 6, 24, 4], 4.0, 0.4),
    "r2-small": _shiftvit(96, [10, 18, 36, 10], 2.0, 0.4),
    "light-base": _shiftvit(128, [2, 2, 18, 2], 4.0, 0.5),
    "r4-base": _shiftvit(128, [4, 6, 22, 4], 4.0, 0.5),
    "r2-base": _shiftvit(128, [10, 18, 36, 10], 2.0, 0.6),
}

_DIGITS = (
    "trained on 1,437 of scikit-learn's 1,797 handwritten digits (8 x 8, enlarged to 32 x 32); the other 360, of a "
    "fixed split, were never seen in training"
)

SHIFTVIT = Paper(
    id="shiftvit",
    title="When Shift Operation Meets Vision Transformer: An Extremely Simple Alternative to Attention Mechanism",
    arxiv="2201.10801",
    year=2022,
    license="MIT",
    repo="microsoft/SPACH",
    commit="dcede1e86c9e",
    fidelity="reference",
    replay="zoo_vision.shiftvit:replay",
    ours=(
        "The presets `test` and `digits`, the training on handwritten digits, and `attention_maps`, which shows the "
        "energy of a stage's features because there is no attention to show.",
        "The published checkpoints are pickles on a release page (`microsoft/SPACH`, v1.0: shiftvit_tiny_light.pth, "
        "shiftvit_tiny_r2.pth, shiftvit_small_light.pth, shiftvit_small_r2.pth), never opened here: run `zoo convert "
        "FILE.pth`, then load the preset with `weights=PATH`.",
    ),
    entries=(
        Entry(
            id="shiftvit",
            kind="model",
            summary="hierarchical image classifier that moves channels by one pixel instead of attending",
            tags=("vision", "token-mixer", "local", "attention-free", "classification"),
            build="zoo_vision.shiftvit:ShiftViT",
            config="zoo_vision.shiftvit:ShiftViTConfig",
            example="zoo_vision.shiftvit:example",
            preprocess="zoo_vision.shiftvit:preprocess",
            predict="zoo_vision.shiftvit:predict",
            train="zoo_vision.shiftvit:train",
            convert="zoo_vision.shiftvit:convert",
            presets={
                **_SHIFTVIT_SIZES,
                "tiny": _SHIFTVIT_SIZES["r2-tiny"],
                "small": _SHIFTVIT_SIZES["r2-small"],
                "base": _SHIFTVIT_SIZES["r2-base"],
                "test": {"embed_dim": 12, "depths": [1, 2, 1, 1], "num_classes": 10, "image_size": 64},
                "digits": {
                    "embed_dim": 24,
                    "depths": [1, 1, 2, 1],
                    "mlp_ratio": 1.0,
                    "drop_path": 0.0,
                    "num_classes": 10,
                    "image_size": 32,
                    "dataset": "digits",
                },
            },
            weights={
                "digits": Weights(
                    "package://zoo_vision/weights/shiftvit-digits.safetensors",
                    sha256="33af17de0c3df8f87a6d3ba98f575eded7dadf35ae43804a98a55cfdd81289be",
                    size=879632,
                    license="apache-2.0",
                    metric="98.61% of 360 held-out handwritten digits",
                    command="zoo train shiftvit/digits",
                    note=_DIGITS,
                ),
            },
            claims=(
                Claim(
                    "the token mixer has no parameters and no arithmetic; a block is one norm and one MLP",
                    figure="0 parameters, 0 multiply-adds",
                    check="zoo_vision.shiftvit:check_mixer_is_free",
                ),
                Claim(
                    "the receptive field grows only through the shifts",
                    figure="L1 distance d after d blocks",
                    check="zoo_vision.shiftvit:check_receptive_field",
                ),
                Claim(
                    "parameters of the published sizes",
                    figure="light-tiny 20M, tiny 29M, light-small 34M, base 89M",
                    check="zoo_vision.shiftvit:check_parameters",
                ),
                Claim(
                    "multiply-adds of the published sizes at 224 x 224",
                    figure="light-tiny 3.0G, tiny 4.5G, light-small 5.7G, base 15.6G",
                    check="zoo_vision.shiftvit:check_multiply_adds",
                ),
                Claim(
                    "ImageNet-1k top-1 accuracy on a par with Swin",
                    figure="light-tiny 79.4, tiny 81.7 (Swin-T 81.3), light-small 81.6, small 82.8 (Swin-S 83.0), "
                    "base 83.3 (Swin-B 83.5)",
                    needs="ImageNet-1k and the published weights",
                ),
            ),
        ),
        Entry(
            id="shiftvit-shift",
            aliases=("shift",),
            kind="model",
            summary="the bare shift of four channel groups by one pixel",
            tags=("vision", "token-mixer", "local", "attention-free"),
            build="zoo_vision.shiftvit:Shift",
            config="zoo_vision.shiftvit:ShiftConfig",
            example="zoo_vision.shiftvit:shift_example",
            claims=(
                Claim(
                    "only 4/n_div of the channels move",
                    figure="n_div = 12: one third; the others are bit-identical",
                    check="zoo_vision.shiftvit:check_share_of_moving_channels",
                ),
                Claim(
                    "opposite shifts of a group undo each other away from the border",
                    figure="exact",
                    check="zoo_vision.shiftvit:check_permutation",
                ),
                Claim(
                    "translation equivariance away from the border",
                    figure="exact",
                    check="zoo_vision.shiftvit:check_translation",
                ),
            ),
        ),
    ),
)

_TRIPLET_TAGS = ("vision", "cnn", "self", "single-level", "soft", "multi-representational", "sigmoid", "gate")

TRIPLET_ATTENTION = Paper(
    id="triplet-attention",
    title="Rotate to Attend: Convolutional Triplet Attention Module",
    arxiv="2010.03045",
    year=2021,
    license="MIT",
    repo="LandskapeAI/triplet-attention",
    commit="f07524e45db5",
    fidelity="reference",
    replay="zoo_vision.triplet_attention:replay",
    differences=(
        "The paper counts 6 k^2 parameters; the three batch norms add 6 learnable numbers.",
        "The published MobileNetV2 ignores its kernel size and always uses 7; here `kernel_size=3` is obeyed.",
    ),
    ours=(
        "The position of the module in MobileNetV2's flat sequences is inferred, not recorded.",
        "The pool before the head takes any size; the authors' takes 7 x 7 (at 224 x 224 the two agree).",
        "The presets `test` and `digits`, the training on handwritten digits, `width_mult` of MobileNetV2, and "
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
            build="zoo_vision.triplet_attention:TripletAttention",
            config="zoo_vision.triplet_attention:TripletConfig",
            example="zoo_vision.triplet_attention:example",
            convert="zoo_vision.triplet_attention:convert",
            presets={"k7": {"kernel_size": 7}, "k3": {"kernel_size": 3}},
            claims=(
                Claim(
                    "the module is almost free in parameters",
                    figure="300 per block; +2400 on ResNet-18, +4800 on ResNet-50 (+0.019%)",
                    check="zoo_vision.triplet_attention:check_parameters",
                ),
                Claim(
                    "the module is cheap in computation",
                    figure="ResNet-18: 1.8256e9 against 1.8190e9 (+0.36%); "
                    "ResNet-50: 4.1587e9 against 4.1114e9 (+1.15%)",
                    check="zoo_vision.triplet_attention:check_multiply_adds",
                ),
                Claim(
                    "shape preserving on any channels, height and width",
                    figure="one instance on 16x12x10 and 64x7x9",
                    check="zoo_vision.triplet_attention:check_any_shape",
                ),
                Claim(
                    "rotation symmetry: transposed input and gates give the transposed output",
                    figure="float64 equality to 1e-12",
                    check="zoo_vision.triplet_attention:check_rotation",
                ),
            ),
        ),
        Entry(
            id="triplet-attention-resnet",
            kind="model",
            summary="ResNet with triplet attention in every block",
            tags=(*_TRIPLET_TAGS, "classification"),
            build="zoo_vision.triplet_attention:TripletResNet",
            config="zoo_vision.triplet_attention:TripletResNetConfig",
            example="zoo_vision.triplet_attention:image_example",
            preprocess="zoo_vision.triplet_attention:preprocess",
            predict="zoo_vision.triplet_attention:predict",
            train="zoo_vision.triplet_attention:train",
            convert="zoo_vision.triplet_attention:convert",
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
                    license="apache-2.0",
                    metric="99.44% of 360 held-out handwritten digits",
                    command="zoo train triplet-attention-resnet/digits",
                    note=_DIGITS,
                ),
            },
            claims=(
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
            build="zoo_vision.triplet_attention:TripletMobileNet",
            config="zoo_vision.triplet_attention:TripletMobileNetConfig",
            example="zoo_vision.triplet_attention:image_example",
            preprocess="zoo_vision.triplet_attention:preprocess",
            predict="zoo_vision.triplet_attention:predict",
            convert="zoo_vision.triplet_attention:convert",
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


@hookimpl
def zoo_papers() -> Iterator[Paper]:
    """The papers of this plugin, in alphabetical order of id."""
    yield SHIFTVIT
    yield TRIPLET_ATTENTION
