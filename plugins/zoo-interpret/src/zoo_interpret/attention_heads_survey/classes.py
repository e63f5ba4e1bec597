"""The survey's classes of heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from zoo import catalogue, names
from zoo.errors import InputError

STAGES: dict[str, tuple[str, ...]] = {
    "Knowledge Recalling": ("general", "specific"),
    "In-Context Identification": ("overall structure", "syntactic", "semantic"),
    "Latent Reasoning": ("in-context learning", "effective reasoning", "task specific"),
    "Expression Preparation": ("aggregation", "amplification", "instruction alignment"),
}


@dataclass(frozen=True)
class HeadClass:
    """A class of heads.

    Args:
        name: the survey's.
        stage, group: where it stands.
        models: families in which it was found; "toy" for models made for the purpose.
        depth: thirds of the stack, "shallow", "middle" and "deep"; empty where the survey names none.
        detector: the score of this toolkit that finds it, or None.
        input_feature, output_feature: what it reads and writes, where that is stated here.
    """

    name: str
    stage: str
    group: str
    models: tuple[str, ...] = ()
    depth: tuple[str, ...] = ()
    detector: str | None = None
    input_feature: str | None = None
    output_feature: str | None = None

    @property
    def tag(self) -> str:
        """What entries that find such heads are tagged with."""
        return self.name.lower().replace(" ", "-")

    def related(self) -> list[str]:
        """Names of catalogue entries with the tag."""
        return [offer.entry.id for offer in catalogue.current().offers if self.tag in offer.entry.tags]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON, with tag and related entries."""
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}
        return {**plain, "tag": self.tag, "related": self.related()}


_GPT, _TOY, _LLAMA, _GEMMA, _PYTHIA = ("GPT",), ("toy",), ("Llama",), ("Gemma",), ("Pythia",)
_LONG = ("Yi", "Mistral", "Llama", "Qwen")

# Group -> names with the families that the survey lists, from its tables.
_LISTED: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "general": (("Associative Memories", _TOY), ("Memory Head", ("Llama", "Pythia", "GPT"))),
    "specific": (
        ("Constant Head", _GEMMA),
        ("Single Letter Head", _GEMMA),
        ("Negative Head", ("Gemma", "Mistral", "Llama", "Qwen", "GPT")),
    ),
    "overall structure": (
        ("Previous Head", ("Pythia", "GPT")),
        ("Positional Head", _GPT),
        ("Rare Words Head", _TOY),
        ("Duplicate Head", _GPT),
        ("Retrieval Head", _LONG),
        ("Global Retrieval Head", _LLAMA),
    ),
    "syntactic": (
        ("Subword Merge Head", _GPT),
        ("Syntactic Head", _TOY),
        ("Negative Name Mover Head", _GPT),
        ("Mover Head", ("Llama", "GPT")),
        ("Name Mover Head", _GPT),
        ("Backup Name Mover Head", _GPT),
        ("Letter Mover Head", _GPT),
    ),
    "semantic": (
        ("Context Head", _GPT),
        ("Content Gatherer Head", _GEMMA),
        ("Sentiment Summarizer", _GPT),
        ("Semantic Induction Head", ("InternLM",)),
        ("Subject Head", _PYTHIA),
        ("Relation Head", ("Llama", "Pythia", "GPT")),
    ),
    "in-context learning": (
        ("Summary Reader", _GPT),
        ("Function Vector", ("Llama", "GPT")),
        ("Induction Head", (*_LONG, "GPT")),
        ("In-context Head", ()),
    ),
    "effective reasoning": (
        ("Truthfulness Head", _LLAMA),
        ("Accuracy Head", ("Gemma", "Llama")),
        ("Consistency Head", _LLAMA),
        ("Vulnerable Head", _GPT),
    ),
    "task specific": (
        ("Correct Letter Head", _GEMMA),
        ("Iteration Head", _TOY),
        ("Successor Head", ("Pythia", "GPT", "Llama")),
        ("Inhibition Head", _GPT),
    ),
    "aggregation": (("Mixed Head", _PYTHIA),),
    "amplification": (("Amplification Head", _GEMMA), ("Correct Head", _LLAMA)),
    "instruction alignment": (("Coherence Head", _LLAMA), ("Faithfulness Head", ("Llama", "GPT"))),
}
_DEPTHS = {
    "Memory Head": ("shallow", "middle"),
    **dict.fromkeys(("Constant Head", "Single Letter Head", "Negative Head"), ("middle",)),
    **dict.fromkeys(("Mixed Head", "Amplification Head", "Correct Head", "Faithfulness Head"), ("deep",)),
    "Coherence Head": ("middle", "deep"),
}
_DETECTORS = {
    "Previous Head": "previous_token",
    "Duplicate Head": "duplicate_token",
    "Induction Head": "induction",
    "Retrieval Head": "retrieval",
    "Name Mover Head": "ov_copy",
    "Successor Head": "ov_targets",
    "Letter Mover Head": "ov_targets",
}


def _classes() -> Iterator[HeadClass]:
    for stage, groups in STAGES.items():
        for group in groups:
            for name, models in _LISTED[group]:
                yield HeadClass(name, stage, group, models, _DEPTHS.get(name, ()), _DETECTORS.get(name))


CLASSES: tuple[HeadClass, ...] = tuple(_classes())


def find_class(name: str) -> HeadClass:
    """The class of a name, or of a tag.

    Raises:
        InputError: there is none; with the nearest.
    """
    folded = names.fold(name)
    for each in CLASSES:
        if folded in (names.fold(each.name), names.fold(each.tag)):
            return each
    raise InputError(f"no class of heads {name!r}.{names.suggestion(name, [each.name for each in CLASSES])}")


def select(
    *, stage: str | None = None, group: str | None = None, model: str | None = None, depth: str | None = None
) -> list[HeadClass]:
    """Classes of a stage, group, family of models or third of the stack; all criteria together."""

    def meets(each: HeadClass) -> bool:
        pairs: Sequence[tuple[str | None, Sequence[str]]] = (
            (stage, (each.stage,)),
            (group, (each.group,)),
            (model, each.models),
            (depth, each.depth),
        )
        return all(wanted is None or wanted in values for wanted, values in pairs)

    return [each for each in CLASSES if meets(each)]
