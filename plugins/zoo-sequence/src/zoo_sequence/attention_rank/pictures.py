"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn import functional

import zoo
from zoo.evidence.plots import new_figure, saved
from zoo_sequence.attention_rank.benchmark import NearestPoint, farthest_self, nearest
from zoo_sequence.attention_rank.config import NearestPointConfig
from zoo_sequence.attention_rank.theory import rank_one_bound, rank_one_error

DIMS, HEADS = (2, 4, 8), (4, 8, 16, 32, 64, 128)


def bounds(path: Path) -> None:
    """Error of the best combination of random rank-1 heads at two points, above the bound for any rank-1 heads: in more
    dimensions more heads help ever less, where one full-rank head has an error of zero."""
    figure = new_figure(figsize=(7.5, 4.4))
    axis = figure.subplots()
    for colour, dim in zip(("C0", "C1", "C2"), DIMS, strict=True):
        axis.plot(
            HEADS, [rank_one_error(dim, heads) for heads in HEADS], "o-", color=colour, label=f"measured, d = {dim}"
        )
        axis.plot(HEADS, [rank_one_bound(dim, heads) for heads in HEADS], ":", color=colour, label=f"bound, d = {dim}")
    axis.set_xscale("log", base=2)
    axis.set_xticks(HEADS, [str(heads) for heads in HEADS])
    axis.set(xlabel="rank-1 hard heads", ylabel="mean squared error", ylim=(0, None), title="nearest of two points")
    axis.grid(alpha=0.3)
    axis.legend(ncols=3, fontsize=9)
    saved(figure, path)


def heads(path: Path) -> None:
    """Answers of the two bundled networks to new sets of four points in eight dimensions: one head of rank 8 lies
    beside the nearest point, four heads of rank 2, with as many parameters in queries and keys, often do not."""
    task = NearestPoint(NearestPointConfig())
    figure = new_figure(figsize=(7.5, 4.2))
    axis = figure.subplots()
    case = task.cases()[0]
    target = nearest(case.points, case.queries)
    for preset, label in (("full-rank", "1 head of rank 8"), ("low-rank", "4 heads of rank 2")):
        model = zoo.load(f"attention-rank-heads/{preset}")
        with torch.no_grad():
            distance = (model(case.points, case.queries) - target).norm(dim=1).flatten()
        scores = task.run(model)
        text = f"{label}: mean squared error {scores['error']:.2f}, right {scores['accuracy']:.0%}"
        axis.hist(distance.tolist(), bins=40, range=(0, 1.6), alpha=0.6, label=text)
    axis.set(xlabel="distance of the answer from the nearest point", ylabel="queries", title="new queries")
    axis.legend()
    saved(figure, path)


def encoder(path: Path) -> None:
    """The bundled encoder asked for the farthest of six points: each row is an answer, each column a point, and a right
    answer is bright where the box marks the farthest one."""
    model = zoo.load("attention-rank-encoder/farthest")
    config = model.config
    points = torch.randn(2, config.dim, config.num_points, generator=torch.Generator().manual_seed(3))
    points = functional.normalize(points, dim=1)
    with torch.no_grad():
        answers = functional.normalize(model(points), dim=1)
    closeness = answers.transpose(1, 2) @ points
    aims = (points.transpose(1, 2) @ farthest_self(points)).argmax(-1)
    figure = new_figure(figsize=(8, 4))
    for index, axis in enumerate(figure.subplots(1, 2)):
        drawn = axis.imshow(closeness[index].numpy(), cmap="viridis", vmin=-1, vmax=1)
        for row, column in enumerate(aims[index].tolist()):
            axis.plot(column, row, "s", markersize=20, markerfacecolor="none", markeredgecolor="red")
        axis.set(title=f"set {index + 1}", xlabel="point", ylabel="answer to point")
        axis.set_xticks(range(config.num_points))
        axis.set_yticks(range(config.num_points))
    figure.colorbar(drawn, ax=figure.axes, label="cosine of answer and point", shrink=0.8)
    saved(figure, path)
