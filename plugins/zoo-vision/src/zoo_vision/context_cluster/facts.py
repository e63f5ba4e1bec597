"""The facts of context clusters."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TAGS = ("vision", "clustering", "token-mixer", "hard", "attention-free")
_SMALL_WIDTHS = [64, 128, 320, 512]


def _size(
    depths: list[int], num_heads: list[int], dims: list[int] = _SMALL_WIDTHS, **more: object
) -> dict[str, object]:
    return {"depths": depths, "dims": dims, "num_heads": num_heads, "head_dims": [32] * 4, **more}


def _places(centres: list[int], regions: list[int]) -> dict[str, list[int]]:
    """Centres and regions that are the same along rows and columns."""
    return {
        "centre_rows": centres,
        "centre_columns": centres,
        "region_rows": regions,
        "region_columns": regions,
    }


PAPER = Paper(
    id="context-cluster",
    title="Image as Set of Points",
    arxiv="2303.01494",
    year=2023,
    code=__package__,
    license="MIT",
    repo="ma-xu/Context-Cluster",
    commit="be9a03baca18",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The paper's formula can be read with the unmasked similarity in the denominator; the authors' code, followed "
        "here, masks first.",
        "The authors call rows `w` and columns `h`, and cut regions only where both folds exceed 1.",
        "The paper's millions of parameters are 2^20.",
    ),
    entries=(
        Entry(
            id="context-cluster",
            aliases=("coc",),
            kind="model",
            summary="image classifier that sees an image as points and mixes them by clustering",
            tags=(*_TAGS, "classification", "backbone"),
            build="network:ContextCluster",
            config="config:ContextClusterConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="claims:picture",
            train="training:train",
            convert="conversion:convert",
            ours=(
                "The presets `test` and `digits`, and the training on handwritten digits.",
                "The crop of raw images is known of small (0.9) and medium (0.95); the other sizes take that of small.",
                "`stage_norms` gives each map of `features=True` a norm of its own, as the authors' variants for "
                "detection and segmentation have; the names of those norms are ours.",
                "The published checkpoints lie behind links on Google Drive and were never opened here: run `zoo "
                "convert FILE`, then load the preset with `weights=PATH`.",
            ),
            presets={
                "tiny": {},
                "tiny2": _places([4, 2, 7, 4], [7, 7, 1, 1]),
                "tiny-plain": _places([4, 4, 2, 2], [1, 1, 1, 1]),
                "small": _size([2, 2, 6, 2], [4, 4, 8, 8]),
                "medium": _size([4, 4, 12, 4], [6, 6, 12, 12], drop_path=0.1, crop=0.95),
                "base-dim64": _size([6, 6, 24, 6], [8, 8, 16, 16]),
                "base-dim96": _size([4, 4, 12, 4], [8, 8, 16, 16], dims=[96, 192, 384, 768]),
                "digits": {
                    "depths": [1, 1, 1, 1],
                    "dims": [24, 32, 48, 64],
                    "mlp_ratios": [4.0, 4.0, 2.0, 2.0],
                    "num_heads": [2, 2, 2, 2],
                    "head_dims": [12, 12, 16, 16],
                    **_places([2, 2, 2, 1], [2, 2, 1, 1]),
                    "num_classes": 10,
                    "layer_scale": 1.0,
                    "image_size": 32,
                    "dataset": "digits",
                },
                "test": {
                    "depths": [1, 1, 1, 1],
                    "dims": [8, 12, 16, 20],
                    "mlp_ratios": [2.0, 2.0, 2.0, 2.0],
                    "num_heads": [2, 2, 2, 2],
                    "head_dims": [6, 6, 8, 8],
                    **_places([2, 2, 2, 2], [2, 2, 1, 1]),
                    "num_classes": 10,
                    "image_size": 32,
                },
            },
            weights={
                "digits": Weights(
                    "package://zoo_vision/weights/context-cluster-digits.safetensors",
                    sha256="2781dab93b5ab05d0d2f1a01e47748fdcd4f705e6e7eac81d35bb88399369e12",
                    size=433_376,
                    license="Apache-2.0",
                    metric="99.2% of 360 held-out handwritten digits; a linear model 94.72%",
                    command="zoo train context-cluster/digits",
                    note="Trained on 1,437 of scikit-learn's 8 x 8 digits, enlarged to 32 x 32; 360 are held out.",
                ),
            },
            claims=(
                Claim(
                    "the paper's millions are 2^20",
                    figure="tiny 5.3M, small 14.0M",
                    check="claims:check_millions",
                ),
                Claim(
                    "neither regions nor centres cost parameters",
                    figure="tiny, tiny2 and tiny-plain have the same count",
                    check="claims:check_free_regions",
                ),
                Claim(
                    "multiply-adds of the published sizes at 224 x 224; the paper's G are 2^30",
                    figure="tiny 1.0G, small 2.6G",
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
                    "ImageNet-1k top-1 accuracy",
                    figure="tiny 73.2, tiny-plain 73.8, small 78.1, medium 81.2",
                    needs="ImageNet-1k and the published weights",
                ),
            ),
        ),
        Entry(
            id="context-cluster-operator",
            aliases=("cluster",),
            kind="model",
            summary="a layer for maps (batch, channels, H, W): points gather at centres and take back what they hold",
            tags=(*_TAGS, "layer"),
            build="cluster:Cluster",
            config="config:ClusterConfig",
            example="cluster:example",
            picture="pictures:operator",
            presets={"tiny": {"dim": 16, "out_dim": 16, "num_heads": 2, "head_dim": 8, "regions": [2, 2]}},
            claims=(
                Claim(
                    "hard assignment: every point belongs to exactly one centre per head and region",
                    figure="one non-zero similarity for each point",
                    check="claims:check_hard_assignment",
                ),
                Claim(
                    "a set operator: permuting the points permutes the answers when the centres are given",
                    figure="exact",
                    check="claims:check_set_property",
                ),
                Claim(
                    "clustering is cheap: O(N M) with M centres instead of O(N^2)",
                    figure="4 centres at 56 x 56",
                    check="claims:check_cost",
                    slow=True,
                ),
            ),
        ),
    ),
)
