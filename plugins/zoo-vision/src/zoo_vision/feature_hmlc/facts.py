"""The facts of A-HMLC and G-HMLC."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TAGS = ("vision", "contrastive", "hierarchy", "representation-learning")
_TINY = {"num_classes": [2, 4], "encoder": "small", "width": 4, "dim": 12, "d_k": 6}
_CIFAR = {"num_classes": [20, 100], "encoder": "resnet18", "width": 64}
_PRESETS = {
    "cifar100": _CIFAR,
    "cifar100-resnet50": {**_CIFAR, "encoder": "resnet50"},
    "mnist": {"num_classes": [2, 10], "in_channels": 1, "image_size": 28},
    "vectors": {"num_classes": [2, 4], "encoder": "mlp", "in_channels": 32, "dim": 16},
    "textiles": {
        "num_classes": [2, 3],
        "class_names": ["nominal", "defective", "nominal", "local defect", "global defect"],
        "encoder": "small",
        "image_size": 128,
        "in_channels": 1,
        "width": 12,
        "dim": 32,
        "d_k": 16,
    },
    "tiny": _TINY,
}
_CHOICES = (
    "No implementation was published. Known are: one mask per level on the embedding before the loss, hard ones from a "
    "Gaussian mixture with as many components as levels, soft ones from one attention head per level. How a head "
    "makes a mask, the mixture's descriptor, class balancing and the schedule are reconstructed.",
    "Point clouds (ModelNet40): give `HierarchicalNetwork(config, encoder=...)` an encoder of them.",
    "The presets, and linear probes within the network; `probe_loss` trains them and sends the encoder no gradient.",
)
_STATE_OF_THE_ART = Claim(
    "state of the art in linear evaluation, about 2 points above earlier hierarchical contrastive methods",
    figure="CIFAR-100 and ModelNet40, fine accuracy",
    needs="CIFAR-100, ModelNet40 and a GPU",
)

PAPER = Paper(
    id="feature-hmlc",
    title="Feature Identification for Hierarchical Contrastive Learning",
    arxiv="2510.00837",
    year=2025,
    code=__package__,
    license="BSD-3-Clause",
    repo="salesforce/hierarchicalContrastiveLearning",
    commit="f075235dbc1d",
    fidelity="reconstruction",
    replay="conversion:replay",
    ours=(
        "The repository named here is the baseline's (HMCE), whose losses were recorded and are replayed; the two "
        "methods with masks have none.",
    ),
    entries=(
        Entry(
            id="feature-hmlc",
            aliases=("a-hmlc",),
            kind="model",
            summary="encoder trained by contrast on every level of a hierarchy, each seeing features of its own softly",
            tags=(*_TAGS, "soft", "single"),
            build="network:HierarchicalNetwork",
            config="config:HMLCConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="pictures:levels",
            train="training:train",
            ours=(*_CHOICES, "The cheaper masks `mlp`, and the diversity of masks, whose weight is 0."),
            presets=_PRESETS,
            weights={
                "textiles": Weights(
                    "package://zoo_vision/weights/feature-hmlc-textiles.safetensors",
                    sha256="1d3ba15a84c90b22c69894217fcdfd665717e0ccf4e4c6bfb261778958b32aa1",
                    size=761_796,
                    license="Apache-2.0",
                    metric=(
                        "probes tell 71.4% nominal or defective, 72.0% of three kinds; an untrained encoder 63.1% "
                        "and 52.9%, the commonest class 50.2%"
                    ),
                    command="zoo train feature-hmlc/textiles",
                    note=(
                        "Trained on 1,482 simulated textile images of the package conformal-clip-data (MIT). Level "
                        "0: nominal, defect; level 1: nominal, local, global."
                    ),
                ),
            },
            claims=(
                Claim(
                    "masks remove the conflict between levels: tight at the coarse level and spread at the fine one",
                    figure="coarse and fine silhouette both rise with masks, against the plain sum of losses",
                    check="claims:check_masks_remove_conflict",
                    slow=True,
                ),
                Claim(
                    "with masks of ones the methods are the plain sum of supervised contrastive losses over levels",
                    figure="exact, without balance",
                    check="claims:check_masks_of_ones",
                ),
                Claim(
                    "soft masks are distributions over features for every sample, times the dimension",
                    figure="not negative, mean one",
                    check="claims:check_soft_masks",
                ),
                Claim(
                    "linear probes tell both levels of real labels",
                    figure="no figure in the paper for such images",
                    check="claims:check_textiles",
                    slow=True,
                ),
                _STATE_OF_THE_ART,
            ),
        ),
        Entry(
            id="feature-hmlc-hard",
            aliases=("g-hmlc",),
            kind="model",
            summary="the same encoder with hard masks: a Gaussian mixture gives every feature to one level",
            tags=(*_TAGS, "hard", "clustering"),
            build="network:HierarchicalNetwork",
            config="config:HardHMLCConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="pictures:parting",
            train="training:train",
            ours=(
                *_CHOICES,
                "Masks are ones until `model.fit_masks(embeddings, labels)` fits them; training does so every "
                "`gmm_every` epochs after `warmup`.",
            ),
            presets=_PRESETS,
            claims=(
                Claim(
                    "hard masks part the features among the levels",
                    figure="each feature belongs to exactly one level",
                    check="claims:check_hard_masks",
                ),
                Claim(
                    "embeddings keep more variance than HMCE's, and do not depend on the order of the hierarchy",
                    figure="about 3%",
                    needs="CIFAR-100 and a GPU",
                ),
            ),
        ),
        Entry(
            id="feature-hmlc-hmce",
            aliases=("hmce-loss",),
            kind="method",
            summary="the baseline: hierarchical contrast on one embedding, a coarser level never below a finer one",
            tags=_TAGS,
            build="baseline:HMCE",
            config="config:HMCEConfig",
            example="baseline:example",
            picture="pictures:terms",
            ours=("`attach`, by which any model is trained: every call is one more view of the batch.",),
            presets={"hmc": {"kind": "hmc"}, "hce": {"kind": "hce"}, "hmce": {}},
            claims=(
                Claim(
                    "a finer level's loss never exceeds a coarser level's term",
                    figure="monotone by the running maximum",
                    check="claims:check_baseline_is_monotone",
                ),
            ),
        ),
    ),
)
