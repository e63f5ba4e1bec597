"""The facts of HopFIR."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_ATTEND = (
    "Whether a hop's head attends across joints (`attend=joints`) or across a joint's hops (`attend=hops`) is a "
    "choice; with `attend=hops` each head's value is scaled by its hop's weight, and the heads are concatenated.",
)

PAPER = Paper(
    id="hopfir",
    title="HopFIR: Hop-wise GraphFormer with Intragroup Joint Refinement for 3D Human Pose Estimation",
    arxiv="2302.14581",
    year=2023,
    code=__package__,
    fidelity="reconstruction",
    ours=(
        "No code was published and the mechanism was specified from public text: four hops and the widths are choices.",
        "Batch norm and ReLU stand behind the graph convolution, inside its residual branch.",
        "The preset `motions` and its training on captured motions that travel with a package; Human3.6M does not.",
    ),
    entries=(
        Entry(
            id="hopfir",
            kind="model",
            summary="lifts the keypoints of one pose to 3D by attention to groups of joints k limbs away",
            ours=_ATTEND,
            tags=("pose", "lifting", "graph", "transformer", "self", "multi-scale"),
            build="network:HopFIR",
            config="config:HopFIRConfig",
            example="network:example",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="claims:picture",
            train="training:train",
            presets={
                "base": {},
                "large": {"dim": 256, "num_blocks": 5},
                "motions": {"dim": 48, "num_blocks": 2, "dropout": 0.0},
                "tiny": {"dim": 16, "num_blocks": 1},
            },
            weights={
                "motions": Weights(
                    "package://zoo_pose/weights/hopfir-motions.safetensors",
                    sha256="d5d13c2a693bb7279f55d4d5ed903f3ce128212c6a2cfdcf751728da1f4a2b42",
                    size=285_600,
                    license="Apache-2.0",
                    metric="88.7 mm MPJPE on held-out motions; a linear map 168.1, an MLP 101.2",
                    command="zoo train hopfir/motions",
                    note=(
                        "Trained on eleven captured motions of the package pybullet (zlib licence) seen by random "
                        "cameras; four other motions are held out."
                    ),
                ),
            },
            claims=(
                Claim(
                    "lifts held-out motions better than a linear map and than a residual network of single frames",
                    figure="Human3.6M: 32.67 mm with true keypoints",
                    check="claims:check_held_out_motions",
                    slow=True,
                ),
                Claim(
                    "the k-hop groups partition the skeleton",
                    figure="hops 0 to 8 of every joint are disjoint and cover all 17; diameter 8",
                    check="claims:check_partition",
                ),
                Claim(
                    "one block with hop-wise attention reaches distant joints, a graph convolution only neighbours",
                    figure="17 joints against at most 5",
                    check="claims:check_reach",
                ),
                Claim(
                    "the gains on Human3.6M of hop-wise attention in front of other graph networks",
                    figure="SemGCN -8.9% error, MGCN -4.5%",
                    needs="Human3.6M",
                ),
                Claim(
                    "Human3.6M MPJPE",
                    figure="32.67 mm with true keypoints, 48.5 mm with detected ones",
                    needs="Human3.6M",
                ),
            ),
        ),
        Entry(
            id="hopfir-attention",
            kind="model",
            summary="hop-wise attention alone, over the tokens of 17 joints: a layer for other networks of poses",
            ours=_ATTEND,
            tags=("pose", "graph", "self", "multi-scale"),
            picture="pictures:attention_picture",
            build="layers:HopAttention",
            config="config:HopAttentionConfig",
            example="layers:example",
            presets={"tiny": {"dim": 16}},
            claims=(
                Claim(
                    "hop-wise attention is plug-in: it stands in front of any graph layer",
                    figure="the layer's shapes fit SemGCN's and MGCN's graph convolutions",
                    check="claims:check_plugs_in",
                ),
            ),
        ),
        Entry(
            id="hopfir-refinement",
            kind="model",
            summary="intragroup joint refinement alone: attention within limbs, and a path from a limb to its tip",
            tags=("pose", "graph", "self", "local"),
            picture="pictures:refinement_picture",
            build="layers:IntragroupRefinement",
            config="config:RefinementConfig",
            example="layers:example",
            presets={"tiny": {"dim": 16}},
            claims=(
                Claim(
                    "the refinement never crosses limbs",
                    figure="the gradient across groups is exactly 0",
                    check="claims:check_never_crosses",
                ),
            ),
        ),
    ),
)
