"""The facts of concept-centric transformers."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TAGS = ("vision", "interpretability", "concepts", "slots", "distinctive", "softmax", "scaled-dot")

_CIFAR: dict[str, object] = {"num_classes": 20, "num_concepts": 100, "dim": 192, "backbone_heads": 3}
_CUB: dict[str, object] = {
    "num_classes": 200,
    "num_concepts": 13,
    "num_spatial_concepts": 95,
    "dim": 1024,
    "backbone_layers": 24,
    "backbone_heads": 16,
}
_IMAGENET: dict[str, object] = {
    "num_classes": 200,
    "num_concepts": 0,
    "num_spatial_concepts": 50,
    "dim": 384,
    "backbone_heads": 6,
}

PAPER = Paper(
    id="concept-centric-transformer",
    title="Concept-Centric Transformers: Enhancing Model Interpretability through Object-Centric Concept Learning "
    "within a Shared Global Workspace",
    arxiv="2305.15775",
    year=2024,
    code=__package__,
    license="Apache-2.0",
    repo="jyhong0304/concept_centric_transformers",
    commit="90a2875",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The authors' wrappers accept 12 heads and never pass them on: every published model reads concepts with 2.",
        "On the single class token slots have nothing to compete for: all receive the same update and differ by their "
        "starts only; `global_from=tokens` fills them from the patches instead.",
        "Learned positions are added to global slots; those of spatial slots exist and are never added.",
    ),
    ours=("A third, unsupervised stream is broken in the authors' code and absent here.", "No weights were published."),
    entries=(
        Entry(
            id="concept-centric-transformer",
            kind="model",
            summary="image classifier that decides by attention over a workspace of concept slots",
            tags=(*_TAGS, "classification"),
            build="network:ConceptTransformer",
            config="config:ConceptTransformerConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="claims:picture",
            train="training:train",
            convert="conversion:convert",
            ours=(
                "A preset leaves the memory open; the default is slot attention.",
                "Swin and ConvNeXt backbones are those of transformers, and the mean of their tokens stands for the "
                "class token.",
                "The presets `digits` and `tiny`, and the training on the parity of handwritten digits.",
            ),
            presets={
                "cifar100-superclass": _CIFAR,
                "cifar100-superclass-isa": {**_CIFAR, "memory": "isa"},
                "cifar100-superclass-qsa": {**_CIFAR, "memory": "qsa"},
                "cifar100-superclass-baseline": {**_CIFAR, "memory": "none"},
                "cub": _CUB,
                "cub-isa": {**_CUB, "memory": "isa"},
                "cub-qsa": {**_CUB, "memory": "qsa"},
                "cub-swin-l": {**_CUB, "backbone": "swin", "dim": 1536},
                "cub-convnext-l": {**_CUB, "backbone": "convnext", "dim": 1536},
                "imagenet": _IMAGENET,
                "imagenet-isa": {**_IMAGENET, "memory": "isa"},
                "imagenet-qsa": {**_IMAGENET, "memory": "qsa"},
                "digits": {
                    "num_classes": 2,
                    "class_names": ["even", "odd"],
                    "num_concepts": 10,
                    "memory": "isa",
                    "dim": 48,
                    "image_size": 32,
                    "patch_size": 8,
                    "backbone_layers": 3,
                    "backbone_heads": 4,
                    "dataset": "digits",
                },
                "tiny": {
                    "num_classes": 5,
                    "num_concepts": 4,
                    "num_spatial_concepts": 3,
                    "dim": 16,
                    "image_size": 32,
                    "backbone_layers": 1,
                    "backbone_heads": 2,
                },
            },
            weights={
                "digits": Weights(
                    "package://zoo_vision/weights/concept-centric-transformer-digits.safetensors",
                    sha256="cfd694e218c7b35e3c222643a5514615d0d8aa411ef4d1b44d0e481c83225fb3",
                    size=504_408,
                    license="Apache-2.0",
                    metric="parity of 97.8% of 360 held-out digits, a linear model 91.1%; attention names the digit in "
                    "89.4%, chance 10%",
                    command="zoo train concept-centric-transformer/digits",
                    note="Trained on 1,437 of scikit-learn's 8 x 8 digits, enlarged to 32 x 32; 360 are held out.",
                ),
            },
            claims=(
                Claim(
                    "attention over supervised concepts explains the decision",
                    figure="higher accuracy than ViT and the Concept Transformer on three sets",
                    check="claims:check_digits",
                    slow=True,
                ),
                Claim(
                    "accuracy on CIFAR-100 superclasses, CUB and ImageNet",
                    figure="above the backbone, the Concept Transformer and BotCL-like baselines",
                    needs="the data sets and pre-trained backbones",
                ),
            ),
        ),
        Entry(
            id="concept-centric-transformer-head",
            kind="model",
            summary="the head alone: class and patch tokens to logits and attention over concepts",
            tags=(*_TAGS, "layer"),
            build="head:ConceptHead",
            config="config:ConceptHeadConfig",
            example="head:example",
            picture="pictures:concepts",
            convert="conversion:convert",
            presets={
                "tiny": {"dim": 16, "num_classes": 5, "num_concepts": 4, "num_spatial_concepts": 3},
                "isa": {"memory": "isa"},
                "qsa": {"memory": "qsa"},
            },
            claims=(
                Claim(
                    "the prediction is a sum of what concepts say: logits are linear in attention for fixed concepts",
                    figure="A V + b to 1e-5",
                    check="claims:check_linear_in_attention",
                ),
                Claim(
                    "attention of every token is a distribution over concepts",
                    figure="sums to 1",
                    check="claims:check_distributions",
                ),
                Claim(
                    "explanation losses are 0 for matching attention and leave out targets with a NaN",
                    figure="0; unaffected",
                    check="claims:check_explanation_loss",
                ),
                Claim(
                    "isa and qsa are deterministic in eval mode, sa is not",
                    figure="two passes are equal; differ",
                    check="claims:check_determinism",
                ),
            ),
        ),
    ),
)
