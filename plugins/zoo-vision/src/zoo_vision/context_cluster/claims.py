"""What the paper promises and a machine can check."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo import Measurement, catalogue, configuration
from zoo.datasets import handwritten_digits
from zoo.evidence.measuring import count_parameters
from zoo.evidence.plots import new_figure, saved
from zoo.nn import digits
from zoo_vision.context_cluster.cluster import Cluster, gather_and_hand_back
from zoo_vision.context_cluster.config import ClusterConfig
from zoo_vision.context_cluster.network import ContextCluster
from zoo_vision.images import upsample_digits


def _count(preset: str) -> int:
    entry = catalogue.current().find("vision:context-cluster").offer.entry
    with torch.device("meta"):
        return count_parameters(ContextCluster(configuration.merge(entry, preset).instance))


def check_millions() -> Measurement:
    """Count tiny and small, in units of 2^20."""
    tiny, small = (_count(preset) / 2**20 for preset in ("tiny", "small"))
    return Measurement(f"{tiny:.2f}, {small:.2f} times 2^20", (round(tiny, 1), round(small, 1)) == (5.3, 14.0))


def check_free_regions() -> Measurement:
    """Count the three networks that differ in regions and centres only."""
    counts = {preset: _count(preset) for preset in ("tiny", "tiny2", "tiny-plain")}
    return Measurement(", ".join(f"{name} {count:,}" for name, count in counts.items()), len(set(counts.values())) == 1)


def check_hard_assignment() -> Measurement:
    """Gradients of a point's output with respect to value centres: those of one centre only."""
    torch.manual_seed(0)
    points, values = torch.randn(2, 2, 8, 6, 6)
    centres, value_centres = torch.randn(2, 4, 8), torch.randn(2, 4, 8, requires_grad=True)
    output, best = gather_and_hand_back(points, values, centres, value_centres, torch.ones(1), torch.zeros(1))
    right = True
    for head in range(2):
        for place in range(36):
            row, column = divmod(place, 6)
            (gradient,) = torch.autograd.grad(output[head, :, row, column].sum(), value_centres, retain_graph=True)
            used = gradient.abs().sum(-1).nonzero().tolist()
            right &= used == [[head, int(best[head, row, column])]]
    return Measurement(
        "each of 72 points takes from one centre of its own head" if right else "points mix centres", right
    )


def check_set_property() -> Measurement:
    """Permute the points of a region with its centres fixed."""
    torch.manual_seed(0)
    points, values = torch.randn(2, 3, 8, 1, 30, dtype=torch.float64)
    centres, value_centres = torch.randn(2, 3, 4, 8, dtype=torch.float64)
    order = torch.randperm(30)
    alpha, beta = torch.tensor([1.5], dtype=torch.float64), torch.tensor([0.2], dtype=torch.float64)
    plain, _ = gather_and_hand_back(points, values, centres, value_centres, alpha, beta)
    moved, _ = gather_and_hand_back(points[..., order], values[..., order], centres, value_centres, alpha, beta)
    difference = float((moved - plain[..., order]).abs().max())
    return Measurement(f"largest difference {difference:.1e}", difference < 1e-14)


def check_multiply_adds() -> Measurement:
    """Products of the tiny and the small size, for one image."""
    found = {}
    for preset in ("tiny", "small"):
        counted = zoo.info(f"context-cluster/{preset}").flops
        assert counted is not None
        assert counted.total is not None
        found[preset] = counted.total // 2
    return Measurement(
        ", ".join(f"{preset} {count / 1e9:.3f}e9 = {count / 2**30:.2f} x 2^30" for preset, count in found.items()),
        [round(count / 2**30, 1) for count in found.values()] == [1.0, 2.6],
        "the paper's thousand millions are 2^30, as its millions are 2^20",
    )


def check_cost() -> Measurement:
    """Products of a 56 x 56 map with 4 centres, all points in one region, against those of attention, counted."""
    from torch.utils.flop_counter import FlopCounterMode

    operator = Cluster(ClusterConfig(dim=32, out_dim=32))
    counted = []
    with torch.device("meta"):
        for side in (56, 112):
            with FlopCounterMode(display=False) as counter:
                operator.to("meta")(torch.empty(1, 32, side, side))
            counts = counter.get_flop_counts()["Global"]
            counted.append(sum(count for name, count in counts.items() if "conv" not in str(name)) / 2)
    points, inner = 56 * 56, 4 * 24
    dense = 2 * points**2 * inner
    growth = counted[1] / counted[0]
    return Measurement(
        f"{counted[0] / 1e6:.1f}M multiply-adds between points and centres, attention {dense / 1e6:.0f}M; 4 times the "
        f"points: {growth:.1f} times the cost",
        counted[0] < dense / 100 and growth < 4.1,
    )


def check_digits() -> Measurement:
    """The bundled classifier on 360 held-out digits, beside a linear model of the same pixels."""
    ours = digits.measure(zoo.load("context-cluster/digits"), view=upsample_digits).accuracy
    baseline = digits.linear_accuracy()
    return Measurement(f"{ours:.1%} of 360 held-out digits; a linear model {baseline:.1%}", ours > baseline)


def picture(path: Path) -> None:
    """Held-out digits, and the cluster of every point in two heads of the first block of the bundled network: a
    colour is a centre.
    """
    model = zoo.load("context-cluster/digits")
    _, _, held_out, classes = handwritten_digits()
    shown = upsample_digits(held_out[:6])
    with torch.no_grad():
        labels = model.assignments(shown)[0]
    figure = new_figure(figsize=(9, 4.6))
    axes = figure.subplots(3, 6)
    for column in range(6):
        axes[0][column].imshow(shown[column].mean(0), cmap="gray")
        axes[0][column].set_title(f"a {int(classes[column])}", fontsize=9)
        for head in range(2):
            axes[head + 1][column].imshow(labels[column, head], cmap="tab20", interpolation="nearest")
    for row, name in enumerate(("image", "head 1", "head 2")):
        axes[row][0].set_ylabel(name, fontsize=9)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    saved(figure, path)
