"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

import zoo
from zoo.evidence.plots import new_figure, saved_small
from zoo_vision.feature_hmlc import textiles
from zoo_vision.feature_hmlc.baseline import HMCE
from zoo_vision.feature_hmlc.config import HMCEConfig
from zoo_vision.feature_hmlc.mixture import hard_masks
from zoo_vision.feature_hmlc.training import view

_KINDS = ("nominal", "local defect", "global defect")
_COLOURS = ("#0a84ff", "#ff9f0a", "#ff3b30")


def _embedded(images: Tensor, what: str) -> Tensor:
    """What the bundled network says of textile images (n, 1, H, W): its ``embedding`` (n, D) or ``levels``."""
    model = zoo.load("feature-hmlc/textiles")
    with torch.no_grad():
        return torch.cat([model(some)[what] for some in images.split(64)])


def levels(path: Path) -> None:
    """Held-out textile images as the bundled network sees them on its two levels (first two principal axes of each
    level's unit vectors); the coarse level has labels nominal and defect, the fine one all three kinds.
    """
    images, labels = textiles.textiles("held-out")
    found = _embedded(images, "levels")
    figure = new_figure(figsize=(8, 3.7))
    axes = figure.subplots(1, 2)
    for level, (axis, name) in enumerate(zip(axes, ("coarse level", "fine level"), strict=True)):
        centred = found[:, level] - found[:, level].mean(0)
        _, sizes, directions = torch.linalg.svd(centred, full_matrices=False)
        places, shares = centred @ directions[:2].mT, sizes.square() / sizes.square().sum()
        for kind, colour in enumerate(_COLOURS):
            mine = labels[:, 1] == kind
            axis.scatter(places[mine, 0], places[mine, 1], s=9, c=colour, alpha=0.6, label=_KINDS[kind])
        axis.set_title(name, fontsize=10)
        axis.set_xlabel(f"first axis ({float(shares[0]):.0%} of the variance)", fontsize=9)
        axis.set_ylabel(f"second axis ({float(shares[1]):.0%})", fontsize=9)
        axis.tick_params(labelsize=8)
    axes[0].legend(fontsize=8)
    saved_small(figure, path)


def parting(path: Path) -> None:
    """The Gaussian mixture's hard masks fitted on embeddings of the training textiles (of the bundled network with soft
    masks): which of its 32 features belong to which level, and the mean of each feature for each kind of textile.
    """
    images, labels = textiles.textiles("train")
    embedding = _embedded(images, "embedding")
    masks = hard_masks(embedding, labels, zoo.config("feature-hmlc-hard/textiles").descriptor, 0)
    scaled = (embedding - embedding.mean(0)) / embedding.std(0).clamp(min=1e-6)
    means = torch.stack([scaled[labels[:, 1] == kind].mean(0) for kind in range(len(_KINDS))])
    order = masks.argmax(0).argsort(stable=True)
    figure = new_figure(figsize=(8, 3.4))
    above, below = figure.subplots(2, 1)
    above.imshow(masks[:, order], cmap="Greys", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    above.set_yticks(range(2), ["coarse", "fine"])
    above.set_title("mask (black: belongs to the level)", fontsize=10)
    drawn = below.imshow(means[:, order], cmap="RdBu", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    below.set_yticks(range(len(_KINDS)), _KINDS)
    below.set_xlabel("feature, ordered by its level", fontsize=9)
    for axis in (above, below):
        axis.set_xticks(range(0, masks.shape[1], 4), [str(int(each)) for each in order[::4]])
    figure.colorbar(drawn, ax=[above, below], label="mean (deviations)")
    saved_small(figure, path)


def terms(path: Path) -> None:
    """The loss terms of 40 batches of held-out textile images, embedded by the bundled network from two views each: HMC
    lets the coarse term lie below the fine one, HCE and HMCE, whose terms agree, never do.
    """
    images, labels = textiles.textiles("held-out")
    generator = torch.Generator().manual_seed(0)
    figure = new_figure(figsize=(5.5, 4.2))
    axis = figure.subplots()
    points: dict[str, list[tuple[float, float]]] = {"hmc": [], "hmce": []}
    for _ in range(40):
        batch = torch.randperm(len(images), generator=generator)[:24]
        views = torch.stack([_embedded(view(images[batch], generator), "embedding") for _ in range(2)], 1)
        rows = torch.cat((labels[batch], torch.arange(24)[:, None]), 1)
        for kind, found in points.items():
            terms_of = HMCE(HMCEConfig(kind=kind)).loss(functional.normalize(views, dim=-1), rows).terms
            found.append((float(terms_of[0]), float(terms_of[1])))
    for kind, marker in (("hmc", "o"), ("hmce", "x")):
        axis.scatter(*zip(*points[kind], strict=True), marker=marker, label=kind, s=28)
    low, high = axis.get_xlim()
    axis.plot([low, high], [low, high], color="grey", linewidth=1, label="equal")
    axis.set_xlabel("term of the fine level (nats)")
    axis.set_ylabel("term of the coarse level (nats)")
    axis.legend()
    saved_small(figure, path)
