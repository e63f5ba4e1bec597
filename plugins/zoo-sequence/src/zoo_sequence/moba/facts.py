"""The facts of MoBA: Mixture of Block Attention for Long-Context LLMs."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Traits, Weights

_CHARACTER_MODEL = {
    "vocab_size": 96,
    "dim": 64,
    "num_layers": 4,
    "num_kv_heads": None,
    "hidden_dim": 192,
    "max_length": 512,
    "block_size": 32,
    "topk": 3,
}

_TRAINED_ON = (
    "Trained from seed 0 on the sources of CPython 3.11.7's 168 top-level modules, nine in ten (sha256 of the text "
    "2e31e854ce7c5a39...). Other Python versions have other text, and then other weights and figures."
)

_SCALING_LAW_MODELS = {
    name: {
        "vocab_size": 128_256,
        "dim": 128 * heads,
        "num_layers": heads,
        "num_heads": heads,
        "num_kv_heads": None,
        "hidden_dim": hidden_dim,
        "max_length": length,
        "block_size": block_size,
        "topk": 3,
    }
    for name, heads, hidden_dim, block_size, length in (
        ("545m", 14, 4864, 512, 8_192),
        ("822m", 16, 5632, 512, 8_192),
        ("1.1b", 18, 6144, 512, 8_192),
        ("1.5b", 20, 6912, 512, 8_192),
        ("2.1b", 22, 7680, 512, 8_192),
        ("hybrid-1.5b", 20, 6912, 2_048, 32_768),
    )
}

PAPER = Paper(
    id="moba",
    title="MoBA: Mixture of Block Attention for Long-Context LLMs",
    arxiv="2502.13189",
    year=2025,
    code=__package__,
    repo="MoonshotAI/MoBA",
    commit="61e456b",
    license="MIT",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The paper's equation leaves out the softmax scale; the code scales attention by D^-0.5, the gate not.",
        "The paper assumes that the length divides into blocks; the code, and this entry, allow a short last block.",
        "The paper quotes both 81.25% and 75% sparsity for one setting: the first counts topk blocks, both are bounds.",
    ),
    ours=(
        "Padded tokens count as absent: blocks are formed of real tokens only, on whichever side the padding is.",
        "The window and sink gates, and the evaluation by tiles.",
    ),
    entries=(
        Entry(
            id="moba",
            kind="attention",
            summary="each query reads its own block and the best-matching earlier blocks; no N x N matrix",
            tags=("self", "single-level", "local", "single", "scaled-dot", "softmax", "sparse", "block", "causal"),
            traits=Traits(causal="always", time="n topk block_size + n^2 / block_size", memory="n", decoding="cache"),
            build="layer:MoBA",
            config="config:MoBAConfig",
            example="layer:example",
            functional="layer:functional",
            ours=(
                "Under autocast queries and keys are rounded before the gate compares them, in float32: blocks that "
                "match nearly alike may change places, as in any training in half precision.",
            ),
            presets={
                "tiny": {"num_kv_heads": 2, "block_size": 4, "topk": 2},
                "8k": {"dim": 1792, "num_heads": 14, "block_size": 512},
                "1m": {
                    "dim": 4096,
                    "num_heads": 32,
                    "num_kv_heads": 8,
                    "block_size": 4_096,
                    "topk": 12,
                    "rope_theta": 500_000.0,
                },
            },
            claims=(
                Claim(
                    "the chosen blocks hold what recency alone does not",
                    figure="RULER@128K 0.7818 against 0.7849 with full attention",
                    check="claims:check_retrieval",
                    slow=True,
                ),
                Claim(
                    "with topk at least the number of blocks it is causal full attention",
                    figure="max abs difference < 1e-5 in float32",
                    check="claims:check_full_attention",
                ),
                Claim(
                    "it is strictly causal",
                    figure="0 change up to t when tokens after t are replaced",
                    check="claims:check_causality",
                ),
                Claim(
                    "sparsity is 1 - block * topk / length",
                    figure="81.25% at 8192 and 95.31% at 32768 (512, 3); 95.31% at 1M and 62.5% at 128K (4096, 12)",
                    check="claims:check_sparsity",
                ),
                Claim(
                    "sub-quadratic: fewer score products than causal attention",
                    figure="up to 6.5x faster at 1M tokens, 16x at 10M (on GPUs)",
                    check="claims:check_products",
                ),
                Claim(
                    "and less time than dense attention, the more so the longer the sequence",
                    figure="up to 6.5x faster at 1M tokens, 16x at 10M; up to 40x over the naive form at 32k (on GPUs)",
                    check="claims:check_speed",
                    slow=True,
                ),
                Claim(
                    "no N x N tensor is formed, forward or backward",
                    figure="memory linear in length",
                    check="claims:check_no_square",
                ),
                Claim(
                    "sliding-window attention and attention sinks are special cases of the gate",
                    figure="equal outputs",
                    check="claims:check_patterns",
                ),
                Claim(
                    "the gate carries no gradient",
                    figure="gradients of attention with the choice taken as given",
                    check="claims:check_choice_has_no_gradient",
                ),
            ),
        ),
        Entry(
            id="moba-lm",
            kind="model",
            summary="Llama decoder with MoBA or full attention per layer, switchable; any causal drop-in layer by name",
            tags=("self", "sparse", "causal", "long-context", "language-model", "transformer"),
            build="language_model:MoBALanguageModel",
            config="config:MoBALanguageModelConfig",
            example="language_model:language_model_example",
            picture="pictures:blocks",
            preprocess="characters:preprocess",
            predict="characters:predict",
            train="training:train",
            convert="conversion:convert",
            ours=(
                "Vocabulary (128256), rotary base (10000) and multi-head attention of the scaling presets are not "
                "published.",
                "Their feed-forward widths are int(8/3 dim) rounded up to a multiple of 256: this gives every "
                "published size.",
                "No checkpoint is published. Any Llama checkpoint loads unchanged, but without continued training MoBA "
                "is no substitute for its full attention.",
                "The character models.",
            ),
            presets={
                "tiny": {},
                "char": _CHARACTER_MODEL,
                "char-full": {**_CHARACTER_MODEL, "attention": "full"},
                **_SCALING_LAW_MODELS,
                "llama-8b-1m": {
                    "vocab_size": 128_256,
                    "dim": 4_096,
                    "num_layers": 32,
                    "num_heads": 32,
                    "num_kv_heads": 8,
                    "hidden_dim": 14_336,
                    "max_length": 2**20,
                    "rope_theta": 500_000.0,
                    "block_size": 4_096,
                    "topk": 12,
                    "full_attention_last_layers": 3,
                },
            },
            weights={
                "char": Weights(
                    "package://zoo_sequence/weights/moba-lm-char.safetensors",
                    sha256="96b954f2f186a4296ab241b7fb129a81cec0fcc17792fb1732bf836b8da4c65c",
                    size=907_392,
                    license="Apache-2.0",
                    metric="1.980 bits per character on held-out modules; its twin with full attention 2.004",
                    command="zoo train moba-lm/char",
                    note=_TRAINED_ON,
                ),
                "char-full": Weights(
                    "package://zoo_sequence/weights/moba-lm-char-full.safetensors",
                    sha256="5d9b24a76626b146ce1ee439ca1b7b0afbf5be4b2dad49528b8fa268e32a2120",
                    size=907_392,
                    license="Apache-2.0",
                    metric="2.004 bits per character on held-out modules",
                    command="zoo train moba-lm/char-full",
                    note=_TRAINED_ON,
                ),
            },
            claims=(
                Claim(
                    "MoBA adds and removes no parameter",
                    figure="parameter ratio exactly 1",
                    check="claims:check_parameters",
                ),
                Claim(
                    "a MoBA model reaches the loss of the same model with full attention",
                    figure="2.625 against 2.622 in the fits at 8K (0.1%), 0.5B to 2.1B parameters",
                    check="claims:check_full_twin",
                    slow=True,
                ),
                Claim(
                    "loss scales with compute as full attention's does",
                    figure="loss(8K) = 2.625 C^-0.063 against 2.622 C^-0.063",
                    needs="pre-training of five models of 0.5B to 2.1B parameters",
                ),
                Claim(
                    "an 8B model with 1M tokens of context keeps its benchmark scores",
                    figure="MMLU 0.4903 against 0.4904, GSM8K 0.7278 against 0.7142, RULER@128K 0.7818 against 0.7849",
                    needs="continual pre-training of Llama 3.1 8B on 100B tokens; no checkpoint is published",
                ),
                Claim(
                    "finer blocks at equal sparsity are better",
                    figure="about 1e-2 in loss between 8 and 128 blocks of a 32K context",
                    needs="pre-training of a 1.5B model at 32K context",
                ),
            ),
        ),
    ),
)
