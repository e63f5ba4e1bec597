"""The facts of ShiftViT: what it offers, its sizes, weights and claims."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights


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

PAPER = Paper(
    id="shiftvit",
    title="When Shift Operation Meets Vision Transformer: An Extremely Simple Alternative to Attention Mechanism",
    arxiv="2201.10801",
    year=2022,
    code=__package__,
    license="MIT",
    repo="microsoft/SPACH",
    commit="dcede1e86c9e",
    fidelity="reference",
    replay="conversion:replay",
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
            build="network:ShiftViT",
            config="config:ShiftViTConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="pictures:stages",
            train="training:train",
            convert="conversion:convert",
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
                    license="Apache-2.0",
                    metric="98.61% of 360 held-out handwritten digits; a linear model 94.72%",
                    command="zoo train shiftvit/digits",
                    note=_DIGITS,
                ),
            },
            claims=(
                Claim(
                    "the token mixer has no parameters and no arithmetic; a block is one norm and one MLP",
                    figure="0 parameters, 0 multiply-adds",
                    check="claims:check_mixer_is_free",
                ),
                Claim(
                    "the receptive field grows only through the shifts",
                    figure="L1 distance d after d blocks",
                    check="claims:check_receptive_field",
                ),
                Claim(
                    "parameters of the published sizes",
                    figure="light-tiny 20M, tiny 29M, light-small 34M, base 89M",
                    check="claims:check_parameters",
                ),
                Claim(
                    "multiply-adds of the published sizes at 224 x 224",
                    figure="light-tiny 3.0G, tiny 4.5G, light-small 5.7G, base 15.6G",
                    check="claims:check_multiply_adds",
                    slow=True,
                ),
                Claim(
                    "classifies digits better than a linear model",
                    figure="no figure in the paper",
                    check="claims:check_digits",
                    slow=True,
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
            build="shift:Shift",
            config="config:ShiftConfig",
            example="shift:shift_example",
            picture="pictures:shift",
            claims=(
                Claim(
                    "only 4/n_div of the channels move",
                    figure="n_div = 12: one third; the others are bit-identical",
                    check="claims:check_share_of_moving_channels",
                ),
                Claim(
                    "opposite shifts of a group undo each other away from the border",
                    figure="exact",
                    check="claims:check_permutation",
                ),
                Claim(
                    "translation equivariance away from the border",
                    figure="exact",
                    check="claims:check_translation",
                ),
            ),
        ),
    ),
)
