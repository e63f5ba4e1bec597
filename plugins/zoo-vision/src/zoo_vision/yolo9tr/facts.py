"""The facts of YOLO9tr."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_SMALL = {
    "stem_channels": [8, 12],
    "block_channels": [12, 16, 24, 32, 24, 16, 24, 32, 24, 16],
    "split_channels": [12, 16, 24, 32, 24, 16, 24, 32, 24, 16],
    "inner_channels": [8, 8, 12, 16, 12, 8, 12, 16, 12, 8],
    "bottlenecks": [1] * 9,
    "down_channels": [16, 24, 32, 16, 24],
    "pool_channels": [32, 32],
    "pool_inner": [16, 16],
    "reg_max": 8,
    "box_branch": 24,
    "class_branch": 16,
}

PAPER = Paper(
    id="yolo9tr",
    title=(
        "YOLO9tr: A Lightweight Model for Pavement Damage Detection Utilizing a Generalized Efficient Layer "
        "Aggregation Network and Attention Mechanism"
    ),
    arxiv="2406.11254",
    year=2024,
    code=__package__,
    license="GPL-3.0-only",
    repo="Sompote/YOLO9tr",
    commit="efecce6c4b15",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "Of fewer than 64 attending channels the authors' rule gives no head and divides by zero; here it is one head.",
    ),
    entries=(
        Entry(
            id="yolo9tr",
            kind="model",
            summary="object detector: YOLOv9-s with three blocks of partial self-attention before its auxiliary head",
            tags=("vision", "detection", "dense-prediction", "convolutional", "self", "multi-scale", "softmax"),
            build="network:YOLO9tr",
            config="config:YOLO9trConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="claims:picture",
            train="training:train",
            convert="conversion:convert",
            differences=(
                "The paper presents the attention as part of the detector; in the authors' code it stands before the "
                "head that YOLOv9 calls auxiliary, and their validation reads the main one. `head` says which head "
                "`detect` and `zoo predict` read: `main` (the default) or `aux`, the one that attends.",
            ),
            ours=(
                "Sides that are no multiple of 32 are padded in grey inside; boxes are cut to the image.",
                "Each cell counts with its likeliest class, and suppression looks at the 3,000 surest cells.",
                "The presets `scenes` and `tiny`, and the training on cut-outs pasted on photographs, because no "
                "set of damaged pavements travels with packages. It has no mosaic, mixup or copy-paste.",
                "The published checkpoints are `models/detect/yolov9tr.pt` in the authors' repository (road damage; "
                "also behind a Google Drive link, and in the Space neng123/pavement_damage) and `yolov9-s.pt` of "
                "WongKinYiu/yolov9's release v0.1, from which they start; none was opened here. Both are pickled "
                "modules: where the authors' code is at hand, save `torch.load(FILE)['model'].float().state_dict()`, "
                "then `zoo.load('yolo9tr/road-damage', weights=PATH)`, or `yolo9tr/yolov9-s`.",
            ),
            presets={
                "coco": {},
                "road-damage": {"num_classes": 7},
                "yolov9-s": {"attention": False},
                "scenes": {**_SMALL, "num_classes": 1, "class_names": ["thing"], "image_size": 96},
                "tiny": {
                    "num_classes": 3,
                    "stem_channels": [8, 8],
                    "block_channels": [8, 8, 16, 16, 16, 8, 16, 16, 16, 8],
                    "split_channels": [8, 8, 16, 16, 16, 8, 16, 16, 16, 8],
                    "inner_channels": [8] * 10,
                    "bottlenecks": [1] * 9,
                    "down_channels": [8, 16, 16, 8, 8],
                    "pool_channels": [16, 16],
                    "pool_inner": [8, 8],
                    "reg_max": 4,
                    "box_branch": 16,
                    "class_branch": 8,
                    "image_size": 64,
                },
            },
            weights={
                "scenes": Weights(
                    "package://zoo_vision/weights/yolo9tr-scenes.safetensors",
                    sha256="2b33768a4743713eb8d7a018ee0d300a80f6f683de483aecbad720b243df730c",
                    size=833_144,
                    license="Apache-2.0",
                    metric="average precision 0.504 at overlap 0.5 on scenes of pictures kept for tests; fixed boxes "
                    "0.048",
                    command="zoo train yolo9tr/scenes",
                    note=(
                        "Trained on 103 cut-outs of Debian's tuxpaint-stamps-default (GPL-2) pasted on 41 photographs "
                        "(scikit-image, scikit-learn, and Debian's opencv-doc, mate-backgrounds, lomiri-wallpapers)."
                    ),
                ),
            },
            claims=(
                Claim(
                    "the three attention blocks are cheap",
                    figure="+454368 parameters on yolov9-s (+4.6%)",
                    check="claims:check_attention_is_cheap",
                    slow=True,
                ),
                Claim(
                    "the attention is auxiliary: it does not change the main outputs, which the validation reads",
                    figure="exact",
                    check="claims:check_attention_is_auxiliary",
                ),
                Claim(
                    "RepConv can be fused to one 3x3 without changing the output",
                    figure="max difference < 1e-4",
                    check="claims:check_fusion",
                    slow=True,
                ),
                Claim(
                    "detects what was pasted better than fixed boxes",
                    figure="no figure in the paper",
                    check="claims:check_finds_what_was_pasted",
                    slow=True,
                ),
                Claim("runs in real time", figure="up to 136 FPS", needs="the authors' GPU"),
                Claim(
                    "higher precision than YOLOv8s, YOLOv9s and YOLOv10s at similar size",
                    figure="ordering",
                    needs="the road-damage sets and the published weights",
                ),
            ),
        ),
        Entry(
            id="yolo9tr-partial-self-attention",
            aliases=("partial-self-attention",),
            kind="model",
            summary="a block for maps (batch, channels, H, W): half of the channels attend, the other half passes by",
            tags=("vision", "layer", "self", "single-level", "soft", "multi-representational", "scaled-dot", "softmax"),
            build="attention:PartialSelfAttention",
            config="config:PartialSelfAttentionConfig",
            example="attention:example",
            paper_input="attention:paper_input",
            picture="pictures:looks",
            differences=(
                "The design, which the paper calls a partial attention block, is that of YOLOv10's PSA.",
                "Batch norms have eps 1e-3 as in the built network; a bare block of the authors has PyTorch's 1e-5.",
            ),
            presets={
                "stride-8": {"dim": 128},
                "stride-16": {"dim": 192},
                "stride-32": {"dim": 256},
                "tiny": {"dim": 16},
            },
            claims=(
                Claim(
                    "partial: half of the channels bypass attention",
                    figure="the first half after cv1 reaches cv2 unchanged",
                    check="claims:check_partial",
                ),
                Claim(
                    "attention sees the whole map at strides 8, 16, 32",
                    figure="400 tokens at stride 32 and 640x640",
                    check="claims:check_sees_everything",
                    slow=True,
                ),
            ),
        ),
    ),
)
