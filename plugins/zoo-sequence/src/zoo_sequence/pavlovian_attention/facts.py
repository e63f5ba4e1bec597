"""The facts of Understanding Transformers through the Lens of Pavlovian Conditioning."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Traits, Weights

PAPER = Paper(
    id="pavlovian-attention",
    title="Understanding Transformers through the Lens of Pavlovian Conditioning",
    arxiv="2508.08289",
    year=2025,
    code=__package__,
    fidelity="paper",
    replay="conversion:replay",
    ours=("The list of rules (Hebb, decay, Oja, delta, BCM) is a concrete reading of a qualitative discussion.",),
    entries=(
        Entry(
            id="pavlovian-attention",
            kind="attention",
            summary="linear attention as conditioning, with Hebb, decay, Oja, delta or BCM plasticity",
            tags=("self", "single-level", "soft", "single", "linear", "causal", "recurrent"),
            traits=Traits(
                causal="always", time="n", memory="n", decoding="state", parameters="a learning rate per head"
            ),
            build="layer:PavlovianAttention",
            config="config:PavlovianConfig",
            example="layer:example",
            presets={
                "tiny": {"dim": 32, "num_heads": 2},
                "small": {"dim": 384, "num_heads": 6},
                "delta": {"rule": "delta"},
            },
            claims=(
                Claim(
                    "linear attention without normalisation is Hebbian storage followed by retrieval",
                    figure="difference < 1e-5",
                    check="claims:check_hebbian_identity",
                ),
                Claim(
                    "redundant heads suppress independent errors exponentially",
                    figure="majority of H heads errs at most exp(-2H(1/2-e)^2)",
                    check="claims:check_redundant_heads",
                ),
            ),
        ),
        Entry(
            id="pavlovian-attention-lm",
            kind="model",
            aliases=("pavlovian-lm",),
            summary="language model whose attention layers are conditioning experiments",
            tags=("self", "causal", "linear", "language-model", "transformer"),
            build="language_model:PavlovianLanguageModel",
            config="config:PavlovianLanguageModelConfig",
            example="language_model:language_model_example",
            picture="pictures:language_model",
            train="training:train",
            ours=("The language model, and the recall that it is trained on.",),
            presets={
                "tiny": {},
                "small": {"num_layers": 6, "dim": 384, "num_heads": 6},
                "recall": {},
            },
            weights={
                "recall": Weights(
                    "package://zoo_sequence/weights/pavlovian-attention-lm-recall.safetensors",
                    sha256="828ae415a517cd70454f2e34b10b41da48d66555a222bcb787111f20d1d92300",
                    size=136288,
                    license="Apache-2.0",
                    metric="recalls 100%, 99%, 94%, 73%, 34% of 2, 4, 8, 16, 32 pairs; a head has d_k = 16",
                    command="zoo train pavlovian-attention-lm/recall",
                ),
            },
        ),
        Entry(
            id="pavlovian-attention-memory",
            kind="model",
            aliases=("associative-memory",),
            summary="associative memory of one head: write, read, and the theory of its capacity",
            tags=("memory-network", "linear", "theory"),
            build="memory:AssociativeMemory",
            config="config:MemoryConfig",
            example="memory:memory_example",
            picture="pictures:memory",
            ours=("The memory as an entry.",),
        ),
        Entry(
            id="pavlovian-attention-capacity",
            kind="benchmark",
            summary="how many associations a memory holds: error and recall against the number of pairs",
            tags=("theory", "memory-network", "retrieval"),
            build="storage:Capacity",
            config="config:CapacityConfig",
            example="storage:capacity_example",
            picture="pictures:capacity",
            ours=("Constants of capacity and error propagation were derived from the theory, not copied.",),
            claims=(
                Claim(
                    "average-case capacity O(d_k): mean squared retrieval error (n-1)/d_k",
                    figure="ratio 1.00 within 3% for n >= 8, within 10% for n = 4",
                    check="claims:check_average_capacity",
                    slow=True,
                ),
                Claim(
                    "worst-case capacity O(sqrt d_k): interference can add up coherently",
                    figure="4.4, 7.6, 15.8, 31.2 for d_k = 64, 256, 1024, 4096; exponent 0.4 to 0.6",
                    check="claims:check_worst_case_capacity",
                ),
            ),
        ),
        Entry(
            id="pavlovian-attention-conditioning",
            kind="benchmark",
            aliases=("conditioning",),
            summary="acquisition, extinction, blocking and overshadowing as a benchmark of memories",
            tags=("theory", "memory-network"),
            build="conditioning:Conditioning",
            config="config:ConditioningConfig",
            example="conditioning:conditioning_example",
            picture="pictures:conditioning",
            ours=("The protocols as a benchmark.",),
            claims=(
                Claim(
                    "a delta rule stores up to d_k associations exactly and shows blocking; the Hebb rule does not",
                    figure="error < 1e-6; blocked cue 0.006 (delta) against 4.0 (Hebb)",
                    check="claims:check_blocking",
                    slow=True,
                ),
            ),
        ),
    ),
)
