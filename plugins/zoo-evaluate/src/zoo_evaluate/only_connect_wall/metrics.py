"""Scores of answers to both tasks."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import permutations, zip_longest
from typing import Any

import numpy as np

from zoo_evaluate.only_connect_wall.walls import Answer, Wall

Groups = Sequence[Sequence[str]]

METRICS = ("WD", "AMI", "ARI", "FMS", "full_wall", "correct_groups")

COUNTED = ("full_wall", "correct_groups")


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
    targets, found = ([side[index : index + 4] for index in range(0, 16, 4)] for side in labels(gold, predicted))
    for quadruple in list(targets):
        # A group that is predicted twice takes out its gold group once.
        if quadruple in found:
            targets.remove(quadruple)
            found.remove(quadruple)
    return sum(min(1.0, _transport(a, b)) for a, b in zip(targets, found, strict=True)) / 4


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
    """Task 2: exact match and ROUGE-1 F1, averaged over the groups; what is missing counts as empty."""
    pairs = list(zip_longest(predicted[: len(target)], target, fillvalue=""))
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


def evaluate(predictions: Mapping[str, Answer], walls: Sequence[Wall], task: str = "grouping") -> dict[str, Any]:
    """Global and per-wall results.

    Args:
        predictions: wall id -> answer; a wall without one counts as unanswered.
        walls: what was asked.
        task: "grouping" scores the groups; "connections" what connects the gold groups, in their order.

    Returns:
        ``{"global": {...}, "granular": [...]}``; ``full_wall`` and ``correct_groups`` are sums, the rest means.
    """
    score = wall_scores if task == "grouping" else _connections
    tables = [score(wall, predictions.get(wall.wall_id, Answer(()))) for wall in walls]
    overall = {name: sum(table[name] for table in tables) for name in (tables[0] if tables else ())}
    overall |= {name: total / len(tables) for name, total in overall.items() if name not in COUNTED}
    granular = [{"wall_id": wall.wall_id, **table} for wall, table in zip(walls, tables, strict=True)]
    return {"global": overall, "granular": granular}


def wall_scores(wall: Wall, answer: Answer) -> dict[str, float]:
    """All metrics of one wall, the best WD over orders and the fixation index included."""
    best = best_wasserstein(wall.gold, answer.groups)
    return {**grouping_scores(wall.gold, answer.groups), "best_WD": best, **fixation(wall, answer.groups)}


def _connections(wall: Wall, answer: Answer) -> dict[str, float]:
    return connection_scores(answer.connections, [group.connection for group in wall.groups])
