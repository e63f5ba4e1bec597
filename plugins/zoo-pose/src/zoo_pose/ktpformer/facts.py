"""The facts of KTPFormer."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

PAPER = Paper(
    id="ktpformer",
    title="KTPFormer: Kinematics and Trajectory Prior Knowledge-Enhanced Transformer for 3D Human Pose Estimation",
    arxiv="2404.00658",
    year=2024,
    code=__package__,
    repo="JihuaPeng/KTPFormer",
    commit="b961951",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The paper's figures make query, key and value of the priors; in the code a prior stands in place of the "
        "embedding, and its output is the residual as well. So it is here.",
        "The authors' training back-propagates the loss with itself as upstream gradient, which is the gradient of "
        "half its square; ours takes the plain gradient.",
    ),
    ours=(
        "Frames of several windows get the mean of what those say; a track's last window ends with it.",
        "The preset `motions` and its training on captured motions that travel with a package; Human3.6M does not.",
        "The published checkpoints (Google Drive, pickles) were not opened here. Save their `model_pos` as safetensors "
        "under its own names, then `zoo.load('ktpformer/243', weights=PATH)` renames them.",
    ),
    entries=(
        Entry(
            id="ktpformer",
            kind="model",
            summary="lifts keypoints of a window of frames to 3D, with the graphs of skeleton and frames as priors",
            tags=("pose", "lifting", "video", "graph", "transformer", "self"),
            build="network:KTPFormer",
            config="config:KTPFormerConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            train="training:train",
            picture="claims:picture",
            convert="conversion:convert",
            presets={
                "243": {"num_frames": 243},
                "81": {"num_frames": 81},
                "27": {"num_frames": 27},
                "small": {"num_frames": 81, "dim": 256},
                "motions": {"num_frames": 5, "dim": 32, "depth": 1, "num_heads": 4, "drop_path": 0.0},
                "tiny": {"num_frames": 9, "dim": 16, "depth": 2, "num_heads": 4, "drop_path": 0.0},
            },
            weights={
                "motions": Weights(
                    "package://zoo_pose/weights/ktpformer-motions.safetensors",
                    sha256="942d7b8a8ec77b7aab27c378851b6efa3ffe82f2149bd7c61a98f3724e5750c9",
                    size=172_080,
                    license="Apache-2.0",
                    metric="116.7 mm MPJPE on held-out motions; a linear map 168.1, an MLP 101.2",
                    command="zoo train ktpformer/motions",
                    note=(
                        "Trained on eleven captured motions of the package pybullet (zlib licence) seen by random "
                        "cameras; four other motions are held out."
                    ),
                ),
            },
            claims=(
                Claim(
                    "lifts held-out motions better than a linear map and than a residual network of single frames",
                    figure="Human3.6M: 19.0 mm with true keypoints, 243 frames (unverified)",
                    check="claims:check_held_out_motions",
                    slow=True,
                ),
                Claim(
                    "the prior modules are light: a small share of the network",
                    figure="1,431,155 of 35,213,430 parameters, 4.1%",
                    check="claims:check_share_of_the_priors",
                ),
                Claim(
                    "the priors are plug-and-play: they replace any linear embedding",
                    figure="(batch, tokens, in) to (batch, tokens, dim)",
                    check="claims:check_plugs_into_another_transformer",
                ),
                Claim(
                    "with the identity as topology and nothing learnt, the layer is a linear map of each token",
                    figure="row j is M[j] * (x[j] W0) + b",
                    check="claims:check_identity_is_linear",
                ),
                Claim(
                    "one kinematic layer sees only neighbours in the skeleton at initialisation",
                    figure="gradient outside the skeleton about 1e-6 of that inside",
                    check="claims:check_locality",
                ),
                Claim(
                    "Human3.6M, 243 frames: MPJPE",
                    figure="40.1 mm with CPN's detections, 19.0 mm with true keypoints (from memory, unverified)",
                    needs="Human3.6M and the published weights",
                ),
            ),
        ),
    ),
)
