"""The facts of IGANet."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

PAPER = Paper(
    id="iganet",
    title="Interweaved Graph and Attention Network for 3D Human Pose Estimation",
    arxiv="2304.14045",
    year=2023,
    code=__package__,
    repo="xiu-cs/IGANet",
    commit="46755c0",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The paper presents the exchange between the branches as learnt; the code freezes both scales, 0.5 and 0.8. So "
        "they are parameters here that do not train.",
        "The norm in front of the first graph layer runs over the joints, so even the graph branch mixes all of them a "
        "little; as in the code.",
        "The code hard-codes the widths of encoder and uMLP; here they follow `dim`.",
        "Given several frames the code leaves them in the batch; here (batch, frames) come back.",
    ),
    ours=(
        "The preset `motions` and its training on captured motions that travel with a package; Human3.6M does not.",
        "The published checkpoint (Google Drive, a pickle) was not opened here. Save its tensors as safetensors under "
        "their own names, then `zoo.load('iganet/3', weights=PATH)` renames them.",
    ),
    entries=(
        Entry(
            id="iganet",
            kind="model",
            summary="lifts the keypoints of one pose to 3D by a graph and an attention branch that feed each other",
            tags=("pose", "lifting", "graph", "transformer", "self"),
            build="network:IGANet",
            config="config:IGANetConfig",
            example="network:example",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="claims:picture",
            train="training:train",
            convert="conversion:convert",
            presets={
                "3": {"num_layers": 3},
                "2": {"num_layers": 2},
                "4": {"num_layers": 4},
                "5": {"num_layers": 5},
                "motions": {
                    "dim": 64,
                    "num_layers": 2,
                    "attention_dropout": 0.0,
                    "projection_dropout": 0.0,
                    "exchange_dropout": 0.0,
                    "mlp_dropout": 0.0,
                    "drop_path": 0.0,
                },
                "tiny": {"dim": 32, "num_layers": 2},
            },
            weights={
                "motions": Weights(
                    "package://zoo_pose/weights/iganet-motions.safetensors",
                    sha256="46972d158623aa2fe645815d3b6859cb68cb2b9f558b81c726e806ba6ce9dbf8",
                    size=461_028,
                    license="Apache-2.0",
                    metric="128.0 mm MPJPE on held-out motions; a linear map 168.1, an MLP 101.2",
                    command="zoo train iganet/motions",
                    note=(
                        "Trained on eleven captured motions of the package pybullet (zlib licence) seen by random "
                        "cameras; four other motions are held out."
                    ),
                ),
            },
            claims=(
                Claim(
                    "lifts held-out motions better than a linear map and than a residual network of single frames",
                    figure="Human3.6M: 48.3 mm with detected keypoints",
                    check="claims:check_held_out_motions",
                    slow=True,
                ),
                Claim(
                    "information flows in both directions between graph branch and attention branch",
                    figure="two edges per block; either is closed by its scale",
                    check="claims:check_exchange",
                ),
                Claim(
                    "the graph branch alone is local, the block is global",
                    figure="the graph layer sees what its adjacency connects, the block all 17 joints",
                    check="claims:check_receptive_field",
                ),
                Claim(
                    "uMLP costs less than a transformer's MLP of hidden width 1024",
                    figure="328,704 against 1,050,112 parameters at width 512",
                    check="claims:check_umlp_is_small",
                ),
                Claim(
                    "Human3.6M, single frames, CPN's detections: MPJPE",
                    figure="48.3 mm (GraFormer 51.8, MGCN with refinement 49.4)",
                    needs="Human3.6M and the published weights",
                ),
            ),
        ),
    ),
)
