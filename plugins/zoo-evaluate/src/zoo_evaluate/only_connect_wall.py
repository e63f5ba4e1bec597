"""Only Connect Wall: sixteen shuffled words, four hidden groups, and red herrings between them.

Source: "Large Language Models are Fixated by Red Herrings" (NeurIPS 2023), arXiv 2306.11167.

Task 1 asks for four groups of four, task 2 for what connects each. A prediction is compared with the gold wall as two
sequences of sixteen labels: the gold one is 0000111122223333, the predicted one holds, for every word in the order
predicted, the number of its gold group (words that are not on the wall get fresh numbers). Adjusted mutual
information (AMI), adjusted Rand index (ARI) and the Fowlkes-Mallows score (FMS) compare them place by place and do not
care for the order of groups; the Wasserstein distance (WD) does: groups found are taken out, the remaining pairs add
min(1, W1), and the sum is divided by four. Besides these, the number of groups found and whether the wall is solved.

A wall that falls apart into a known answer by association alone is easy; red herrings, words that fit two groups,
make it hard. The synthetic walls here have them on request and always exactly one solution.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, permutations
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import zoo
from zoo import Measurement
from zoo.errors import ConfigError, DownloadError, InputError
from zoo.targets import require

Groups = Sequence[Sequence[str]]
METRICS = ("WD", "AMI", "ARI", "FMS", "full_wall", "correct_groups")
REPOSITORY = "TaatiTeam/OCW"
SHOTS = (0, 1, 3, 5, 10)


@dataclass
class OnlyConnectWallConfig:
    """Config of the benchmark."""

    source: str = zoo.field("synthetic", "synthetic, a JSON file or folder of the published data, or hf://")
    split: str = zoo.field("test", "part of the published data", choices=("train", "validation", "test"))
    num_walls: int = zoo.field(20, "synthetic walls", minimum=1)
    herrings: int = zoo.field(3, "words of a synthetic wall that fit a second group", minimum=0, maximum=8)
    randomized: bool = zoo.field(False, "mix groups of different walls, which removes red herrings")
    shots: int = zoo.field(0, "solved walls shown in a prompt", minimum=0, maximum=10)
    seed: int = zoo.field(0, "of synthetic walls, shuffles and mixing", minimum=0)


@dataclass(frozen=True)
class Group:
    """Four words, what connects them, and whether the human team found the group and its connection."""

    words: tuple[str, ...]
    connection: str
    human_grouping: bool | None = None
    human_connection: bool | None = None


@dataclass(frozen=True)
class Wall:
    """One wall: the words as shown, and its four groups."""

    wall_id: str
    words: tuple[str, ...]
    groups: tuple[Group, ...]
    season: int | None = None
    episode: int | None = None
    herrings: tuple[str, ...] = ()

    @property
    def gold(self) -> list[list[str]]:
        """The four groups of words."""
        return [list(group.words) for group in self.groups]


@dataclass(frozen=True)
class Answer:
    """A prediction: groups of words, and optionally what connects each."""

    groups: tuple[tuple[str, ...], ...]
    connections: tuple[str, ...] = ()


class TextGenerator(Protocol):
    """Anything that continues a prompt."""

    def generate(self, prompt: str) -> str:
        """The continuation."""


# Metrics


def normalised(groups: Groups) -> list[list[str]]:
    """Lower-case words, sorted inside groups; groups cut or padded to four (padding is the empty word)."""
    cut = [[word.lower() for word in group][:4] for group in groups][:4]
    cut += [[] for _ in range(4 - len(cut))]
    return [sorted(group) + [""] * (4 - len(group)) for group in cut]


def labels(gold: Groups, predicted: Groups) -> tuple[list[int], list[int]]:
    """The two sequences of sixteen labels.

    Words that are not on the wall, and places left empty, get fresh labels 4, 5, ... one per occurrence.
    """
    places = {word: index for index, group in enumerate(normalised(gold)) for word in group}
    fresh = iter(range(4, 100))
    found = [places[word] if word in places else next(fresh) for group in normalised(predicted) for word in group]
    return [index // 4 for index in range(16)], found


def _contingency(first: Sequence[int], second: Sequence[int]) -> np.ndarray:
    rows, columns = sorted(set(first)), sorted(set(second))
    table = np.zeros((len(rows), len(columns)), dtype=np.int64)
    for a, b in zip(first, second, strict=True):
        table[rows.index(a), columns.index(b)] += 1
    return table


def _pairs(counts: np.ndarray) -> int:
    return int((counts * (counts - 1) // 2).sum())


def adjusted_rand_index(first: Sequence[int], second: Sequence[int]) -> float:
    """Agreement of pairs, 0 by chance and 1 at best; 1 where the denominator is 0."""
    table = _contingency(first, second)
    together, rows, columns = _pairs(table), _pairs(table.sum(1)), _pairs(table.sum(0))
    total = len(first) * (len(first) - 1) / 2
    expected = rows * columns / total
    denominator = (rows + columns) / 2 - expected
    return 1.0 if denominator == 0 else (together - expected) / denominator


def fowlkes_mallows(first: Sequence[int], second: Sequence[int]) -> float:
    """Geometric mean of pairwise precision and recall; 0 where no pair agrees."""
    table = _contingency(first, second)
    together = _pairs(table)
    return together / math.sqrt(_pairs(table.sum(1)) * _pairs(table.sum(0))) if together else 0.0


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _expected_information(rows: np.ndarray, columns: np.ndarray, total: int) -> float:
    """Mutual information expected by chance: each cell is hypergeometric given the margins."""
    log = [math.lgamma(count + 1) for count in range(total + 1)]
    expected = 0.0
    for a in rows:
        for b in columns:
            for n in range(max(1, a + b - total), min(a, b) + 1):
                weight = (
                    log[a] + log[b] + log[total - a] + log[total - b] - log[total]
                    - log[n] - log[a - n] - log[b - n] - log[total - a - b + n]
                )  # fmt: skip
                expected += n / total * math.log(total * n / (a * b)) * math.exp(weight)
    return expected


def adjusted_mutual_information(first: Sequence[int], second: Sequence[int]) -> float:
    """Mutual information adjusted for chance, arithmetic averaging, natural logarithms; 1 where undefined."""
    table = _contingency(first, second)
    rows, columns, total = table.sum(1), table.sum(0), len(first)
    outer = np.outer(rows, columns)
    cells = table > 0
    information = float((table[cells] / total * np.log(total * table[cells] / outer[cells])).sum())
    expected = _expected_information(rows, columns, total)
    denominator = (_entropy(rows) + _entropy(columns)) / 2 - expected
    return 1.0 if abs(denominator) < 1e-15 else (information - expected) / denominator


def wasserstein(gold: Groups, predicted: Groups) -> float:
    """WD in [0, 1]: pairs of groups in their order, after those found are taken out."""
    first, second = labels(gold, predicted)
    quads = [[tuple(side[index : index + 4]) for index in range(0, 16, 4)] for side in (first, second)]
    found = set(quads[0]) & set(quads[1])
    left = [[quad for quad in side if quad not in found] for side in quads]
    return sum(min(1.0, _transport(a, b)) for a, b in zip(*left, strict=True)) / 4


def best_wasserstein(gold: Groups, predicted: Groups) -> float:
    """The smallest WD over the orders of the predicted groups."""
    return min(wasserstein(gold, order) for order in permutations(normalised(predicted)))


def _transport(first: Sequence[int], second: Sequence[int]) -> float:
    """1-D Wasserstein distance of two multisets of the same size."""
    return sum(abs(a - b) for a, b in zip(sorted(first), sorted(second), strict=True)) / len(first)


def grouping_scores(gold: Groups, predicted: Groups) -> dict[str, float]:
    """All metrics of one wall."""
    first, second = labels(gold, predicted)
    targets, found = normalised(gold), normalised(predicted)
    correct = sum(group in found for group in targets)
    return {
        "WD": wasserstein(gold, predicted),
        "AMI": adjusted_mutual_information(first, second),
        "ARI": adjusted_rand_index(first, second),
        "FMS": fowlkes_mallows(first, second),
        "full_wall": float(correct == 4),
        "correct_groups": float(correct),
    }


def rouge1(predicted: str, target: str) -> float:
    """ROUGE-1 F1 of lower-case words."""
    first, second = (Counter(re.findall(r"\w+", text.lower())) for text in (predicted, target))
    shared = sum((first & second).values())
    return 2 * shared / (sum(first.values()) + sum(second.values())) if shared else 0.0


def connection_scores(predicted: Sequence[str], target: Sequence[str]) -> dict[str, float]:
    """Task 2: exact match and ROUGE-1 F1, averaged over the groups."""
    pairs = list(zip([*predicted, *[""] * (len(target) - len(predicted))], target, strict=False))
    exact = [float(a.strip().lower() == b.strip().lower()) for a, b in pairs]
    return {"exact_match": sum(exact) / len(exact), "rouge1": sum(rouge1(a, b) for a, b in pairs) / len(pairs)}


def bert_scores(predicted: Sequence[str], target: Sequence[str], encoder: Any, tokenizer: Any) -> list[float]:
    """BERTScore F1 (not rescaled) of pairs of texts, with a local transformers encoder and its tokenizer."""
    import torch

    def embed(text: str) -> torch.Tensor:
        inputs = tokenizer(text.strip().lower() or " ", return_tensors="pt")
        with torch.no_grad():
            states = encoder(**inputs).last_hidden_state[0]
        return torch.nn.functional.normalize(states, dim=-1)

    scores = []
    for ours, theirs in zip(predicted, target, strict=True):
        similarity = embed(ours) @ embed(theirs).T
        precision, recall = float(similarity.amax(1).mean()), float(similarity.amax(0).mean())
        scores.append(2 * precision * recall / (precision + recall))
    return scores


def fixation(wall: Wall, predicted: Groups) -> dict[str, float]:
    """How wrong groups are wrong.

    Returns:
        near_miss: share of wrong predicted groups with exactly three words of one gold group.
        herring: share of wrong predicted groups that hold a red herring of the wall away from its own group.
    """
    gold = normalised(wall.gold)
    wrong = [group for group in normalised(predicted) if group not in gold]
    if not wrong:
        return {"near_miss": 0.0, "herring": 0.0}
    herrings = {word.lower() for word in wall.herrings}
    home = {word: index for index, group in enumerate(gold) for word in group}
    near = herring = 0
    for group in wrong:
        counts = Counter(home[word] for word in group if word in home)
        main = counts.most_common(1)[0][0] if counts else -1
        near += bool(counts) and counts[main] >= 3
        herring += any(word in herrings and home[word] != main for word in group)
    return {"near_miss": near / len(wrong), "herring": herring / len(wrong)}


def evaluate(predictions: Mapping[str, Answer], walls: Sequence[Wall]) -> dict[str, Any]:
    """Global and per-wall results.

    Args:
        predictions: wall id -> answer; a wall without one counts as unanswered.
        walls: what was asked.

    Returns:
        ``{"global": {...}, "granular": [...]}``; ``full_wall`` and ``correct_groups`` are sums, the rest means.
    """
    granular = []
    for wall in walls:
        answer = predictions.get(wall.wall_id, Answer(()))
        scores = grouping_scores(wall.gold, answer.groups)
        scores |= {"best_WD": best_wasserstein(wall.gold, answer.groups), **fixation(wall, answer.groups)}
        if answer.connections:
            scores |= connection_scores(answer.connections, [group.connection for group in wall.groups])
        granular.append({"wall_id": wall.wall_id, **scores})
    sums = {"full_wall", "correct_groups"}
    names = [name for name in granular[0] if name != "wall_id"] if granular else []
    overall = {}
    for name in names:
        values = [float(entry[name]) for entry in granular if name in entry]  # type: ignore[arg-type]
        overall[name] = sum(values) if name in sums else sum(values) / len(values)
    return {"global": overall, "granular": granular}


# Data


def read_walls(path: str | os.PathLike[str]) -> list[Wall]:
    """Read walls of the published JSON format.

    Raises:
        InputError: the file is not of that format.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        records = content["dataset"] if isinstance(content, dict) else content
        return [_wall(record) for record in records]
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not in the format of the Only Connect Wall data: {error!r}") from error


def _wall(record: Mapping[str, Any]) -> Wall:
    groups = []
    for name in sorted(record["groups"]):
        group = record["groups"][name]
        human = group.get("human_performance") or {}
        groups.append(
            Group(
                tuple(group["gt_words"]),
                group["gt_connection"],
                _flag(human.get("grouping")),
                _flag(human.get("connection")),
            )
        )
    if len(groups) != 4 or any(len(group.words) != 4 for group in groups):
        raise ValueError(f"wall {record.get('wall_id')!r} has not four groups of four")
    return Wall(
        str(record["wall_id"]), tuple(record["words"]), tuple(groups), record.get("season"), record.get("episode")
    )


def _flag(value: Any) -> bool | None:
    return None if value is None else bool(int(value))


def published_walls(split: str = "test") -> list[Wall]:
    """A split of the published data, from the Hub or its cache.

    Raises:
        DownloadError: neither reaches it.
    """
    hub = require("huggingface_hub", needed_by="the published walls")
    try:
        path = hub.hf_hub_download(
            REPOSITORY, f"{split}.json", repo_type="dataset", endpoint=os.environ.get("HF_ENDPOINT")
        )
    except Exception as error:
        raise DownloadError(
            f"{split}.json of the data set {REPOSITORY} could not be fetched ({type(error).__name__}). Download the "
            "walls elsewhere and give source=PATH, or use source=synthetic"
        ) from error
    return read_walls(path)


def randomize(walls: Sequence[Wall], seed: int = 0) -> list[Wall]:
    """Keep the first group of every wall and take the other three from other walls, none used twice.

    The groups of one new wall come from different walls and share no clue word and no connection, so that red
    herrings are gone and the solution is still the only one.
    """
    generator = random.Random(seed)
    pool = [(wall.wall_id, group) for wall in walls for group in wall.groups[1:]]
    generator.shuffle(pool)
    mixed = []
    for wall in walls:
        chosen, origins = [wall.groups[0]], {wall.wall_id}
        for origin, group in list(pool):
            taken = {word.lower() for kept in chosen for word in kept.words}
            known = {kept.connection for kept in chosen}
            new = origin not in origins and group.connection not in known
            if len(chosen) < 4 and new and taken.isdisjoint(word.lower() for word in group.words):
                chosen.append(group)
                origins.add(origin)
                pool.remove((origin, group))
        if len(chosen) < 4:
            # The rest of the pool no longer fits: leave the wall out rather than use a group twice.
            continue
        words = [word for group in chosen for word in group.words]
        mixed.append(Wall(f"{wall.wall_id}-r", tuple(generator.sample(words, 16)), tuple(chosen)))
    return mixed


CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "Colours": ("crimson", "teal", "indigo", "beige", "scarlet", "maroon", "turquoise", "magenta"),
    "Fruits": ("apple", "banana", "cherry", "mango", "apricot", "papaya", "lychee", "quince"),
    "Metals": ("iron", "copper", "zinc", "nickel", "titanium", "cobalt", "tungsten", "chromium"),
    "Planets and gods": ("Saturn", "Jupiter", "Neptune", "Uranus", "Venus", "Pluto", "Juno", "Minerva"),
    "Tools": ("wrench", "pliers", "chisel", "mallet", "spanner", "hacksaw", "clamp", "rasp"),
    "Birds": ("sparrow", "robin", "heron", "magpie", "ostrich", "pelican", "falcon", "wren"),
    "Trees": ("oak", "birch", "maple", "willow", "cedar", "sycamore", "larch", "poplar"),
    "Instruments": ("violin", "cello", "oboe", "clarinet", "trumpet", "harp", "banjo", "tuba"),
    "Flowers": ("tulip", "daisy", "orchid", "peony", "marigold", "dahlia", "primrose", "begonia"),
    "Dances": ("waltz", "tango", "foxtrot", "rumba", "samba", "polka", "minuet", "bolero"),
}
# Words of two categories.
HOMOGRAPHS: Mapping[str, tuple[str, str]] = {
    "orange": ("Colours", "Fruits"),
    "peach": ("Colours", "Fruits"),
    "lime": ("Fruits", "Colours"),
    "plum": ("Fruits", "Colours"),
    "silver": ("Metals", "Colours"),
    "bronze": ("Metals", "Colours"),
    "mercury": ("Metals", "Planets and gods"),
    "violet": ("Flowers", "Colours"),
    "rose": ("Flowers", "Colours"),
    "lilac": ("Flowers", "Colours"),
    "fig": ("Fruits", "Trees"),
    "olive": ("Trees", "Colours"),
    "pear": ("Fruits", "Trees"),
    "plane": ("Tools", "Trees"),
    "kiwi": ("Birds", "Fruits"),
    "crane": ("Birds", "Tools"),
    "jay": ("Birds", "Colours"),
    "triangle": ("Instruments", "Tools"),
    "hammer": ("Tools", "Instruments"),
}


def memberships(words: Iterable[str]) -> dict[str, set[str]]:
    """Categories of every word."""
    found: dict[str, set[str]] = {}
    for word in words:
        found[word] = {name for name, members in CATEGORIES.items() if word in members}
        found[word] |= set(HOMOGRAPHS.get(word, ()))
    return found


def count_solutions(words: Sequence[str], categories: Sequence[str]) -> int:
    """Ways to split sixteen words into four groups of four, one for each category (exact covers)."""
    homes = memberships(words)

    def covers(left: frozenset[str], rest: tuple[str, ...]) -> int:
        if not rest:
            return int(not left)
        fitting = [word for word in sorted(left) if rest[0] in homes[word]]
        return sum(covers(left - set(four), rest[1:]) for four in combinations(fitting, 4))

    return covers(frozenset(words), tuple(categories))


def synthetic_walls(count: int, herrings: int, seed: int = 0) -> list[Wall]:
    """Walls of closed categories with exactly one solution.

    Args:
        count: how many.
        herrings: words of each wall that also belong to another category of the wall.
        seed: the same walls for the same seed.
    """
    generator = random.Random(seed)
    walls: list[Wall] = []
    while len(walls) < count:
        names = generator.sample(sorted(CATEGORIES), 4)
        bridges = [word for word, homes in HOMOGRAPHS.items() if set(homes) <= set(names)]
        if len(bridges) < herrings:
            continue
        chosen = generator.sample(bridges, herrings)
        groups = {name: [word for word in chosen if HOMOGRAPHS[word][0] == name] for name in names}
        if any(len(members) > 3 for members in groups.values()):
            continue
        for name, members in groups.items():
            members += generator.sample(CATEGORIES[name], 4 - len(members))
        words = [word for members in groups.values() for word in members]
        if count_solutions(words, names) != 1:
            continue
        walls.append(
            Wall(
                f"synthetic-{seed}-{len(walls)}",
                tuple(generator.sample(words, 16)),
                tuple(Group(tuple(members), name) for name, members in groups.items()),
                herrings=tuple(chosen),
            )
        )
    return walls


# Solvers


def prompt(wall: Wall, examples: Sequence[Wall] = ()) -> str:
    """Ask a language model for the groups of a wall, after some solved ones."""
    parts = [
        "Sort the sixteen words into four groups of four that belong together, and say what connects each group. "
        "Answer with exactly four lines of the form\nGroup n: connection: word, word, word, word"
    ]
    for example in examples:
        lines = [f"Group {i}: {g.connection}: {', '.join(g.words)}" for i, g in enumerate(example.groups, 1)]
        parts.append(f"Words: {', '.join(example.words)}\n" + "\n".join(lines))
    parts.append(f"Words: {', '.join(wall.words)}\n")
    return "\n\n".join(parts)


def parse(text: str) -> Answer:
    """Read four lines of a model's answer; lines that are missing leave empty groups."""
    groups: list[tuple[str, ...]] = []
    connections = []
    for line in text.splitlines():
        match = re.match(r"\s*(?:[-*]\s*)?(?:\**group\s*\d+\**\s*[:.)-]|\d+\s*[.):])\s*(.+)", line, re.I)
        if match is None or len(groups) == 4:
            continue
        connection, colon, words = match[1].rpartition(":")
        listed = [word.strip(" .*\"'") for word in (words if colon else match[1]).split(",")]
        groups.append(tuple(word for word in listed if word))
        connections.append(connection.strip(" *"))
    groups += [()] * (4 - len(groups))
    return Answer(tuple(groups), tuple(connections) if any(connections) else ())


class LanguageModelSolver:
    """Solve walls with anything that generates text; temperature 0 is the generator's business."""

    def __init__(self, generator: TextGenerator, examples: Sequence[Wall] = ()) -> None:
        self.generator = generator
        self.examples = tuple(examples)

    def __call__(self, wall: Wall) -> Answer:
        """Prompt, generate, parse."""
        return parse(self.generator.generate(prompt(wall, self.examples)))


class TransformersGenerator:
    """A transformers causal language model and its tokenizer as a text generator, greedy."""

    def __init__(self, model: Any, tokenizer: Any, max_new_tokens: int = 200) -> None:
        self.model, self.tokenizer, self.max_new_tokens = model, tokenizer, max_new_tokens

    def generate(self, prompt: str) -> str:
        """The continuation of a prompt."""
        inputs = self.tokenizer(prompt, return_tensors="pt")
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


class OnlyConnectWall:
    """The benchmark: ``cases()`` are walls, a system maps a wall to an ``Answer``."""

    def __init__(self, config: OnlyConnectWallConfig) -> None:
        self.config = config
        if config.shots not in SHOTS:
            raise ConfigError(f"shots={config.shots} is not one of {', '.join(map(str, SHOTS))}", field="shots")

    @cached_property
    def walls(self) -> tuple[Wall, ...]:
        """The walls that are asked."""
        walls = self._read(self.config.split, self.config.seed)
        return tuple(randomize(walls, self.config.seed) if self.config.randomized else walls)

    def _read(self, split: str, seed: int) -> list[Wall]:
        source = self.config.source
        if source == "synthetic":
            return synthetic_walls(self.config.num_walls, self.config.herrings, seed)
        if source.startswith("hf://"):
            return published_walls(split)
        path = Path(source).expanduser()
        return read_walls(path / f"{split}.json" if path.is_dir() else path)

    def examples(self) -> list[Wall]:
        """Solved walls for prompts, from the training split (or from another seed)."""
        return self._read("train", self.config.seed + 1)[: self.config.shots] if self.config.shots else []

    def cases(self) -> Iterator[Wall]:
        """The walls."""
        return iter(self.walls)

    def prompts(self) -> dict[str, str]:
        """Wall id -> prompt with the configured number of examples."""
        examples = self.examples()
        return {wall.wall_id: prompt(wall, examples) for wall in self.walls}

    def score(self, answers: Mapping[str, Answer]) -> dict[str, float]:
        """Global metrics of answers by wall id."""
        overall: dict[str, float] = evaluate(answers, self.walls)["global"]
        return overall

    def run(self, system: Callable[[Wall], Answer] | TextGenerator) -> dict[str, float]:
        """Ask a solver, or anything that generates text, and score its answers."""
        solve = LanguageModelSolver(system, self.examples()) if hasattr(system, "generate") else system
        return self.score({wall.wall_id: solve(wall) for wall in self.walls})


def example(config: OnlyConnectWallConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """The offline embedding solver."""
    return {"system": EmbeddingSolver(category_embedding(seed), seed)}


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Any],
    inputs: Mapping[str, Any],
) -> dict[str, Any]:
    """Component ``grouping``: every metric of every wall."""
    import torch

    scores = [grouping_scores(gold, predicted) for gold, predicted in zip(call["gt"], call["pred"], strict=True)]
    return {name: torch.tensor([entry[name] for entry in scores], dtype=torch.float64) for name in METRICS}


def _solved() -> list[list[str]]:
    return synthetic_walls(1, 3)[0].gold


def check_invariance() -> Measurement:
    """Letter case, order of words and order of groups against AMI, ARI, FMS and the counts."""
    generator = random.Random(0)
    gold = _solved()
    mixed = [[gold[0][0], *gold[1][1:]], [gold[1][0], *gold[0][1:]], gold[2], gold[3]]
    worst = 0.0
    for predicted in (gold, mixed):
        plain = grouping_scores(gold, predicted)
        for _ in range(20):
            changed = [[generator.choice((str.upper, str.lower, str.title))(w) for w in group] for group in predicted]
            changed = [generator.sample(group, 4) for group in generator.sample(changed, 4)]
            other = grouping_scores(gold, changed)
            worst = max(worst, *(abs(other[name] - plain[name]) for name in METRICS if name != "WD"))
    return Measurement(f"largest difference {worst:g}", worst < 1e-12)


def check_one_swap() -> Measurement:
    """One swap of two words between two groups."""
    gold = _solved()
    swapped = [[gold[1][0], *gold[0][1:]], [gold[0][0], *gold[1][1:]], gold[2], gold[3]]
    scores = grouping_scores(gold, swapped)
    expected = {"AMI": 0.7173, "ARI": 0.6875, "FMS": 0.75, "WD": 0.125, "correct_groups": 2.0}
    text = ", ".join(f"{name} {scores[name]:.4f}" for name in expected)
    return Measurement(text, all(abs(scores[name] - value) < 5e-5 for name, value in expected.items()))


def check_transposed() -> Measurement:
    """The perfectly transposed wall."""
    gold = _solved()
    scores = grouping_scores(gold, [list(group) for group in zip(*gold, strict=True)])
    expected = {"AMI": -0.3937, "ARI": -0.25, "FMS": 0.0, "WD": 1.0}
    text = ", ".join(f"{name} {scores[name]:.4f}" for name in expected)
    return Measurement(text, all(abs(scores[name] - value) < 5e-5 for name, value in expected.items()))


def check_red_herrings() -> Measurement:
    """Groups found by the embedding solver on walls with red herrings and on their mixed copies, ten sets of each."""
    differences, means = [], []
    for seed in range(10):
        found = []
        for randomized in (False, True):
            config = OnlyConnectWallConfig(num_walls=150, herrings=4, randomized=randomized, seed=seed)
            benchmark = OnlyConnectWall(config)
            scores = benchmark.run(EmbeddingSolver(category_embedding(seed, noise=1.0)))
            found.append(scores["correct_groups"] / len(benchmark.walls))
        means.append(found)
        differences.append(found[1] - found[0])
    original, mixed = np.mean(means, axis=0)
    error = float(np.std(differences, ddof=1) / math.sqrt(len(differences)))
    return Measurement(
        f"{original:.3f} groups a wall with red herrings, {mixed:.3f} without "
        f"(difference {mixed - original:+.3f}, standard error {error:.3f})",
        bool(mixed > original),
        "10 sets of 150 synthetic walls; a balanced clustering resolves most red herrings by counting",
    )
