"""The picture on a card."""

from __future__ import annotations

from pathlib import Path

from zoo.bridges.transformers.packaged import packaged_model
from zoo.evidence.plots import new_figure, saved
from zoo_evaluate.only_connect_wall.generation import synthetic_walls
from zoo_evaluate.only_connect_wall.metrics import grouping_scores
from zoo_evaluate.only_connect_wall.solvers import EmbeddingSolver, word_embedding

COLOURS = ("#f4b6a6", "#a6d8f4", "#b9e3b0", "#e3cff0")


def wall(path: Path) -> None:
    """A synthetic wall with three red herrings, words in bold, coloured by its four groups, and the groups that
    all-MiniLM's vectors of single words are clustered into; the herrings draw others along."""
    shown = synthetic_walls(1, 3, seed=5)[0]
    model, tokenizer = packaged_model("minilm")
    answer = EmbeddingSolver(word_embedding(model, tokenizer))(shown)
    scores = grouping_scores(shown.gold, [list(group) for group in answer.groups])
    truth = {word: index for index, group in enumerate(shown.groups) for word in group.words}
    figure = new_figure(figsize=(9, 4.2))
    left, right = figure.subplots(1, 2)
    rows = [list(shown.words[start : start + 4]) for start in range(0, 16, 4)]
    for axis, lines in ((left, rows), (right, [sorted(group) for group in answer.groups])):
        for row, line in enumerate(lines):
            for column, word in enumerate(line):
                axis.add_patch(_tile(column, row, COLOURS[truth[word]]))
                weight = "bold" if word in shown.herrings else "normal"
                axis.text(column + 0.5, row + 0.5, word, ha="center", va="center", fontsize=9, fontweight=weight)
        axis.set(xlim=(0, 4), ylim=(4, 0))
        axis.set_axis_off()
    left.set_title("wall; " + ", ".join(group.connection for group in shown.groups), fontsize=9)
    right.set_title(
        f"answer, a group a row: {scores['correct_groups']:.0f} of 4 right, adjusted Rand index {scores['ARI']:.2f}",
        fontsize=9,
    )
    saved(figure, path)


def _tile(column: int, row: int, colour: str) -> object:
    from matplotlib.patches import Rectangle

    return Rectangle((column + 0.03, row + 0.05), 0.94, 0.9, facecolor=colour, edgecolor="grey")
