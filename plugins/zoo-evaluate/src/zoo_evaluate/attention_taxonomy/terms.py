"""The survey's vocabulary: its fields, and the values of each."""

from __future__ import annotations

from collections.abc import Mapping

AXES: Mapping[str, tuple[str, ...]] = {
    "sequences": ("distinctive", "co-attention", "self"),
    "abstraction": ("single-level", "multi-level"),
    "positions": ("soft", "hard", "local"),
    "representations": ("single", "multi-representational", "multi-dimensional"),
}
FIELDS: Mapping[str, tuple[str, ...]] = {
    **AXES,
    "alignment": (
        "similarity",
        "dot",
        "scaled-dot",
        "general",
        "biased-general",
        "activated-general",
        "generalized-kernel",
        "concat",
        "additive",
        "deep",
        "location-based",
        "feature-based",
    ),
    "distribution": (
        "softmax",
        "sigmoid",
        "sparsemax",
        "entmax",
        "constrained-sparsemax",
        "argmax",
        "sampled",
        "bernoulli",
        "gaussian-window",
        "linear",
    ),
    "architecture": (
        "encoder-decoder",
        "transformer",
        "memory-network",
        "graph",
        "cnn",
        "rnn",
        "state-space",
        "token-mixer",
        "other",
    ),
    "application": (
        "language-model",
        "generation",
        "classification",
        "recommender",
        "vision",
        "multi-modal",
        "graph-systems",
        "healthcare",
        "other",
    ),
    "window": ("monotonic", "predictive", "fixed-window"),
    "co_attention_granularity": ("coarse-grained", "fine-grained"),
    "multi_level_direction": ("bottom-up", "top-down"),
    "interpretability_use": (
        "visualisation",
        "feature-importance",
        "erasure",
        "gradient-check",
        "counterfactual",
        "none",
    ),
    "explanation_status": ("claimed", "contested", "tested"),
    # Additions of the zoo, not of the survey.
    "complexity": ("linear-time", "subquadratic-time", "quadratic-time", "linear-memory", "quadratic-memory"),
    "inductive_bias": ("content", "position", "locality", "hierarchy", "gaze-prior"),
    "training": ("learned", "training-free", "probe"),
    "evidence": ("reference", "paper", "reconstruction"),
}
OURS = ("complexity", "inductive_bias", "training", "evidence")
LISTED = ("sequences", "positions", "alignment", "distribution", "application", "representations", "complexity")
