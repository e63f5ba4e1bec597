"""The facts of Efficient Attention: Attention with Linear Complexities."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Traits

_RESNET_50 = {"depths": [3, 4, 6, 3], "width": 64, "bottleneck": True, "small_stem": False, "key_channels": 64}

_SCALING = "The code has the softmax normalisation only; the paper also defines scaling (normalization=scaling)."
_BACKBONE = "The small residual network, and where modules go in it."

PAPER = Paper(
    id="efficient-attention",
    title="Efficient Attention: Attention with Linear Complexities",
    arxiv="1812.01243",
    year=2018,
    code=__package__,
    repo="cmsflash/efficient-attention",
    commit="46a5f9e",
    license="MIT",
    fidelity="reference",
    replay="conversion:replay",
    differences=("The code has heads, a reprojection and a residual; the paper's equation has one head and neither.",),
    entries=(
        Entry(
            id="efficient-attention",
            kind="attention",
            summary="softmax(Q) (softmax(K)' V): linear in the number of positions, for maps and sequences",
            tags=("self", "single-level", "soft", "single", "linear", "softmax", "cnn", "bidirectional"),
            traits=Traits(causal="never", time="n", memory="n", decoding="none"),
            build="layer:EfficientAttention",
            config="config:EfficientAttentionConfig",
            example="layer:example",
            functional="layer:functional",
            differences=(_SCALING,),
            ours=(
                "The residual is added to feature maps, as in the code, and not to sequences, whose host adds its own.",
                "Keys hidden by a padding mask leave the key softmax and the number of positions.",
            ),
            presets={
                "tiny": {"dim": 16, "key_channels": 8, "num_heads": 2},
                "256-64-64": {"dim": 256, "key_channels": 64, "value_channels": 64},
                "512-32-512": {"dim": 512, "key_channels": 32, "value_channels": 512},
            },
            claims=(
                Claim(
                    "with scaling normalisation it equals dot-product attention",
                    figure="max abs difference < 1e-5",
                    check="claims:check_scaling",
                ),
                Claim(
                    "with softmax normalisation every row of the implied matrix is a probability distribution",
                    figure="rows sum to 1 within 1e-5, no negative entry",
                    check="claims:check_distribution",
                ),
                Claim(
                    "compute O(d^2 n) and memory O(dn + d^2) instead of O(d n^2) and O(n^2)",
                    figure="2 n d_k d_v multiply-adds against n^2 (d_k + d_v); d_k n + d_k d_v numbers against n^2",
                    check="claims:check_complexity",
                ),
                Claim(
                    "time is linear in the number of positions",
                    figure="n = 4096: 0.5 ms against 0.37 s dense; n = 16384: 11 ms against 2.2 s; at least 20x",
                    check="claims:check_linear",
                    slow=True,
                ),
                Claim(
                    "in Mask R-CNN R-50 it raises box / mask AP",
                    figure="39.4 / 35.1 to 41.2 / 36.7",
                    needs="MS-COCO 2017 and detection training on several GPUs",
                ),
            ),
        ),
        Entry(
            id="efficient-attention-fpn",
            aliases=("ea-fpn",),
            kind="model",
            summary="feature pyramid over a ResNet, with efficient attention after res3, res4 and on every level",
            tags=("self", "linear", "cnn", "detection", "backbone"),
            build="networks:EfficientAttentionFPN",
            config="config:EfficientAttentionFPNConfig",
            example="networks:image_example",
            picture="pictures:fpn",
            differences=(_SCALING,),
            ours=(_BACKBONE, "The modules of the pyramid follow its output maps, the pooled one included."),
            presets={"tiny": {}, "50": {**_RESNET_50, "pyramid_channels": 256}},
        ),
        Entry(
            id="efficient-attention-resnet",
            aliases=("ea-resnet",),
            kind="model",
            summary="residual network with efficient attention after its second and third stage",
            tags=("self", "linear", "cnn", "classification", "backbone"),
            build="networks:build_resnet",
            config="config:EfficientAttentionResNetConfig",
            example="networks:image_example",
            picture="pictures:resnet",
            differences=(_SCALING,),
            ours=(_BACKBONE,),
            presets={"tiny": {}, "50": {**_RESNET_50, "num_classes": 1000}},
        ),
        Entry(
            id="efficient-attention-vit",
            kind="model",
            summary="vision transformer with efficient attention, or any other bidirectional drop-in layer by name",
            tags=("self", "linear", "transformer", "classification"),
            build="zoo.nn.vision_transformer:VisionTransformer",
            config="config:EfficientAttentionViTConfig",
            example="networks:vit_example",
            picture="pictures:vit",
            ours=("The vision transformer as a host.",),
            presets={
                "tiny": {},
                "small": {
                    "dim": 384,
                    "num_layers": 12,
                    "num_heads": 6,
                    "image_size": 224,
                    "patch_size": 16,
                    "num_classes": 1000,
                },
            },
        ),
    ),
)
