"""What this plugin offers: facts only, light to import."""

from __future__ import annotations

from collections.abc import Iterator

from zoo import Claim, Entry, Paper, Weights, hookimpl  # noqa: F401 (until a paper with weights is here)


def _moba_scaling(layers: int, hidden_dim: int) -> dict[str, object]:
    return {
        "num_layers": layers,
        "num_heads": layers,
        "dim": 128 * layers,
        "hidden_dim": hidden_dim,
        "max_length": 8192,
    }


MOBA = Paper(
    id="moba",
    title="MoBA: Mixture of Block Attention for Long-Context LLMs",
    arxiv="2502.13189",
    year=2025,
    license="MIT",
    repo="MoonshotAI/MoBA",
    commit="61e456b",
    fidelity="reference",
    replay="zoo_sequence.moba:replay",
    differences=(
        "The paper's equation leaves out the softmax scale; the code has D^-0.5 there and none in the gate.",
        "The paper assumes that the length is a multiple of the block size; the code allows a short last block.",
        "The paper quotes a sparsity of 81.25% and of 75% in one paragraph: bounds that count different blocks.",
    ),
    ours=(
        "Feed-forward widths, vocabulary and rotary base of the scaling presets are not published; the widths are "
        "int(8/3 width) rounded up to a multiple of 256 and reproduce every published size.",
        "Hidden tokens are taken out before blocks are counted, so that padding on either side is harmless.",
        "No checkpoint is published; any Llama checkpoint loads unchanged, but without continued training MoBA is no "
        "substitute for its full attention.",
    ),
    entries=(
        Entry(
            id="moba",
            kind="attention",
            summary="every query reads its own block and the few past blocks it matches best",
            tags=(
                "self",
                "single-level",
                "local",
                "single",
                "scaled-dot",
                "softmax",
                "transformer",
                "causal",
                "sparse",
            ),
            build="zoo_sequence.moba:MoBA",
            config="zoo_sequence.moba:MoBAConfig",
            example="zoo_sequence.moba:example",
            functional="zoo_sequence.moba:functional",
            presets={"tiny": {"dim": 32, "num_heads": 4, "num_kv_heads": 2, "block_size": 4, "topk": 2}},
        ),
        Entry(
            id="moba-lm",
            kind="model",
            summary="Llama-shaped language model whose layers are MoBA, full or any drop-in attention",
            tags=("language-model", "transformer", "causal", "sparse", "self"),
            build="zoo_sequence.moba:MoBALanguageModel",
            config="zoo_sequence.moba:MoBALanguageModelConfig",
            example="zoo_sequence.moba:language_model_example",
            presets={
                "tiny": {
                    "num_layers": 2,
                    "num_heads": 4,
                    "num_kv_heads": 2,
                    "dim": 32,
                    "hidden_dim": 48,
                    "vocab_size": 97,
                    "block_size": 4,
                    "topk": 2,
                    "max_length": 64,
                },
                "545m": _moba_scaling(14, 4864),
                "822m": _moba_scaling(16, 5632),
                "1.1b": _moba_scaling(18, 6144),
                "1.5b": _moba_scaling(20, 6912),
                "2.1b": _moba_scaling(22, 7680),
                "hybrid-1.5b": {**_moba_scaling(20, 6912), "block_size": 2048, "max_length": 32768},
                "llama-8b-1m": {
                    "num_layers": 32,
                    "num_heads": 32,
                    "num_kv_heads": 8,
                    "dim": 4096,
                    "hidden_dim": 14336,
                    "block_size": 4096,
                    "topk": 12,
                    "rope_theta": 500_000.0,
                    "max_length": 1_048_576,
                    "full_attention_last_layers": 3,
                },
            },
        ),
    ),
)


PAVLOVIAN_ATTENTION = Paper(
    id="pavlovian-attention",
    title="Understanding Transformers through the Lens of Pavlovian Conditioning",
    arxiv="2508.08289",
    year=2025,
    fidelity="paper",
    replay="zoo_sequence.pavlovian_attention:replay",
    ours=(
        "The list of rules (Hebb, decay, Oja, delta, BCM) is a concrete reading of a qualitative discussion.",
        "Constants of capacity and error propagation were derived from the theory, not copied from the text.",
        "The entries beyond the layer: the language model, the memory kit and the conditioning protocols.",
    ),
    entries=(
        Entry(
            id="pavlovian-attention",
            kind="attention",
            summary="linear attention as conditioning, with Hebb, decay, Oja, delta or BCM plasticity",
            tags=("self", "single-level", "soft", "single", "linear", "causal", "recurrent"),
            build="zoo_sequence.pavlovian_attention:PavlovianAttention",
            config="zoo_sequence.pavlovian_attention:PavlovianConfig",
            example="zoo_sequence.pavlovian_attention:example",
            presets={"tiny": {"dim": 16, "num_heads": 2}, "delta": {"rule": "delta"}},
            claims=(
                Claim(
                    "linear attention without normalisation is Hebbian storage followed by retrieval",
                    figure="difference < 1e-5",
                    check="zoo_sequence.pavlovian_attention:check_hebbian_identity",
                ),
                Claim(
                    "redundant heads suppress independent errors exponentially",
                    figure="majority of H heads errs at most exp(-2H(1/2-e)^2)",
                    check="zoo_sequence.pavlovian_attention:check_redundant_heads",
                ),
            ),
        ),
        Entry(
            id="pavlovian-attention-lm",
            kind="model",
            summary="language model whose attention layers are conditioning experiments",
            tags=("self", "causal", "linear", "language-model", "transformer"),
            build="zoo_sequence.pavlovian_attention:PavlovianLanguageModel",
            config="zoo_sequence.pavlovian_attention:PavlovianLanguageModelConfig",
            example="zoo_sequence.pavlovian_attention:language_model_example",
            train="zoo_sequence.pavlovian_attention:train",
            presets={
                "tiny": {},
                "small": {"num_layers": 6, "dim": 384, "num_heads": 6},
            },
        ),
        Entry(
            id="pavlovian-attention-memory",
            kind="model",
            summary="associative memory of one head: write, read, and the theory of its capacity",
            tags=("memory-network", "linear", "theory"),
            build="zoo_sequence.pavlovian_attention:AssociativeMemory",
            config="zoo_sequence.pavlovian_attention:MemoryConfig",
            example="zoo_sequence.pavlovian_attention:memory_example",
            claims=(
                Claim(
                    "average-case capacity O(d_k): mean squared retrieval error (n-1)/d_k",
                    figure="ratio 1.00 within 3% for n >= 8, within 10% for n = 4",
                    check="zoo_sequence.pavlovian_attention:check_average_capacity",
                ),
                Claim(
                    "worst-case capacity O(sqrt d_k): interference can add up coherently",
                    figure="4.4, 7.6, 15.8, 31.2 for d_k = 64, 256, 1024, 4096; exponent 0.4 to 0.6",
                    check="zoo_sequence.pavlovian_attention:check_worst_case_capacity",
                ),
            ),
        ),
        Entry(
            id="pavlovian-attention-conditioning",
            kind="benchmark",
            summary="acquisition, extinction, blocking, overshadowing and recall as a benchmark of memories",
            tags=("theory", "memory-network"),
            build="zoo_sequence.pavlovian_attention:Conditioning",
            config="zoo_sequence.pavlovian_attention:ConditioningConfig",
            example="zoo_sequence.pavlovian_attention:conditioning_example",
            claims=(
                Claim(
                    "a delta rule stores up to d_k associations exactly and shows blocking; the Hebb rule does not",
                    figure="error < 1e-6; blocked cue 0.006 (delta) against 4.0 (Hebb)",
                    check="zoo_sequence.pavlovian_attention:check_blocking",
                ),
            ),
        ),
    ),
)


SOFTMAX_LIMITS = Paper(
    id="softmax-limits",
    title="Limitations of Normalization in Attention Mechanism",
    arxiv="2508.17821",
    year=2025,
    fidelity="paper",
    replay="zoo_sequence.softmax_limits:replay",
    differences=(
        "The stated gradient bound 1/(4T) holds for the entries of the Jacobian; its spectral norm can reach 1/(2T).",
        "The distance is defined as the norm of a sum in one place and as a sum of norms in another: both are offered.",
    ),
    ours=(
        "The triangle bound and the random-set identity replace theorems whose constants were not available.",
        "The library of alternative normalisers.",
    ),
    entries=(
        Entry(
            id="softmax-limits",
            kind="probe",
            summary="how many tokens a head can select before selected and rest become indistinguishable",
            tags=("theory", "softmax", "interpretability", "normalisation"),
            build="zoo_sequence.softmax_limits:SoftmaxLimits",
            config="zoo_sequence.softmax_limits:SoftmaxLimitsConfig",
            example="zoo_sequence.softmax_limits:example",
            requires=("transformers",),
            claims=(
                Claim(
                    "vanishing attention: bounded logits give weights between C1/L and C2/L",
                    figure="exp(-2 Delta/T)/L <= alpha <= exp(2 Delta/T)/L on every row",
                    check="zoo_sequence.softmax_limits:check_vanishing_attention",
                ),
                Claim(
                    "the softmax gradient is of order 1/T",
                    figure="entries <= 1/(4T), spectral norm <= 1/(2T), attained by two equal tokens",
                    check="zoo_sequence.softmax_limits:check_gradient_bounds",
                ),
                Claim(
                    "distance collapse: with N proportional to L selected and rest come closer",
                    figure="0.26, 0.14, 0.070, 0.051 for L = 32, 128, 512, 1024 (random unit vectors)",
                    check="zoo_sequence.softmax_limits:check_distance_collapse",
                ),
                Claim(
                    "geometric separability of random unit vectors falls with the length",
                    figure="0.97, 0.58, 0.28, 0.20 for L = 32, 128, 512, 1024",
                    check="zoo_sequence.softmax_limits:check_separability",
                ),
                Claim(
                    "geometric separability saturates on a trained model",
                    figure="0.70 to 0.85 on pre-trained GPT-2",
                    needs="the pre-trained GPT-2",
                ),
                Claim(
                    "the gradient norm grows like 1/T at low temperature",
                    figure="log-log slope about -1 for T in 1..0.1 on logits with near ties",
                    check="zoo_sequence.softmax_limits:check_low_temperature_gradient",
                ),
            ),
        ),
    ),
)


@hookimpl
def zoo_papers() -> Iterator[Paper]:
    """The papers of this plugin, in alphabetical order of id."""
    yield MOBA
    yield PAVLOVIAN_ATTENTION
    yield SOFTMAX_LIMITS
