"""What the paper promises and a machine can check."""

from __future__ import annotations

import math
import random

import numpy as np

from zoo import Measurement
from zoo_evaluate.only_connect_wall.benchmark import OnlyConnectWall
from zoo_evaluate.only_connect_wall.config import OnlyConnectWallConfig
from zoo_evaluate.only_connect_wall.generation import synthetic_walls
from zoo_evaluate.only_connect_wall.metrics import METRICS, grouping_scores
from zoo_evaluate.only_connect_wall.solvers import EmbeddingSolver, category_embedding


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
