"""A survey's classification of attention, as data: four axes, and the alignment and distribution of each model.

Source: "An Attentive Survey of Attention Models" (ACM TIST 2021), arXiv 1904.02874.

Generic attention: for a query q, keys k_1..k_n and values v_1..v_n, energies e_i = a(k_i, q), weights alpha = p(e) and
context c = sum alpha_i v_i. a is the alignment function, p the distribution function. The survey's axes:

1. sequences: distinctive (query from one sequence, keys from another), co-attention (several inputs attended jointly),
   self (one sequence).
2. abstraction: single-level, or multi-level (weights of one level feed the next: word, sentence, document).
3. positions: soft (weighted average of all), hard (sampled or argmax), local (a window or chosen part).
4. representations: single, multi-representational (several representations of one input weighted), multi-dimensional
   (a weight per feature).

A record states one value on each axis (or an explicit list where a model has several) and is validated: a missing axis
or an unknown value is an error with the nearest term. The catalogue's tags are these terms, so that any entry of kind
attention can be classified, filtered, tabulated and compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import zoo
from zoo import Measurement, catalogue, names
from zoo.errors import ConfigError, InputError

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


@dataclass(frozen=True)
class Record:
    """Where one model stands. A tuple of several values is an explicit "mixed"; defaults are never inferred."""

    id: str
    sequences: tuple[str, ...]
    abstraction: tuple[str, ...]
    positions: tuple[str, ...]
    representations: tuple[str, ...]
    alignment: tuple[str, ...] = ()
    distribution: tuple[str, ...] = ()
    architecture: tuple[str, ...] = ()
    application: tuple[str, ...] = ()
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: str = ""
    source: str = ""

    def value(self, name: str) -> tuple[str, ...]:
        """Values of a field."""
        found: tuple[str, ...] = self.others[name] if name in self.others else getattr(self, name, ())
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values; single ones are not wrapped in a list."""
        plain: dict[str, Any] = {"id": self.id}
        for name in FIELDS:
            values = self.value(name)
            if values:
                plain[name] = values[0] if len(values) == 1 else list(values)
        return plain | {key: text for key, text in (("notes", self.notes), ("source", self.source)) if text}


def record(id: str, **facts: str | Sequence[str]) -> Record:
    """A validated record.

    Args:
        id: the model's name.
        facts: fields of ``FIELDS`` (a value, or a list where ``LISTED``), ``notes`` and ``source``.

    Raises:
        InputError: a missing axis, an unknown field or value (with the nearest), a list where one value is due.
    """
    texts = {name: str(facts.pop(name, "")) for name in ("notes", "source")}
    values: dict[str, tuple[str, ...]] = {}
    _require_fields(*facts)
    for name, given in facts.items():
        listed = (given,) if isinstance(given, str) else tuple(given)
        for value in listed:
            if value not in FIELDS[name]:
                raise InputError(
                    f"{id}: {name}={value!r} is not one of {', '.join(FIELDS[name])}."
                    f"{names.suggestion(value, FIELDS[name])}"
                )
        if len(listed) != 1 and name not in LISTED:
            raise InputError(f"{id}: {name} takes exactly one value, not {list(listed)}")
        values[name] = listed
    missing = [axis for axis in AXES if not values.get(axis)]
    if missing:
        raise InputError(f"{id}: no value on the axis {', '.join(missing)}; every record states one on each")
    direct = {name: value for name, value in values.items() if name in Record.__dataclass_fields__}
    others = {name: value for name, value in values.items() if name not in Record.__dataclass_fields__}
    return Record(id, **direct, others=others, **texts)  # type: ignore[arg-type]


def from_dict(plain: Mapping[str, Any]) -> Record:
    """A validated record of ``Record.to_dict``."""
    facts = dict(plain)
    return record(facts.pop("id"), **facts)


def classify(offer: catalogue.Offer) -> Record:
    """The record of a catalogue entry, from its tags and its paper's fidelity.

    Raises:
        InputError: the tags miss an axis, or say two things where one is due.
    """
    tags = [names.fold(tag) for tag in offer.entry.tags]
    terms = {name: [term for term in known if term in tags] for name, known in FIELDS.items()}
    facts = {name: found for name, found in terms.items() if found} | {"evidence": [offer.paper.fidelity]}
    source = offer.paper.url or offer.paper.title
    return record(offer.entry.id, notes=offer.entry.summary, source=source, **facts)


def classified(kind: str = "attention") -> list[Record]:
    """Records of all catalogue entries of a kind."""
    return [classify(offer) for offer in catalogue.current().offers if offer.entry.kind == kind]


def _require_fields(*wanted: str) -> None:
    for name in wanted:
        if name not in FIELDS:
            raise InputError(f"no field {name!r}.{names.suggestion(name, FIELDS)}")


def filter_records(records: Iterable[Record], **wanted: str | Sequence[str]) -> list[Record]:
    """Records that have all wanted values (any of a list)."""
    _require_fields(*wanted)
    choices = {name: {value} if isinstance(value, str) else set(value) for name, value in wanted.items()}
    return [entry for entry in records if all(options & set(entry.value(name)) for name, options in choices.items())]


def table(records: Iterable[Record], rows: str, columns: str) -> dict[str, dict[str, int]]:
    """Cross-tabulation of two fields: row value -> column value -> number of records."""
    _require_fields(rows, columns)
    counts = {row: dict.fromkeys(FIELDS[columns], 0) for row in FIELDS[rows]}
    for entry in records:
        for row in entry.value(rows):
            for column in entry.value(columns):
                counts[row][column] += 1
    return counts


def nearest(wanted: Record, records: Iterable[Record], count: int = 5) -> list[tuple[Record, int]]:
    """Other records with the most equal fields, best first."""
    scored = [
        (other, sum(bool(set(wanted.value(name)) & set(other.value(name))) for name in FIELDS))
        for other in records
        if other.id != wanted.id
    ]
    return sorted(scored, key=lambda item: (-item[1], item[0].id))[:count]


def render(records: Iterable[Record], fields: Sequence[str] = (*AXES, "alignment")) -> str:
    """A Markdown table."""
    _require_fields(*fields)
    lines = ["| model | " + " | ".join(fields) + " |", "|" + "---|" * (len(fields) + 1)]
    lines += [
        f"| {entry.id} | " + " | ".join(", ".join(entry.value(name)) or "-" for name in fields) + " |"
        for entry in records
    ]
    return "\n".join(lines)


GUIDE = (
    "How many input sequences are there, and where do queries and keys come from? (sequences)",
    "Is attention computed on one level, or do weights of one level feed another? (abstraction)",
    "Which positions get weight: all, a window, or chosen ones? (positions)",
    "What is weighted: positions, features, or several representations of one input? (representations)",
)

EXAMPLES = (
    record(
        "bahdanau-2015",
        sequences="distinctive",
        abstraction="single-level",
        positions="soft",
        representations="single",
        alignment="additive",
        architecture="encoder-decoder",
        notes="translation",
    ),
    record(
        "xu-2015",
        sequences="distinctive",
        abstraction="single-level",
        positions=("hard", "soft"),
        representations="single",
        alignment="additive",
        architecture="encoder-decoder",
        notes="image captioning",
    ),
    record(
        "luong-2015",
        sequences="distinctive",
        abstraction="single-level",
        positions=("local", "soft"),
        representations="single",
        alignment=("dot", "general", "concat"),
        architecture="encoder-decoder",
        notes="translation",
    ),
    record(
        "yang-2016",
        sequences="self",
        abstraction="multi-level",
        positions="soft",
        representations="single",
        alignment="feature-based",
        multi_level_direction="bottom-up",
        notes="document classification with a learned context vector",
    ),
    record(
        "lu-2016",
        sequences="co-attention",
        abstraction="multi-level",
        positions="soft",
        representations="single",
        alignment="additive",
        notes="visual question answering",
    ),
    record(
        "vaswani-2017",
        sequences=("self", "distinctive"),
        abstraction="single-level",
        positions="soft",
        representations="single",
        alignment="scaled-dot",
        distribution="softmax",
        architecture="transformer",
        notes="heads are not the survey's multi-representational sense",
    ),
    record(
        "kiela-2018",
        sequences="self",
        abstraction="single-level",
        positions="soft",
        representations="multi-representational",
        alignment="feature-based",
        notes="dynamic meta-embeddings",
    ),
    record(
        "shen-2018",
        sequences="self",
        abstraction="single-level",
        positions="soft",
        representations="multi-dimensional",
        alignment="additive",
        notes="DiSAN",
    ),
    record(
        "velickovic-2018",
        sequences="self",
        abstraction="single-level",
        positions="local",
        representations="single",
        alignment=("additive", "concat"),
        architecture="graph",
        notes="attention over graph neighbours",
    ),
)


@dataclass
class TaxonomyConfig:
    """Config of the taxonomy: it has none."""


@dataclass(frozen=True)
class Term:
    """A node of the tree."""

    name: str
    children: tuple[Term, ...] = ()
    ours: bool = False

    def find(self, name: str) -> Term:
        """The node of a name below this one.

        Raises:
            InputError: there is none; with the nearest.
        """
        folded = names.fold(name)
        for node in self.walk():
            if names.fold(node.name) == folded:
                return node
        known = [node.name for node in self.walk()]
        raise InputError(f"no term {name!r}.{names.suggestion(name, known)}")

    def walk(self) -> Iterable[Term]:
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def render(self, depth: int = 0) -> str:
        """An indented Markdown list."""
        mark = " (the zoo's addition)" if self.ours else ""
        return "\n".join([f"{'  ' * depth}- {self.name}{mark}", *(child.render(depth + 1) for child in self.children)])

    __str__ = render


def taxonomy(config: TaxonomyConfig) -> Term:
    """The tree: fields, and the values of each."""
    fields = tuple(Term(name, tuple(Term(value) for value in values), name in OURS) for name, values in FIELDS.items())
    return Term("attention", fields)


# attention-core: alignment and distribution functions as parts of one attention


@dataclass
class AttentionCoreConfig:
    """Config of the generic attention."""

    alignment: str = zoo.field("scaled-dot", "a(k, q)", choices=FIELDS["alignment"])
    distribution: str = zoo.field("softmax", "p(e)", choices=FIELDS["distribution"])
    dim_q: int = zoo.field(16, "query features", unit="features", minimum=1)
    dim_k: int = zoo.field(16, "key features", unit="features", minimum=1)
    dim_v: int = zoo.field(16, "value features", unit="features", minimum=1)
    hidden: int | None = zoo.field(
        None, "width of concat, additive, deep, feature- and location-based; none: dim_k", unit="features", minimum=1
    )
    act: str = zoo.field("tanh", "activation act", choices=("tanh", "relu", "identity"))
    layers: int = zoo.field(2, "layers E of the deep alignment", minimum=1)
    window: int | None = zoo.field(None, "width D of the Gaussian window", unit="positions", minimum=1)
    bound: float = zoo.field(0.5, "largest weight of constrained-sparsemax", minimum=0.001, maximum=1.0)
    feature_wise: bool = zoo.field(False, "a weight per value feature (multi-dimensional)")

    def __post_init__(self) -> None:
        same = ("similarity", "dot", "scaled-dot", "generalized-kernel")
        if self.alignment in same and self.dim_q != self.dim_k:
            raise ConfigError(
                f"alignment {self.alignment!r} compares queries and keys: dim_q={self.dim_q} must equal "
                f"dim_k={self.dim_k}",
                field="dim_q",
            )
        if self.distribution == "gaussian-window" and self.window is None:
            raise ConfigError("the Gaussian window needs a width", field="window")
        wide = ("concat", "additive", "deep", "feature-based", "location-based")
        if self.feature_wise and self.alignment not in wide:
            raise ConfigError(
                f"feature_wise needs an alignment with a vector of scores: {', '.join(wide)}", field="feature_wise"
            )


def build_core(config: AttentionCoreConfig) -> Any:
    """The module (torch is imported here, not by the taxonomy)."""
    from zoo_evaluate.attention_core import AttentionCore

    return AttentionCore(config)


def core_example(config: AttentionCoreConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """Three queries and five keys."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    return {
        "query": torch.randn(batch_size, 3, config.dim_q, generator=generator),
        "key": torch.randn(batch_size, 5, config.dim_k, generator=generator),
        "value": torch.randn(batch_size, 5, config.dim_v, generator=generator),
    }


def check_catalogue() -> Measurement:
    """Classify every attention entry of the installed catalogue."""
    failures, count = [], 0
    for offer in catalogue.current().offers:
        if offer.entry.kind == "attention":
            count += 1
            try:
                classify(offer)
            except InputError as error:
                failures.append(str(error))
    return Measurement(
        f"{count - len(failures)} of {count} attention entries have a value on every axis",
        not failures,
        "; ".join(failures),
    )


def check_examples() -> Measurement:
    """Round trip of the worked examples through the validator."""
    kept = [from_dict(entry.to_dict()) == entry for entry in EXAMPLES]
    return Measurement(f"{sum(kept)} of {len(kept)} worked examples round-trip", all(kept))


def _core(alignment: str, dim: int = 2, **options: Any) -> Any:
    return build_core(AttentionCoreConfig(alignment, dim_q=dim, dim_k=dim, dim_v=dim, **options)).double()


def check_identities() -> Measurement:
    """Alignments that become one another."""
    import torch

    torch.manual_seed(0)
    query, key = torch.randn(2, 3, 6, dtype=torch.float64), torch.randn(2, 5, 6, dtype=torch.float64)
    parts: dict[str, Any] = {name: _core(name, 6, act="identity") for name in (
        "dot", "scaled-dot", "general", "biased-general", "activated-general")}  # fmt: skip
    general, biased, activated = (parts[name] for name in ("general", "biased-general", "activated-general"))
    differences = [
        float((parts["scaled-dot"].energies(query, key) - parts["dot"].energies(query, key) / 6**0.5).abs().max())
    ]
    with torch.no_grad():
        general.weight.copy_(torch.randn(6, 6))
        biased.weight.copy_(general.weight)
        biased.bias.zero_()
        differences.append(float((biased.energies(query, key) - general.energies(query, key)).abs().max()))
        biased.bias.copy_(torch.randn(6))
        activated.weight.copy_(biased.weight)
        activated.bias.copy_(biased.bias)
        differences.append(float((activated.energies(query, key) - biased.energies(query, key)).abs().max()))
        general.weight.copy_(torch.eye(6))
        differences.append(float((general.energies(query, key) - parts["dot"].energies(query, key)).abs().max()))
    return Measurement(f"largest difference {max(differences):.1e}", max(differences) < 1e-12)


def check_tiny_cases() -> Measurement:
    """Weights of q = (1, 0) over the keys (1, 0), (0, 1), (1, 1)."""
    import torch

    query = torch.tensor([[[1.0, 0.0]]], dtype=torch.float64)
    key = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]], dtype=torch.float64)
    expected = {
        "dot": (0.42232, 0.15536, 0.42232),
        "scaled-dot": (0.40111, 0.19778, 0.40111),
        "similarity": (0.47304, 0.17402, 0.35294),
        "additive": (0.20446, 0.35765, 0.43789),
    }
    worst = 0.0
    for name, figures in expected.items():
        core = _core(name)
        with torch.no_grad():
            if name == "additive":
                core.query_map.weight.copy_(torch.eye(2))
                core.key_map.weight.copy_(torch.eye(2))
                core.score.weight.fill_(1.0)
            weights = core(query, key, key)[1][0, 0]
        worst = max(worst, float((weights - torch.tensor(figures, dtype=torch.float64)).abs().max()))
    return Measurement(f"largest difference {worst:.1e}", worst < 1e-5)


def check_sparsemax() -> Measurement:
    """Three projections onto the simplex."""
    import torch

    from zoo.nn.sparse_softmax import sparsemax

    cases = (((2.0, 0.5, 0.1), (1.0, 0.0, 0.0)), ((1.0, 0.0, 1.0), (0.5, 0.0, 0.5)), ((0.5, 0.4, 0.1), (0.5, 0.4, 0.1)))
    worst = max(
        float((sparsemax(torch.tensor(given, dtype=torch.float64)) - torch.tensor(wanted)).abs().max())
        for given, wanted in cases
    )
    return Measurement(f"largest difference {worst:.1e}", worst < 1e-7)
