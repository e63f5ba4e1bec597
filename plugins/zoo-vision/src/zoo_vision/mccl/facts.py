"""The facts of MCCL."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TAGS = ("vision", "co-saliency", "segmentation")

PAPER = Paper(
    id="mccl",
    title="Memory-aided Contrastive Consensus Learning for Co-salient Object Detection",
    arxiv="2302.14485",
    year=2023,
    code=__package__,
    license="MIT",
    repo="ZhengPeng7/MCCL",
    commit="40ad44c1abdc",
    fidelity="reference",
    replay="conversion:replay",
    entries=(
        Entry(
            id="mccl",
            kind="model",
            summary="finds what the images of a group have in common, by a consensus over all their positions",
            tags=(*_TAGS, "dense-prediction", "co-attention", "scaled-dot", "softmax"),
            build="network:MCCL",
            config="config:MCCLConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="prediction:preprocess",
            predict="prediction:predict",
            picture="claims:picture",
            train="training:train",
            convert="conversion:convert",
            differences=(
                "Where a batch of the code holds two groups one after the other in training, groups are an axis here: "
                "(batch, n, 3, H, W), each with a consensus of its own; (n, 3, H, W) is one group.",
                "The code adds a triplet loss on slices of channels that stand for groups by an iteration over the "
                "wrong axis; it is left out, and the paper's memory is an entry of its own.",
            ),
            ours=(
                "Images below 29 pixels are padded by their last row and column inside, and cut again.",
                "Strides of the other backbones' maps: 1, 2, 4, 8 of VGG16 and 2, 4, 8, 16 of ResNet-50.",
                "The presets `stamps`, with its training on groups of cut-outs of one category beside one of another, "
                "and `tiny`.",
                "The published checkpoints (release v0.7 of the repository, and Google Drive) were never opened here: "
                "run `zoo convert FILE`, then `zoo.load('mccl', weights=PATH)`; names are the authors'.",
            ),
            presets={
                "pvt-v2-b2": {},
                "vgg16": {"backbone": "vgg16"},
                "vgg16-bn": {"backbone": "vgg16-bn"},
                "resnet50": {"backbone": "resnet50"},
                "stamps": {
                    "embed_dims": [12, 16, 24, 40],
                    "num_heads": [1, 2, 2, 4],
                    "depths": [1, 1, 1, 1],
                    "mlp_ratios": [4, 4, 4, 4],
                    "decoder_mid_channels": 16,
                    "image_size": 64,
                },
                "tiny": {
                    "embed_dims": [8, 12, 16, 24],
                    "num_heads": [1, 2, 2, 4],
                    "depths": [1, 1, 1, 1],
                    "mlp_ratios": [2, 2, 2, 2],
                    "decoder_mid_channels": 8,
                    "image_size": 64,
                },
            },
            weights={
                "stamps": Weights(
                    "package://zoo_vision/weights/mccl-stamps.safetensors",
                    sha256="1c1107abe2430b02a2946132051e2e536f9a4ec7566ec76fc2ee07df42a63aa0",
                    size=427_964,
                    license="Apache-2.0",
                    metric=(
                        "S-measure 0.564 and F-measure 0.402 on groups of cut-outs kept for tests; the mean mask 0.462 "
                        "and 0.243"
                    ),
                    command="zoo train mccl/stamps",
                    note=(
                        "Trained on groups of cut-outs of one category of Debian's tuxpaint-stamps-default (GPL-2) "
                        "pasted, each beside one of another, on 41 photographs (scikit-image, scikit-learn, and "
                        "Debian's opencv-doc, mate-backgrounds, lomiri-wallpapers). It finds what was pasted; which "
                        "of two things is common to the group it tells in pictures that were watched while the recipe "
                        "was chosen, and not in those kept for tests."
                    ),
                ),
            },
            claims=(
                Claim(
                    "lightweight",
                    figure="5.927e9 multiply-adds per 256 x 256 image; 27.04M parameters (103 MiB in float32)",
                    check="claims:check_size",
                    slow=True,
                ),
                Claim(
                    "the group matters: an image's map depends on the other images in its group",
                    figure="changing one image changes the maps of all others",
                    check="claims:check_group_matters",
                ),
                Claim(
                    "the group's order does not matter",
                    figure="permuting the images permutes the maps (1e-5)",
                    check="claims:check_order",
                ),
                Claim(
                    "a group of copies gives the map of a group of one",
                    figure="1e-5",
                    check="claims:check_copies",
                ),
                Claim(
                    "finds what a group has in common better than a fixed map",
                    figure="CoSal2015: S-measure 0.890",
                    check="claims:check_common_things",
                    slow=True,
                ),
                Claim(
                    "co-salient objects of CoCA, CoSOD3k and CoSal2015, about 150 images a second",
                    figure="S-measure 0.714, 0.858 to 0.860, 0.890; 7.6 ms a pair on an A100",
                    needs="these sets, the published weights and a GPU",
                ),
            ),
        ),
        Entry(
            id="mccl-consensus",
            aliases=("group-consensus-aggregation",),
            kind="model",
            summary="groups of maps (batch, n, channels, h, w), each times the vector that its group agrees on",
            tags=("vision", "co-attention", "layer", "scaled-dot", "softmax"),
            build="consensus:GroupConsensus",
            config="config:ConsensusConfig",
            example="consensus:example",
            paper_input="consensus:paper_input",
            picture="pictures:consensus",
            presets={"tiny": {"dim": 12}},
        ),
        Entry(
            id="mccl-memory",
            aliases=("memory-contrast",),
            kind="model",
            summary="a memory of consensus vectors, one a class, that pulls a group's consensus to its class",
            tags=("vision", "contrastive", "memory-network"),
            build="memory:MemoryContrast",
            config="config:MemoryConfig",
            example="memory:example",
            picture="pictures:memory",
            ours=(
                "Reconstructed from the paper: the public code holds no slots, momentum or update. The number of "
                "slots (DUTS's 291 classes), momentum 0.9 and temperature 0.1 are guesses.",
                "`update` is a call of its own, so that the loss changes nothing; a group whose class was never seen "
                "has loss 0.",
            ),
            presets={"tiny": {"dim": 8, "num_classes": 4}},
            claims=(
                Claim(
                    "memory contrast pulls a class's consensus towards its slot",
                    figure="loss falls when the query moves to its own slot",
                    check="claims:check_memory",
                ),
            ),
        ),
        Entry(
            id="mccl-adversary",
            aliases=("adversarial-integrity",),
            kind="model",
            summary="tells images multiplied by true masks from images multiplied by predicted maps",
            tags=("vision", "adversarial", "convolutional"),
            build="adversary:Discriminator",
            config="config:DiscriminatorConfig",
            example="adversary:example",
            picture="pictures:adversary",
            differences=(
                "The code multiplies images by logits; the paper means maps. `on='probabilities'` is the default of "
                "the losses, and `on='logits'` is the code's.",
                "The code's 0.8 for batch norm is its eps, not the momentum it was meant to be; so it is here.",
            ),
            presets={"tiny": {"image_size": 16}},
        ),
    ),
)
