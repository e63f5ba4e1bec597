"""The facts of ConvFormer."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

PAPER = Paper(
    id="convformer-pose",
    title=(
        "ConvFormer: Parameter Reduction in Transformer Models for 3D Human Pose Estimation by Leveraging Dynamic "
        "Multi-Headed Convolutional Attention"
    ),
    arxiv="2304.02147",
    year=2023,
    code=__package__,
    repo="AJDA1992/ConvFormer",
    commit="94c0738",
    fidelity="paper",
    ours=(
        "The output convolution of kernel 1 and the feed-forward ratio of 2 are not spelled out; they, and no other "
        "combination that was tried, give the paper's parameter counts at all five lengths. Its count for d = 64 "
        "(9.97M) does not fit: ours has 10.12M.",
        "The mixing weights sum to 1 by a softmax, and their dropout is applied to the mixture.",
        "The preset `motions` and its training on captured motions that travel with a package; Human3.6M does not.",
    ),
    entries=(
        Entry(
            id="convformer-pose",
            kind="model",
            summary="lifts the middle of a window of poses to 3D; queries, keys and values are mixed convolutions",
            tags=("pose", "lifting", "video", "convolutional", "transformer", "self"),
            build="network:ConvFormer",
            config="config:ConvFormerConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="claims:picture",
            train="training:train",
            presets={
                "9": {"num_frames": 9},
                "27": {"num_frames": 27},
                "81": {"num_frames": 81},
                "143": {"num_frames": 143},
                "243": {"num_frames": 243},
                "motions": {
                    "num_frames": 9,
                    "dim": 12,
                    "num_heads": 4,
                    "temporal_depth": 1,
                    "mixing_dropout": 0.0,
                    "drop_path": 0.0,
                },
                "tiny": {
                    "num_frames": 9,
                    "dim": 8,
                    "num_heads": 4,
                    "spatial_depth": 1,
                    "temporal_depth": 1,
                    "kernels": [3, 5],
                },
            },
            weights={
                "motions": Weights(
                    "package://zoo_pose/weights/convformer-pose-motions.safetensors",
                    sha256="881563298bcbf44b773d34bd7aadb7b0882d2b79d08ab9305036545cf593adfd",
                    size=833_952,
                    license="Apache-2.0",
                    metric="99.2 mm MPJPE on held-out motions; a linear map 168.1, an MLP 101.2",
                    command="zoo train convformer-pose/motions",
                    note=(
                        "Trained on eleven captured motions of the package pybullet (zlib licence) seen by random "
                        "cameras; four other motions are held out."
                    ),
                ),
            },
            claims=(
                Claim(
                    "lifts held-out motions better than a linear map and than a residual network of single frames",
                    figure="Human3.6M: 29.9 mm with true keypoints at 143 frames",
                    check="claims:check_held_out_motions",
                    slow=True,
                ),
                Claim(
                    "fewer parameters than earlier transformers at equal length",
                    figure=(
                        "9 frames 2.56M against 9.58M; 81 frames 3.43M against 9.60M; 243 frames 10.24M against 31.52M "
                        "at 351 frames (65% less; 143 frames 83% less)"
                    ),
                    check="claims:check_fewer_parameters",
                ),
                Claim(
                    "the temporal joints profile mixes all frames at once, joint features only locally",
                    figure="every frame, feature positions from -3 to +3 for a kernel of 7",
                    check="claims:check_receptive_field",
                ),
                Claim(
                    "the dynamic scales reduce to one convolution",
                    figure="equal where one kernel has all the weight",
                    check="claims:check_one_kernel",
                ),
                Claim(
                    "dynamic convolutional attention beats linear attention in the same network",
                    figure="one filter -2.0 mm, mixing another -1.1 mm",
                    needs="Human3.6M; the baseline is qkv=linear",
                ),
                Claim(
                    "more heads help at 9 frames",
                    figure="1, 2, 4, 8 heads: 52.3, 51.0, 49.6, 49.4 mm",
                    needs="Human3.6M",
                ),
                Claim(
                    "Human3.6M, CPN's detections: MPJPE at 9, 27, 81, 143, 243 frames",
                    figure="49.4, 47.7, 45.0, 43.7, 43.2 mm; P-MPJPE 34.2 mm and MPJVE 2.1 mm at 243",
                    needs="Human3.6M",
                ),
                Claim(
                    "MPI-INF-3DHP, 9 frames",
                    figure="PCK 96.4, AUC 69.8, MPJPE 53.6 mm",
                    needs="MPI-INF-3DHP",
                ),
            ),
        ),
    ),
)
