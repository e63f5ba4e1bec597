"""Systems that answer: language models by prompts, embedding models by balanced clustering."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from zoo.targets import require
from zoo_evaluate.only_connect_wall.generation import CATEGORIES, HOMOGRAPHS, memberships
from zoo_evaluate.only_connect_wall.metrics import METRICS, grouping_scores
from zoo_evaluate.only_connect_wall.walls import Answer, Wall


class TextGenerator(Protocol):
    """Anything that continues a prompt."""

    def generate(self, prompt: str) -> str:
        """The continuation."""


REQUESTS = {
    "grouping": "Sort the sixteen words into four groups of four that belong together, and say what connects each "
    "group. Answer with exactly four lines of the form\nGroup n: connection: word, word, word, word",
    "connections": "Each of the four groups holds four words that have something in common. Say what connects each "
    "group. Answer with exactly four lines of the form\nGroup n: connection",
}


def prompt(wall: Wall, examples: Sequence[Wall] = (), task: str = "grouping") -> str:
    """Ask a language model for the groups of a wall, or for what connects them, after some solved ones."""
    solved = [f"{_question(example, task)}\n{_solution(example, task)}" for example in examples]
    return "\n\n".join([REQUESTS[task], *solved, f"{_question(wall, task)}\n"])


def _question(wall: Wall, task: str) -> str:
    if task == "grouping":
        return f"Words: {', '.join(wall.words)}"
    return "\n".join(f"Words {number}: {', '.join(group.words)}" for number, group in enumerate(wall.groups, 1))


def _solution(wall: Wall, task: str) -> str:
    lines = []
    for number, group in enumerate(wall.groups, 1):
        words = f": {', '.join(group.words)}" if task == "grouping" else ""
        lines.append(f"Group {number}: {group.connection}{words}")
    return "\n".join(lines)


_HEADER = re.compile(r"(?:[-*]\s*)?(?:\**group\s*\d+\**\s*[:.)-]|\d+\s*[.):])\s*(.+)", re.IGNORECASE)


def parse(text: str, shown: Iterable[str] = ()) -> Answer:
    """Read four lines of a model's answer to the grouping task; lines that are missing leave empty groups.

    Args:
        text: lines "Group n: connection: word, word, word, word", or less formal ones with four words.
        shown: the wall's words. What is among them is taken as it is; else quotes, stars and full stops go.
    """
    known = {word.lower() for word in shown}
    groups: list[tuple[str, ...]] = []
    connections = []
    for line in map(str.strip, text.splitlines()):
        header = _HEADER.match(line)
        connection, _, listed = (header[1] if header else line).rpartition(":")
        pieces = [piece.strip() for piece in listed.split(",")]
        if header or len(pieces) == 4:
            words = [piece if piece.lower() in known else piece.strip(" .*\"'") for piece in pieces]
            groups.append(tuple(word for word in words if word))
            connections.append(connection.strip(" *"))
    missing = [()] * (4 - len(groups))
    return Answer((*groups[:4], *missing), tuple(connections[:4]) if any(connections) else ())


def parse_connections(text: str) -> Answer:
    """Read four lines "Group n: connection" of a model's answer to the second task."""
    headers = [header for line in text.splitlines() if (header := _HEADER.match(line.strip()))]
    return Answer((), tuple(header[1].strip(" *.") for header in headers[:4]))


class LanguageModelSolver:
    """Solve walls with anything that generates text; temperature 0 is the generator's business."""

    def __init__(self, generator: TextGenerator, examples: Sequence[Wall] = (), task: str = "grouping") -> None:
        self.generator = generator
        self.examples = tuple(examples)
        self.task = task

    def __call__(self, wall: Wall) -> Answer:
        """Prompt, generate, parse."""
        text = self.generator.generate(prompt(wall, self.examples, self.task))
        return parse(text, wall.words) if self.task == "grouping" else parse_connections(text)


class TransformersGenerator:
    """A transformers causal language model and its tokenizer as a text generator, greedy."""

    def __init__(self, model: Any, tokenizer: Any, max_new_tokens: int = 200) -> None:
        self.model, self.tokenizer, self.max_new_tokens = model, tokenizer, max_new_tokens

    def generate(self, prompt: str) -> str:
        """The continuation of a prompt."""
        inputs = self.tokenizer(prompt, return_tensors="pt").to(self.model.device)
        ids = self.model.generate(**inputs, max_new_tokens=self.max_new_tokens, do_sample=False)
        text: str = self.tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return text


class EmbeddingSolver:
    """Cluster word vectors into four groups of four.

    Args:
        embed: sixteen words to vectors (16, d); it sees them in the order shown, so it may use context.
        seed: of the k-means starts.
    """

    def __init__(self, embed: Callable[[Sequence[str]], np.ndarray], seed: int = 0) -> None:
        self.embed, self.seed = embed, seed

    def __call__(self, wall: Wall) -> Answer:
        """Balanced k-means."""
        vectors = np.asarray(self.embed(wall.words), dtype=np.float64)
        places = balanced_kmeans(vectors, 4, seed=self.seed)
        words = np.array(wall.words)
        return Answer(tuple(tuple(str(word) for word in words[places == index]) for index in range(4)))

    def over_shuffles(self, wall: Wall, shuffles: int = 16) -> dict[str, tuple[float, float]]:
        """Mean and population deviation of every metric over shuffles of the words; shuffle i uses Random(i)."""
        results = []
        for index in range(shuffles):
            words = tuple(random.Random(index).sample(wall.words, len(wall.words)))
            shuffled = Wall(wall.wall_id, words, wall.groups, herrings=wall.herrings)
            results.append(grouping_scores(wall.gold, self(shuffled).groups))
        return {
            name: (float(np.mean([r[name] for r in results])), float(np.std([r[name] for r in results])))
            for name in METRICS
        }


def contextual_embedding(model: Any, tokenizer: Any) -> Callable[[Sequence[str]], np.ndarray]:
    """Vectors of words read together: last hidden states of a transformers encoder, averaged over a word's pieces."""
    import torch

    def embed(words: Sequence[str]) -> np.ndarray:
        inputs = tokenizer(list(words), is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            states = model(**{name: inputs[name] for name in ("input_ids", "attention_mask")}).last_hidden_state[0]
        owners = inputs.word_ids(0)
        rows = [[place for place, owner in enumerate(owners) if owner == index] for index in range(len(words))]
        return np.stack([states[row].mean(0).numpy() for row in rows])

    return embed


def word_embedding(model: Any, tokenizer: Any) -> Callable[[Sequence[str]], np.ndarray]:
    """Vectors of words read one by one; otherwise as ``contextual_embedding``."""
    embed = contextual_embedding(model, tokenizer)
    return lambda words: np.concatenate([embed([word]) for word in words])


def balanced_kmeans(vectors: np.ndarray, clusters: int, *, starts: int = 10, seed: int = 0) -> np.ndarray:
    """k-means whose clusters all have the same size: each assignment is a matching (Hungarian method).

    Args:
        vectors: (n, d), n a multiple of ``clusters``.

    Returns:
        (n,) cluster numbers of the best of several k-means++ starts.
    """
    optimize = require("scipy.optimize", needed_by="balanced k-means")
    generator = np.random.default_rng(seed)
    size = len(vectors) // clusters
    best, lowest = np.zeros(len(vectors), dtype=int), math.inf
    for _ in range(starts):
        centres = _plus_plus(vectors, clusters, generator)
        places = np.full(len(vectors), -1)
        for _ in range(50):
            costs = ((vectors[:, None] - centres[None]) ** 2).sum(-1)
            rows, columns = optimize.linear_sum_assignment(np.repeat(costs, size, axis=1))
            new = np.empty(len(vectors), dtype=int)
            new[rows] = columns // size
            if (new == places).all():
                break
            places = new
            centres = np.stack([vectors[places == index].mean(0) for index in range(clusters)])
        inertia = float(((vectors - centres[places]) ** 2).sum())
        if inertia < lowest:
            best, lowest = places, inertia
    return best


def _plus_plus(vectors: np.ndarray, clusters: int, generator: np.random.Generator) -> np.ndarray:
    centres = [vectors[generator.integers(len(vectors))]]
    while len(centres) < clusters:
        nearest = np.min([((vectors - centre) ** 2).sum(-1) for centre in centres], axis=0)
        total = nearest.sum()
        shares = nearest / total if total > 0 else None
        centres.append(vectors[generator.choice(len(vectors), p=shares)])
    return np.stack(centres)


def category_embedding(seed: int = 0, dim: int = 32, noise: float = 0.35) -> Callable[[Sequence[str]], np.ndarray]:
    """Offline vectors: a random unit vector per category, homographs the mean of theirs, plus noise per word."""
    generator = np.random.default_rng(seed)
    centres = {name: _unit(generator.normal(size=dim)) for name in sorted(CATEGORIES)}
    everything = sorted({*HOMOGRAPHS, *(word for words in CATEGORIES.values() for word in words)})
    shifts = {word: noise * _unit(generator.normal(size=dim)) for word in everything}

    def embed(words: Sequence[str]) -> np.ndarray:
        homes = memberships(words)
        return np.stack([np.mean([centres[name] for name in sorted(homes[w])], axis=0) + shifts[w] for w in words])

    return embed


def _unit(vector: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = vector / np.linalg.norm(vector)
    return scaled
