"""The facts of Poseur."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_LARGE = {"height": 384, "width": 288}


def _trunk(backbone: str, channels: list[int], **options: object) -> dict[str, object]:
    """Another trunk than ResNet-50."""
    return {"backbone": backbone, "channels": channels, **options}


PAPER = Paper(
    id="poseur",
    title="Poseur: Direct Human Pose Regression with Transformers",
    arxiv="2201.07412",
    year=2022,
    code=__package__,
    license="LicenseRef-academic-non-commercial",
    repo="aim-uofa/Poseur",
    commit="3e61e86",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The paper's encoder layers are dropped in every released config: the memory is features and positions alone.",
        "The bias of values arrives whole even where every sample fell outside the map; as in the code.",
        "The heatmap loss that the code has, and has off, is left out.",
    ),
    ours=(
        "The preset `rendered` and its training on rendered people before photographs: a parametric "
        "body of the package anny, moved by captured motions; COCO does not travel with packages.",
        "Of the trunks the specification gives the channels alone; they are built as their own papers have them, and "
        "all but ResNet's and HRNet's tensors have names of ours. Maps of any trunk are also taken as `features`.",
        "The deconvolutions behind ViT have batch norm and ReLU, and give their maps the finest first; what the "
        "authors do there was not specified.",
        "The first guess is detached in training, as the authors do; in eval mode gradients go through it as well.",
        "Which references get noise, by a permutation for the batch.",
        "The published checkpoints (MMPose pickles) were not opened here, and their licence is non-commercial. Save "
        "one as safetensors under its own names, then `zoo.load('poseur/resnet50', weights=PATH)` renames them.",
    ),
    entries=(
        Entry(
            id="poseur",
            kind="model",
            summary="keypoints of a person in a crop, as queries that sample a feature pyramid where joints may be",
            tags=("pose", "top-down", "regression", "deformable", "transformer", "multi-scale"),
            build="network:Poseur",
            config="config:PoseurConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="pictures:picture",
            train="training:train",
            convert="conversion:convert",
            presets={
                "resnet50": {},
                "mobilenetv2": _trunk("mobilenetv2", [24, 32, 96, 1280]),
                "mobilenetv2-12": _trunk("mobilenetv2", [24, 32, 96, 1280], num_layers=12),
                "hrnet-w32": _trunk("hrnet-w32", [32, 64, 128, 256]),
                "hrnet-w48": _trunk("hrnet-w48", [48, 96, 192, 384], **_LARGE),
                "hrformer-tiny": _trunk("hrformer-tiny", [18, 36, 72, 144], num_layers=3),
                "hrformer-small": _trunk("hrformer-small", [32, 64, 128, 256], num_layers=3),
                "hrformer-big": _trunk("hrformer-big", [78, 156, 312, 624]),
                "hrformer-big-384": _trunk("hrformer-big", [78, 156, 312, 624], **_LARGE),
                "vit-base": _trunk("vit-base", [768], neck="deconvolution"),
                "resnet50-wholebody": {"num_joints": 133},
                "rendered": {
                    "backbone": "small-resnet",
                    "channels": [20, 40, 80],
                    "norm_groups": 8,
                    "dim": 40,
                    "num_layers": 2,
                    "num_heads": 4,
                    "num_points": 4,
                    "hidden_dim": 80,
                    "flow_hidden": 16,
                    "noise_groups": 1,
                    "dropout": 0.0,
                    "height": 96,
                    "width": 72,
                },
                "tiny": {
                    "backbone": "convolutions",
                    "channels": [12, 16],
                    "norm_groups": 4,
                    "dim": 16,
                    "num_layers": 2,
                    "num_points": 2,
                    "hidden_dim": 24,
                    "height": 32,
                    "width": 24,
                },
            },
            weights={
                "rendered": Weights(
                    "package://zoo_pose/weights/poseur-rendered.safetensors",
                    sha256="ce6634fb00fa503fa306920e0da3244ac4a7a581b1a3bddded4ab87eb3dfd3f2",
                    size=865_664,
                    license="Apache-2.0",
                    metric=(
                        "47.0% of joints within a tenth of the box, COCO's AP 0.3, on rendered people of held-out "
                        "motions before held-out photographs; the mean pose in the true box 19.6% and 0.0"
                    ),
                    command="zoo train poseur/rendered",
                    note=(
                        "Trained for 4000 steps on 1000 rendered people, not on real ones: the body of the package "
                        "anny (Apache-2.0, its data CC0) in eleven captured motions of pybullet (zlib) before 27 "
                        "pictures of scikit-image, scikit-learn and Debian's opencv-doc, mate-backgrounds and "
                        "lomiri-wallpapers."
                    ),
                ),
            },
            claims=(
                Claim(
                    "finds joints of rendered people, and better than the mean pose in the true box",
                    figure="COCO: 71.9 to 79.6 AP with large trunks",
                    check="claims:check_rendered_people",
                    slow=True,
                ),
                Claim(
                    "projecting values after sampling equals projecting before, except for the bias outside the map",
                    figure="the same output; at 256x192 240x fewer multiplications (17 C^2 against 4080 C^2)",
                    check="claims:check_projecting_after_sampling",
                ),
                Claim(
                    "groups of noisy queries do not interact: extra groups change nothing for the first",
                    figure="exact",
                    check="claims:check_groups_do_not_interact",
                ),
                Claim(
                    "the residual log-likelihood's density integrates to 1",
                    figure="1 within 1e-2",
                    check="claims:check_density",
                ),
                Claim("parameters with ResNet-50", figure="33.1M", check="claims:check_parameters"),
                Claim(
                    "COCO val AP",
                    figure=(
                        "MobileNetV2 71.9, ResNet-50 75.5, HRNet-W32 76.8, HRNet-W48 384x288 78.7, HRFormer-T 74.2, "
                        "-S 76.6, -B 78.9, -B 384x288 79.6, ViT-B 76.7"
                    ),
                    needs="COCO and the published weights",
                ),
                Claim(
                    "COCO-WholeBody AP",
                    figure="ResNet-50 58.7, HRNet-W32 62.0, HRNet-W48 63.3",
                    needs="COCO-WholeBody and the published weights",
                ),
            ),
        ),
    ),
)
