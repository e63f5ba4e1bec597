"""The benchmark: clips, questions, and scores of answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from zoo.errors import InputError
from zoo_interpret.gridtom.config import GridTomConfig
from zoo_interpret.gridtom.samples import CONDITIONS, Sample, make_samples


@dataclass(frozen=True)
class Case:
    """One question about one clip.

    Args:
        sample, condition: the clip.
        prompt: what a system is asked.
        options: the two rooms.
        answer: the right one.
        view, cell: how the clip is drawn.
    """

    sample: Sample
    condition: str
    prompt: str
    options: tuple[str, ...]
    answer: str
    view: str
    cell: int

    @property
    def key(self) -> str:
        """Its name among answers."""
        return f"{self.sample.index}/{self.condition}"

    def frames(self) -> np.ndarray:
        """The seven key frames, (7, height, width, 3) uint8."""
        return self.sample.frames(self.condition, view=self.view, cell=self.cell)


def question_prompt(question: str, options: tuple[str, ...]) -> str:
    """The prompt of the evaluation."""
    return (
        f"{question[0].upper()}{question[1:]} Options: {', '.join(options)}. "
        'Answer in JSON, like {"answer": "' + options[0] + '"}.'
    )


def read_answer(text: str) -> str | None:
    """The answer in what a system wrote, in lower case; None where it is not the JSON that was asked for."""
    for match in re.finditer(r"\{[^{}]*\}", text):
        try:
            found = json.loads(match.group())
        except ValueError:
            continue
        if isinstance(found.get("answer"), str):
            return str(found["answer"]).strip().lower()
    return None


class GridTom:
    """The benchmark: a system maps a ``Case`` to text."""

    def __init__(self, config: GridTomConfig) -> None:
        self.config = config

    @cached_property
    def samples(self) -> list[Sample]:
        """The clips."""
        config = self.config
        return make_samples(config.num_samples, width=config.width, height=config.height, seed=config.seed)

    def cases(self) -> Iterator[Case]:
        """Every sample with both conditions."""
        for sample in self.samples:
            for condition in CONDITIONS:
                belief = sample.belief(condition, self.config.order)
                options = tuple(belief["options"])
                prompt = question_prompt(belief["question"], options)
                yield Case(sample, condition, prompt, options, belief["answer"], self.config.view, self.config.cell)

    def score(self, answers: Mapping[str, str]) -> dict[str, float]:
        """Accuracy over all cases and by condition, and the shares that are wrong or unreadable.

        Args:
            answers: what a system wrote, by the case's key. What is missing is unreadable.

        Raises:
            InputError: an answer to a case that there is not.
        """
        cases = list(self.cases())
        unknown = sorted(set(answers) - {case.key for case in cases})
        if unknown:
            raise InputError(f"answers to cases that there are not: {', '.join(unknown[:5])}")
        right = dict.fromkeys(CONDITIONS, 0)
        errors = 0
        for case in cases:
            found = read_answer(answers.get(case.key, ""))
            errors += found is None or found not in case.options
            right[case.condition] += found == case.answer
        total = len(cases)
        accuracy = sum(right.values()) / total
        by_condition = {f"accuracy_{name}": count / (total / len(CONDITIONS)) for name, count in right.items()}
        return {
            "accuracy": accuracy,
            **by_condition,
            "wrong": 1 - accuracy - errors / total,
            "error": errors / total,
        }

    def run(self, system: Callable[[Case], str]) -> dict[str, float]:
        """Ask a system every case."""
        return self.score({case.key: system(case) for case in self.cases()})


def believer(case: Case) -> str:
    """A system that follows what the protagonist sees."""
    return json.dumps({"answer": case.answer})


def onlooker(case: Case) -> str:
    """A system that sees the world and no beliefs: it says where the other agent is."""
    story = case.sample.story
    return json.dumps({"answer": story.room_colours[story.room_b]})


def example(config: GridTomConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """The system without beliefs."""
    return {"system": onlooker}


def picture(path: str) -> None:
    """Key frames of a false belief: everything above, below what the protagonist sees."""
    from zoo.evidence.plots import new_figure, saved

    sample = make_samples(1, seed=3)[0]
    figure = new_figure(figsize=(9.6, 3.2))
    panels = figure.subplots(2, len(sample.key_frames))
    views = (("full", "all that\nhappens"), ("protagonist", "what red\nsees"))
    for row, (view, name) in zip(panels, views, strict=True):
        row[0].set_ylabel(name, fontsize=12)
        frames = sample.frames("FalseBelief", view=view, cell=16)
        for axis, frame, number in zip(row, frames, sample.key_frames, strict=True):
            axis.imshow(frame)
            axis.set(xticks=[], yticks=[])
            axis.set_title(f"frame {number}" if view == "full" else "", fontsize=12)
    belief = sample.belief("FalseBelief")
    figure.suptitle(
        f"{belief['question']} {belief['answer']} (it is in the {sample.belief('TrueBelief')['answer']} room)"
    )
    saved(figure, path)
