"""The facts of NiNformer."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TAGS = ("vision", "token-mixer", "gating", "attention-free", "mixer")

PAPER = Paper(
    id="ninformer",
    title="NiNformer: A Network in Network Transformer with Token Mixing Generated Gating Function",
    arxiv="2403.02411",
    year=2024,
    code=__package__,
    license="BSD-3-Clause",
    repo="Abdullah-88/NiNformer",
    commit="0ec85d46a82e",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The paper says that token mixing generates the gate; in the authors' code, followed here, a whole Mixer block "
        "does, with its token and channel parts and their shortcuts.",
    ),
    ours=("No weight file was seen in the authors' Hub repository (Abdullah-Nazhat/NiNformer).",),
    entries=(
        Entry(
            id="ninformer",
            kind="model",
            summary="image classifier whose blocks gate each token by an MLP-Mixer over all tokens",
            tags=(*_TAGS, "classification"),
            build="network:NiNformer",
            config="config:NiNformerConfig",
            example="network:example",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="pictures:gates",
            train="training:train",
            convert="conversion:convert",
            ours=(
                "The presets `tiny`, `digits` and `mixer`, and the training on handwritten digits.",
                "The baselines of the paper besides the Mixer (`block=mixer`) are not offered here.",
            ),
            presets={
                "cifar10": {},
                "cifar100": {"num_classes": 100},
                "mnist": {"image_size": 28, "in_channels": 1, "dataset": "MNIST"},
                "mixer": {"block": "mixer"},
                "digits": {"dim": 64, "hidden_dim": 64, "num_layers": 3, "dropout": 0.1, "dataset": "digits"},
                "tiny": {"image_size": 16, "dim": 16, "hidden_dim": 32, "num_layers": 2},
            },
            weights={
                "digits": Weights(
                    "package://zoo_vision/weights/ninformer-digits.safetensors",
                    sha256="7fc7948f37daa5ed49a310044e49d9a78f12b68588fea478c85bab6343d199a0",
                    size=375_272,
                    license="Apache-2.0",
                    metric="99.7% of 360 held-out handwritten digits; a linear model 94.72%",
                    command="zoo train ninformer/digits",
                    note="Trained on 1,437 of scikit-learn's 8 x 8 digits, enlarged to 32 x 32; 360 are held out.",
                ),
            },
            claims=(
                Claim(
                    "classifies better than ViT, MLP-Mixer and Local-ViT of its size",
                    figure="above all three on MNIST, CIFAR-10 and CIFAR-100",
                    needs="CIFAR-10, CIFAR-100 and a GPU",
                ),
                Claim(
                    "classifies digits better than a linear model",
                    figure="no figure in the paper",
                    check="claims:check_digits",
                    slow=True,
                ),
            ),
        ),
        Entry(
            id="ninformer-block",
            kind="model",
            summary="a stack of blocks on tokens (batch, tokens, dim) of a fixed number",
            tags=(*_TAGS, "layer"),
            build="block:NiNformerStack",
            config="config:NiNformerBlockConfig",
            example="block:example",
            picture="pictures:block",
            presets={"tiny": {"dim": 16, "hidden_dim": 24, "num_tokens": 9, "num_layers": 2}},
            claims=(
                Claim(
                    "the gate depends on the data, unlike MLP-Mixer's mixing",
                    figure="the response of a token to another changes with the input",
                    check="claims:check_gate_depends_on_data",
                    slow=True,
                ),
                Claim(
                    "no attention matrix",
                    figure="no tensor of tokens by tokens",
                    check="claims:check_no_attention_matrix",
                ),
                Claim(
                    "with the mixer forced to 1 the block is a linear map of each token with shortcuts",
                    figure="exact",
                    check="claims:check_open_gate",
                ),
                Claim(
                    "the weights fix the number of tokens",
                    figure="other lengths raise",
                    check="claims:check_fixed_tokens",
                ),
                Claim(
                    "learns products of a token with a function of another faster than a Mixer of equal width",
                    figure="ordering",
                    check="claims:check_products_of_tokens",
                    slow=True,
                ),
            ),
        ),
    ),
)
