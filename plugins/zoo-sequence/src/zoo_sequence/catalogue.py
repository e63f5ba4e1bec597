"""What this plugin offers: facts only, light to import."""

from __future__ import annotations

from collections.abc import Iterator

from zoo import Claim, Entry, Paper, Weights, hookimpl  # noqa: F401 (until a paper with weights is here)

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


@hookimpl
def zoo_papers() -> Iterator[Paper]:
    """The papers of this plugin, in alphabetical order of id."""
    yield PAVLOVIAN_ATTENTION
