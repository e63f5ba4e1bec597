"""The facts of Group Pose."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_SWIN_L = {"backbone": "swin-l", "channels": [384, 768, 1536]}

PAPER = Paper(
    id="group-pose",
    title="Group Pose: A Simple Baseline for End-to-End Multi-person Pose Estimation",
    arxiv="2308.07313",
    year=2023,
    code=__package__,
    license="Apache-2.0",
    repo="Michel-liu/GroupPose",
    commit="127fe0e",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The paper adds positions to queries and keys alone; the code adds them to the tensor in place, so they are "
        "also in values, residuals and what earlier layers' auxiliary heads read. `inplace_positions=False` is the "
        "paper's.",
        "What stands for a keypoint's visibility is the constant sigmoid(1), as in the code.",
        "The code knows several points of a query by their last size, at some numbers of keypoints alone; here at any.",
    ),
    ours=(
        "The preset `rendered` and its training on pictures of rendered people before photographs: a parametric "
        "body of the package anny, moved by captured motions; COCO does not travel with packages. Its trunk begins "
        "with the weights of `poseur/rendered`'s.",
        "A dropped proposal that is chosen nevertheless has all its keypoints at 1, as Deformable DETR's convention "
        "has it; a picture with fewer positions than instances lets its best ones serve more than once.",
        "Under autocast trunk, encoder and proposals stay in full precision: which proposals are chosen hangs on them.",
        "What the authors detach between stages is detached in training; in eval mode gradients are whole.",
        "Swin is that of transformers, whose final norm, which nothing reads, is left out; the authors' names of its "
        "tensors are not converted.",
        "The published checkpoints (cloud folders) were not opened here. Save one with ResNet-50 as safetensors under "
        "its own names, then `zoo.load('group-pose/r50', weights=PATH)` renames them.",
    ),
    entries=(
        Entry(
            id="group-pose",
            kind="model",
            summary="all people of an image as groups of keypoint queries, without boxes or suppression",
            tags=("pose", "end-to-end", "multi-person", "regression", "deformable", "transformer", "multi-scale"),
            build="network:GroupPose",
            config="config:GroupPoseConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="pictures:preprocess",
            predict="pictures:predict",
            picture="pictures:picture",
            train="training:train",
            convert="conversion:convert",
            presets={
                "r50": {},
                "swin-t": {"backbone": "swin-t", "channels": [192, 384, 768]},
                "swin-l": _SWIN_L,
                "swin-l-crowdpose": {**_SWIN_L, "skeleton": "crowdpose"},
                "rendered": {
                    "backbone": "small-resnet",
                    "channels": [20, 40, 80],
                    "norm_groups": 8,
                    "num_queries": 10,
                    "dim": 40,
                    "num_levels": 3,
                    "encoder_layers": 1,
                    "decoder_layers": 2,
                    "encoder_points": 2,
                    "decoder_points": 2,
                    "hidden_dim": 80,
                    "side": 128,
                    "longest": 224,
                },
                "tiny": {
                    "backbone": "convolutions",
                    "channels": [16, 24],
                    "norm_groups": 8,
                    "skeleton": "crowdpose",
                    "num_queries": 6,
                    "dim": 32,
                    "num_heads": 4,
                    "num_levels": 3,
                    "encoder_layers": 1,
                    "decoder_layers": 2,
                    "encoder_points": 2,
                    "decoder_points": 2,
                    "hidden_dim": 48,
                    "side": 64,
                    "longest": 96,
                },
            },
            weights={
                "rendered": Weights(
                    "package://zoo_pose/weights/group-pose-rendered.safetensors",
                    sha256="5c5208252653f70a2ee60bf836979ddcae61b25226e1f90a52bad1430c03e958",
                    size=957_168,
                    license="Apache-2.0",
                    metric=(
                        "30.5% of everybody's joints within a tenth of the box, COCO's AP 0.1, in pictures of one to "
                        "three rendered people of held-out motions before held-out photographs; the mean pose in the "
                        "true boxes 20.0% and 0.0"
                    ),
                    command="zoo train group-pose/rendered",
                    note=(
                        "Trained for 3000 steps on 1000 rendered people, not on real ones: the body of the package "
                        "anny (Apache-2.0, its data CC0) in eleven captured motions of pybullet (zlib) before 27 "
                        "pictures of scikit-image, scikit-learn and Debian's opencv-doc, mate-backgrounds and "
                        "lomiri-wallpapers; from the trunk of poseur/rendered."
                    ),
                ),
            },
            claims=(
                Claim(
                    "finds rendered people without boxes, and their joints better than the mean pose in the true boxes",
                    figure="COCO: 72.0 to 74.8 AP",
                    check="claims:check_rendered_people",
                    slow=True,
                ),
                Claim(
                    "attention scores drop from (N (K + 1))^2 to N (K + 1)^2 + (K + 1) N^2",
                    figure="N = 100, K = 17: 3,240,000 to 212,400, 15x",
                    check="claims:check_scores",
                ),
                Claim(
                    "queries of different types and instances do not interact in one step of the group attentions",
                    figure="exactly zero influence",
                    check="claims:check_groups",
                ),
                Claim(
                    "instances are a set",
                    figure="permuting them permutes a decoder layer's output",
                    check="claims:check_set_of_instances",
                ),
                Claim(
                    "parameters with ResNet-50",
                    figure="49,318,396 by the authors' code",
                    check="claims:check_parameters",
                ),
                Claim(
                    "COCO val2017 AP",
                    figure="ResNet-50 72.0 (ED-Pose 71.6, PETR 68.8), Swin-T 73.6, Swin-L 74.8",
                    needs="COCO and the published weights",
                ),
                Claim(
                    "COCO test-dev AP; CrowdPose test AP",
                    figure="ResNet-50 70.2, Swin-T 72.1, Swin-L 72.8; Swin-L 74.1 (ED-Pose 73.1)",
                    needs="COCO's test server, CrowdPose, and the published weights",
                ),
            ),
        ),
    ),
)
