"""The survey's methods of discovery and benchmarks."""

from __future__ import annotations

METHODS: dict[str, dict[str, tuple[str, ...]]] = {
    "modeling-free": {
        "modification": ("direction addition", "direction subtraction"),
        "replacement": ("zero ablation", "mean ablation", "naive activation patching"),
    },
    "modeling-required": {
        "training-required": ("probing", "simplified model training"),
        "training-free": ("scoring", "information flow graph", "automatic circuit discovery"),
    },
}
BENCHMARKS: dict[str, tuple[str, ...]] = {
    "mechanism": (
        *("LRE", "ToyMovieReview", "ToyMoodStory", "FV-Capitalize", "ICL-MC", "Succession"),
        *("Iteration-Synthetic", "Omniglot", "IOI", "Colored Object", "World-Capital"),
    ),
    "common": (
        *("MMLU", "TruthfulQA", "LogiQA", "MQuAKE", "SST/SST2", "ETHOS", "Needle-in-a-Haystack", "AG News"),
        *("TriviaQA", "AGENDA"),
    ),
}
