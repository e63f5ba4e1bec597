"""The facts of DSTA."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

PAPER = Paper(
    id="dsta",
    title="Video-Based Human Pose Regression via Decoupled Space-Time Aggregation",
    arxiv="2403.19926",
    year=2024,
    code=__package__,
    license="Apache-2.0",
    repo="zgspose/DSTA",
    commit="cb683c1",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The paper describes local awareness as attention of related joints; in the code, and here, it is a fixed "
        "grouping into five body parts of three.",
        "Given one clip alone the authors' forward expects (1, T, 3, H, W) and else frames in the channels; both forms "
        "are taken here at any batch size.",
    ),
    ours=(
        "The preset `rendered` and its training on clips of rendered people before photographs: a parametric "
        "body of the package anny, moved by captured motions; PoseTrack does not travel with packages.",
        "HRNet-W48, which the paper also uses and the released model file lacks, is not built.",
        "The published weights (Google Drive) were not opened here. Save their tensors as safetensors under their own "
        "names, then `zoo.load('dsta/resnet50', weights=PATH)` renames them.",
    ),
    entries=(
        Entry(
            id="dsta",
            kind="model",
            summary="keypoints of a person in a clip's middle frame: attention in time per joint, in space per limb",
            tags=("pose", "video", "top-down", "regression", "transformer", "self", "local"),
            build="network:DSTA",
            config="config:DSTAConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="pictures:preprocess",
            predict="pictures:predict",
            picture="pictures:picture",
            train="training:train",
            convert="conversion:convert",
            presets={
                "resnet50": {"num_frames": 3},
                "resnet50-t5": {"num_frames": 5},
                "hrnet-w48": {"backbone": "hrnet-w48", "backbone_channels": 384},
                "rendered": {
                    "backbone": "small-resnet",
                    "backbone_channels": 80,
                    "depth": 2,
                    "flow_hidden": 16,
                    "drop_path": 0.0,
                    "height": 96,
                    "width": 72,
                },
                "tiny": {
                    "backbone": "convolution",
                    "backbone_channels": 24,
                    "dim": 16,
                    "depth": 2,
                    "num_heads": 4,
                    "height": 64,
                    "width": 48,
                },
            },
            weights={
                "rendered": Weights(
                    "package://zoo_pose/weights/dsta-rendered.safetensors",
                    sha256="62feb35e74c0e58c7b7cf0eeb389c8b8a25b349c7e947a9351fd1f850fa270d3",
                    size=841_716,
                    license="Apache-2.0",
                    metric=(
                        "43.9% of joints within a tenth of the box on clips of rendered people of held-out motions "
                        "before held-out photographs, 43.0% where clips stand still; the mean pose in the true box "
                        "21.0%"
                    ),
                    command="zoo train dsta/rendered",
                    note=(
                        "Trained for 5000 steps on 1000 rendered people, not on real ones: the body of the package "
                        "anny (Apache-2.0, its data CC0) in eleven captured motions of pybullet (zlib) before 27 "
                        "pictures of scikit-image, scikit-learn and Debian's opencv-doc, mate-backgrounds and "
                        "lomiri-wallpapers."
                    ),
                ),
            },
            claims=(
                Claim(
                    "finds joints of rendered people in clips, and better than the mean pose in the true box",
                    figure="PoseTrack2017: +8.9 mAP over regression from single frames",
                    check="claims:check_rendered_people",
                    slow=True,
                ),
                Claim(
                    "a joint's path through time never sees another joint, its path through space no other frame",
                    figure="exact independence",
                    check="claims:check_decoupled",
                ),
                Claim(
                    "spatial attention is local: the three joints of a body part alone interact",
                    figure="5 groups of 3 x 3: 45 scores; 17 x 3 squared is 2601",
                    check="claims:check_local_in_space",
                ),
                Claim(
                    "the cost of aggregation grows with T^2 per joint alone",
                    figure="17 T^2 + 45 scores against (17 T)^2; at 3 frames 198 against 2601",
                    check="claims:check_growth",
                ),
                Claim(
                    "PoseTrack2017 validation, over regression from single frames",
                    figure="+8.9 mAP",
                    needs="PoseTrack2017 and the published weights",
                ),
            ),
        ),
    ),
)
