"""The benchmark: both games, in and out of distribution."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from zoo.errors import InputError
from zoo_interpret.cat import stg, stg_h
from zoo_interpret.cat.config import StgConfig

Sample = stg.StgSample | stg_h.StgHSample


@dataclass(frozen=True)
class Case:
    """One question.

    Args:
        key: its name among answers, "iid/0" or "ood/0".
        sample: the sample.
    """

    key: str
    sample: Sample

    @property
    def prompt(self) -> str:
        """What a system is asked."""
        return self.sample.question

    @property
    def answer(self) -> str:
        """The right answer."""
        return self.sample.label


class SpuriousTokenGame:
    """The benchmark: a system maps a ``Case`` to text; ``training`` has what it may learn from."""

    def __init__(self, config: StgConfig) -> None:
        self.config = config

    @cached_property
    def _samples(self) -> tuple[list[Sample], list[Sample]]:
        config = self.config
        if config.game == "stg_h":
            return stg_h.draw(config.pool, config.ood_samples, config.seed)  # type: ignore[return-value]
        return stg.draw(  # type: ignore[return-value]
            config.pool, config.ood_samples, config.seed, middle_band=config.middle_band
        )

    @property
    def training(self) -> list[Sample]:
        """Samples of the training distribution that are not asked."""
        start = self.config.iid_samples
        return self._samples[0][start : start + self.config.train_samples]

    def cases(self) -> Iterator[Case]:
        """All questions, in distribution first."""
        iid, ood = self._samples
        for index, sample in enumerate(iid[: self.config.iid_samples]):
            yield Case(f"iid/{index}", sample)
        for index, sample in enumerate(ood):
            yield Case(f"ood/{index}", sample)

    def score(self, answers: Mapping[str, str]) -> dict[str, float]:
        """Share of exact matches, white space at the ends apart, in and out of distribution.

        Args:
            answers: by the case's key; what is missing is wrong.

        Raises:
            InputError: an answer to a case that there is not.
        """
        cases = list(self.cases())
        unknown = sorted(set(answers) - {case.key for case in cases})
        if unknown:
            raise InputError(f"answers to cases that there are not: {', '.join(unknown[:5])}")
        right: dict[str, list[bool]] = {"iid": [], "ood": []}
        for case in cases:
            right[case.key.partition("/")[0]].append(answers.get(case.key, "").strip() == case.answer)
        return {f"{name}_accuracy": sum(found) / len(found) for name, found in right.items()}

    def run(self, system: Callable[[Case], str]) -> dict[str, float]:
        """Ask a system every case."""
        return self.score({case.key: system(case) for case in self.cases()})


def final_answer(text: str) -> str:
    """The answer in a continuation: after "####" where it is there, as in GSM8K, stripped."""
    return text.rpartition("####")[2].strip()


def knows_causes(case: Case) -> str:
    """A system of the first game that computes the answer from its causes."""
    return stg.risk(*case.sample.values[:3])


def trusts_spurious(case: Case) -> str:
    """A system of the first game that takes spurious features for their causes, which it never sees."""
    yellow, clothing, hormones = case.sample.values[3:6]
    return stg.risk(round(yellow / 1.5), int(clothing), int(2 * hormones))


def example(config: StgConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """The system that trusts spurious features; of the harder game, one that always says 50."""
    if config.game == "stg":
        return {"system": trusts_spurious}
    return {"system": lambda case: "50"}
