"""The facts of class semantics-based attention."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TAGS = ("activity", "video", "temporal-detection", "gating")
_TINY = {
    "in_channels": 20,
    "length": 16,
    "max_duration": 8,
    "hidden1": 16,
    "hidden2": 8,
    "hidden3": 16,
    "num_samples": 4,
}
_THUMOS = {"in_channels": 2048, "length": 128, "max_duration": 64}
WATCH = {
    "in_channels": 42,
    "length": 64,
    "max_duration": 32,
    "hidden1": 32,
    "hidden2": 16,
    "hidden3": 32,
    "num_samples": 8,
    "groups": 2,
}
_TAUGHT = (
    "Trained on routines joined from the smartwatch recordings of shoulder exercises in the package seglearn (BSD-3): "
    "seven people; three others are held out."
)
_BMN_OURS = (
    "Samples that fall before the first or behind the last point count 0, as do proposals that end behind the window.",
    "A boundary's region is a tenth of its action and one point at least; the regression's loss weighs its three "
    "groups of overlaps equally instead of drawing equally many of each.",
    "The features of THUMOS-14 and ActivityNet are in no package; `watch` finds exercises in a smartwatch's routines.",
)

PAPER = Paper(
    id="csa-action-detection",
    title="Class Semantics-based Attention for Action Detection",
    arxiv="2109.02613",
    year=2021,
    code=__package__,
    fidelity="reconstruction",
    ours=(
        "No code was published: that weights come from class semantics, per channel and per point, is the paper's; "
        "the segments' means, the bottlenecks and the parameter-free mean of both branches are a design.",
    ),
    entries=(
        Entry(
            id="csa-action-detection",
            kind="model",
            summary="proposes actions in untrimmed video: boundary matching, with features weighed by class semantics",
            tags=(*_TAGS, "distinctive"),
            aliases=("bmn-csa",),
            build="bmn:BMN",
            config="config:BMNCSAConfig",
            example="bmn:example",
            convert="conversion:convert",
            ours=_BMN_OURS,
            presets={"anet": {}, "thumos": _THUMOS, "watch": WATCH, "tiny": _TINY},
            train="training:train",
            picture="pictures:detections",
            weights={
                "watch": Weights(
                    "package://zoo_activity/weights/csa-action-detection-watch.safetensors",
                    sha256="68ec21bb215af2ac282073837efb9603cf500b89f6acf7a459816c2f0393f4c3",
                    size=77_636,
                    license="Apache-2.0",
                    metric="AP 89.3% at tIoU 0.7 in three held-out people's routines; random intervals 6.8%",
                    command="zoo train csa-action-detection/watch",
                    note=_TAUGHT,
                ),
            },
            claims=(
                Claim(
                    "small overhead",
                    figure="61,809 parameters against 2,782,980 (2.2%)",
                    check="claims:check_overhead",
                ),
                Claim(
                    "complementary to squeeze-and-excitation",
                    figure="both together",
                    check="claims:check_composes",
                ),
                Claim(
                    "detects better than BMN, in routines of a smartwatch",
                    figure="THUMOS-14: about +6.2 mAP",
                    check="claims:check_watch",
                    slow=True,
                ),
                Claim(
                    "detects better than BMN",
                    figure="THUMOS-14 47.5 mAP, about 6.2 above BMN; ActivityNet v1.3 36.25 mAP",
                    needs="the features of THUMOS-14 and ActivityNet v1.3",
                ),
            ),
        ),
        Entry(
            id="csa-action-detection-bmn",
            kind="model",
            summary="the boundary-matching network alone, or with squeeze-and-excitation: starts, ends and proposals",
            tags=_TAGS,
            aliases=("bmn",),
            build="bmn:BMN",
            config="config:BMNConfig",
            example="bmn:example",
            convert="conversion:convert",
            ours=_BMN_OURS,
            presets={"anet": {}, "anet-se": {"attention": "se"}, "watch": WATCH, "tiny": _TINY},
            train="training:train",
            picture="pictures:confidence",
            weights={
                "watch": Weights(
                    "package://zoo_activity/weights/csa-action-detection-bmn-watch.safetensors",
                    sha256="d625d072ad2175495219b1c052df0fadcf8f4c5c3018d55a0b3661f67e78a2f0",
                    size=72_664,
                    license="Apache-2.0",
                    metric="AP 89.0% at tIoU 0.7 in three held-out people's routines; random intervals 6.8%",
                    command="zoo train csa-action-detection-bmn/watch",
                    note=_TAUGHT,
                ),
            },
            claims=(
                Claim(
                    "a proposal's map depends on its extended region alone",
                    figure="half its length before and behind",
                    check="claims:check_region",
                ),
            ),
        ),
        Entry(
            id="csa-action-detection-attention",
            kind="model",
            summary="the attention alone: weighs features along channels and time by class semantics",
            tags=(*_TAGS, "distinctive", "layer"),
            aliases=("csa-attention",),
            build="attention:ClassSemanticAttention",
            picture="pictures:weights",
            config="config:CSAConfig",
            example="attention:example",
            presets={"tiny": {"semantic_channels": 20, "dim": 16}, "se": {"source": "features"}},
            claims=(
                Claim(
                    "weights come from class semantics, not from the features that they weigh",
                    figure="exact independence; squeeze-and-excitation depends",
                    check="claims:check_independence",
                ),
                Claim(
                    "attends along channels and along time",
                    figure="shapes (C, 1) and (1, T), values in (0, 1)",
                    check="claims:check_axes",
                ),
            ),
        ),
    ),
)
