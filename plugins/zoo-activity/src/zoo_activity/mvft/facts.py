"""The facts of MVFT."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TAGS = ("activity", "sensors", "transformer", "multi-view")
WATCH = {"dim": 32, "num_blocks": 2, "window": 128, "in_channels": 6, "num_classes": 7}

PAPER = Paper(
    id="mvft",
    title="Multi-View Fusion Transformer for Sensor-Based Human Activity Recognition",
    arxiv="2202.12949",
    year=2022,
    code=__package__,
    fidelity="reconstruction",
    entries=(
        Entry(
            id="mvft",
            kind="model",
            summary="classifies windows of inertial signals by temporal, frequent and statistical views that attend",
            tags=(*_TAGS, "self", "cross-attention", "gating", "classification"),
            build="network:MVFT",
            config="config:MVFTConfig",
            example="network:example",
            preprocess="network:preprocess",
            train="training:train",
            picture="pictures:classifier",
            presets={
                "wisdm": {},
                "watch": WATCH,
                "6axis": {"dim": 128, "num_heads": 8, "window": 128, "in_channels": 6},
                "tiny": {"dim": 16, "num_blocks": 1, "num_heads": 2, "window": 40},
            },
            ours=(
                "No code was published and the mechanism was specified from the abstract and a public summary: the "
                "segments, the twelve statistics, the gates and the widths are a design.",
                "Each view has its own query, key, value and output projections; a view's keys and values serve all "
                "who ask. Gates begin at 1/2.",
                "The last patch is filled up with zeros where patch_size does not divide window.",
                "Where one segment is the whole window, bands of each channel's spectrum are the frequent tokens.",
                "The data of WISDM and CRO are in no package; `watch` is trained on shoulder exercises instead.",
            ),
            weights={
                "watch": Weights(
                    "package://zoo_activity/weights/mvft-watch.safetensors",
                    sha256="f7b44a2a988fd9ccaf945aa54d98dcf551fadcab419de9bb1f0278a720e6db15",
                    size=258_068,
                    license="Apache-2.0",
                    metric="80.2% of three held-out people's windows; a linear model on statistics 75.1%",
                    command="zoo train mvft/watch",
                    note=(
                        "Trained on the smartwatch recordings of shoulder exercises in the package seglearn (BSD-3): "
                        "seven subjects; three others are held out."
                    ),
                ),
            },
            claims=(
                Claim(
                    "the frequent view keeps a window's energy",
                    figure="Parseval: sum of |FFT|^2 = N sum of x^2",
                    check="claims:check_parseval",
                ),
                Claim(
                    "the statistical view is that of twelve textbook statistics",
                    figure="those of numpy and scipy",
                    check="claims:check_statistics",
                ),
                Claim(
                    "cross-view attention lets one view absorb the others",
                    figure="influence, exactly zero when cross heads are off",
                    check="claims:check_absorbs",
                ),
                Claim(
                    "the frequent view ignores time shifts of a periodic signal",
                    figure="spectrum of a rolled window equal to 1e-5",
                    check="claims:check_shifts",
                ),
                Claim(
                    "fusion solves what single views do not (task of three factors)",
                    figure="fusion above 0.95, single views about a half",
                    check="claims:check_fusion_gains",
                    slow=True,
                ),
                Claim(
                    "three views recognise more than the temporal view alone, a plain Transformer, on a real watch",
                    figure="WISDM: +5.18 points (secondary source)",
                    check="claims:check_real_exercises",
                    slow=True,
                ),
                Claim(
                    "accuracy on WISDM above the best earlier method and a plain Transformer",
                    figure="+7.15 points over a 2-D CNN, +5.18 over a Transformer (secondary source)",
                    needs="WISDM and its subject-wise split",
                ),
            ),
        ),
        Entry(
            id="mvft-factors",
            kind="benchmark",
            summary="windows whose class is a frequency, a mean and an order of motifs: one view alone misses one",
            tags=(*_TAGS, "synthetic"),
            build="factors:Factors",
            picture="pictures:factors",
            config="config:FactorsConfig",
            example="factors:example",
            presets={"tiny": {"num_windows": 32}},
            ours=("The paper has no such task: the signals, their noise and the eight classes are a design.",),
        ),
    ),
)
