"""The benchmark: walls, prompts, and scores of answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo.errors import InputError
from zoo_evaluate.only_connect_wall.config import OnlyConnectWallConfig
from zoo_evaluate.only_connect_wall.generation import synonym_walls, synthetic_walls, wordnet_synonyms
from zoo_evaluate.only_connect_wall.metrics import evaluate
from zoo_evaluate.only_connect_wall.solvers import (
    EmbeddingSolver,
    LanguageModelSolver,
    TextGenerator,
    category_embedding,
    prompt,
)
from zoo_evaluate.only_connect_wall.walls import Answer, Wall, published_walls, randomize, read_walls


class OnlyConnectWall:
    """The benchmark: ``cases()`` are walls, a system maps a wall to an ``Answer``."""

    def __init__(self, config: OnlyConnectWallConfig) -> None:
        self.config = config

    @cached_property
    def walls(self) -> tuple[Wall, ...]:
        """The walls that are asked."""
        walls = self._read(self.config.split, self.config.seed)
        return tuple(randomize(walls, self.config.seed) if self.config.randomized else walls)

    def _read(self, split: str, seed: int) -> list[Wall]:
        source = self.config.source
        if source == "synthetic":
            return synthetic_walls(self.config.num_walls, self.config.herrings, seed)
        if source == "wordnet":
            return synonym_walls(wordnet_synonyms(), self.config.num_walls, seed)
        if source.startswith("hf://"):
            repository, _, revision = source.removeprefix("hf://").partition("@")
            return published_walls(split, repository, revision or None)
        path = Path(source).expanduser()
        return read_walls(path / f"{split}.json" if path.is_dir() else path)

    def examples(self) -> list[Wall]:
        """Solved walls for prompts, from the training split (or from another seed).

        Raises:
            InputError: the source is a single file, which has no training split.
        """
        if not self.config.shots:
            return []
        if Path(self.config.source).expanduser().is_file():
            raise InputError(
                f"{self.config.source} is one file, so the {self.config.shots} solved walls of a prompt would be among "
                "those that are asked; give the folder that also holds train.json, or shots=0"
            )
        return self._read("train", self.config.seed + 1)[: self.config.shots]

    def cases(self) -> Iterator[Wall]:
        """The walls."""
        return iter(self.walls)

    def prompts(self) -> dict[str, str]:
        """Wall id -> prompt with the configured number of examples."""
        examples = self.examples()
        return {wall.wall_id: prompt(wall, examples, self.config.task) for wall in self.walls}

    def score(self, answers: Mapping[str, Answer]) -> dict[str, float]:
        """Global metrics of answers by wall id."""
        overall: dict[str, float] = evaluate(answers, self.walls, self.config.task)["global"]
        return overall

    def run(self, system: Callable[[Wall], Answer] | TextGenerator) -> dict[str, float]:
        """Ask a solver, or anything that generates text, and score its answers."""
        if hasattr(system, "generate"):
            system = LanguageModelSolver(system, self.examples(), self.config.task)
        return self.score({wall.wall_id: system(wall) for wall in self.walls})


def example(config: OnlyConnectWallConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """The offline embedding solver."""
    return {"system": EmbeddingSolver(category_embedding(seed), seed)}
