"""What the paper promises and a machine can check."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

import zoo
from zoo import Measurement
from zoo_vision.feature_hmlc import training
from zoo_vision.feature_hmlc.baseline import HMCE
from zoo_vision.feature_hmlc.config import HMCEConfig, HMLCConfig
from zoo_vision.feature_hmlc.hierarchy import silhouette
from zoo_vision.feature_hmlc.mixture import hard_masks
from zoo_vision.feature_hmlc.network import HierarchicalNetwork

_STEPS = 200
_FIRST_FIT = 40
_FIT_EVERY = 40


def _network(mask: str, **fields: object) -> HierarchicalNetwork:
    torch.manual_seed(0)
    return HierarchicalNetwork(
        HMLCConfig(num_classes=[3, 12], mask=mask, encoder="mlp", in_channels=32, width=64, dim=16, d_k=8, **fields)  # type: ignore[arg-type]
    )


def _blobs(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Vectors (count, 32) of 3 classes with 4 finer ones each, and labels (count, 2). Classes are always the same."""
    fixed = torch.Generator().manual_seed(7)
    coarse, fine = 1.5 * torch.randn(3, 32, generator=fixed), torch.randn(12, 32, generator=fixed)
    label = torch.randint(12, (count,), generator=generator)
    points = coarse[label // 4] + fine[label] + torch.randn(count, 32, generator=generator)
    return points, torch.stack((label // 4, label), 1)


def _silhouettes(mask: str) -> tuple[float, float]:
    """Coarse and fine silhouette, on fresh points, of an MLP trained with masks, or with "ones" in their place."""
    model = _network("gmm" if mask == "ones" else mask)
    generator = torch.Generator().manual_seed(1)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(_STEPS):
        if mask == "gmm" and step >= _FIRST_FIT and step % _FIT_EVERY == 0:
            bank, numbers = _blobs(512, generator)
            with torch.no_grad():
                model.fit_masks(model.embed(bank), numbers)
        points, labels = _blobs(128, generator)
        views = torch.stack([points + 0.3 * torch.randn(points.shape, generator=generator) for _ in range(2)], 1)
        loss = model.loss(model.embed(views.flatten(0, 1)).unflatten(0, (-1, 2)), labels).total
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    points, labels = _blobs(600, torch.Generator().manual_seed(2))
    with torch.no_grad():
        levels = model(points)["levels"]
    return silhouette(levels[:, 0], labels[:, 0]), silhouette(levels[:, 1], labels[:, 1])


def check_masks_remove_conflict() -> Measurement:
    """Silhouette of the coarse level on its features and of the fine level on its own, against one shared embedding."""
    found = {mask: _silhouettes(mask) for mask in ("ones", "attention", "gmm")}
    plain = found["ones"]
    better = {mask: all(a > b for a, b in zip(found[mask], plain, strict=True)) for mask in ("attention", "gmm")}
    said = {"ones": "plain sum", "attention": "A-HMLC", "gmm": "G-HMLC"}
    return Measurement(
        "; ".join(f"{said[mask]} coarse {coarse:.3f}, fine {fine:.3f}" for mask, (coarse, fine) in found.items()),
        all(better.values()),
        "3 classes of 4 finer ones, an MLP 32-64-16 and 200 steps; fresh points",
    )


def _plain_sum(f: Tensor, labels: Tensor, temperature: float, base: float) -> float:
    """The sum over levels of supervised contrastive losses, row by row and pair by pair."""
    n, views, _ = f.shape
    z = functional.normalize(f, dim=-1).flatten(0, 1)
    total = 0.0
    for level in range(labels.shape[1]):
        losses = []
        for i in range(n * views):
            scores = z @ z[i] / temperature
            others = torch.arange(n * views) != i
            prefix = labels[:, : level + 1].repeat_interleave(views, 0)
            positive = (prefix == prefix[i]).all(1) & others
            losses.append(-(scores[positive] - scores[others].logsumexp(0)).mean())
        total += float(torch.stack(losses).mean()) * temperature / base
    return total


def check_masks_of_ones() -> Measurement:
    """Loss under masks of ones, of networks of either kind, against the plain sum in loops."""
    generator = torch.Generator().manual_seed(0)
    f = torch.randn(12, 2, 16, generator=generator)
    labels = torch.stack((torch.arange(12) // 6, torch.arange(12) // 3), 1)
    expected = _plain_sum(f, labels, 0.1, 0.07)
    off, apart = 0.0, 1.0
    for mask in ("attention", "mlp", "gmm"):
        model = _network(mask, balance=False)
        ones = torch.ones(12, 2, 2, 16)
        off = max(off, abs(float(model.loss(f, labels, ones).total.detach()) - expected))
        if mask != "gmm":
            apart = min(apart, abs(float(model.loss(f, labels).total.detach()) - expected))
    return Measurement(
        f"largest difference {off:.1e}; soft masks as they start differ by {apart:.2g}", off < 1e-4 and apart > 1e-3
    )


def check_soft_masks() -> Measurement:
    """Sign and mean of soft masks of random embeddings, and whether they change from sample to sample."""
    f = 3 * torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
    low, off, change = 1.0, 0.0, 1.0
    for mask in ("attention", "mlp"):
        with torch.no_grad():
            masks = _network(mask).masks(f)
        low = min(low, float(masks.min()))
        off = max(off, float((masks.mean(-1) - 1).abs().max()))
        change = min(change, float(masks.std(0).mean()))
    return Measurement(
        f"smallest {low:.2g}, mean within {off:.0e} of one; standard deviation over samples {change:.2f}",
        low >= 0 and off < 1e-5 and change > 1e-3,
    )


def check_hard_masks() -> Measurement:
    """Masks fitted to features of which 8 tell coarse classes and 8 fine ones within them."""
    generator = torch.Generator().manual_seed(0)
    fine = torch.arange(240) % 12
    coarse = fine // 4
    noise = torch.randn(240, 16, generator=generator)
    # A fine feature has the same mean in every coarse class.
    centres = torch.tensor([-3.0, -1.0, 1.0, 3.0])[
        torch.stack([torch.randperm(4, generator=generator) for _ in range(8)])
    ]
    planted = noise.clone()
    planted[:, :8] += 3 * (coarse[:, None] - 1.0)
    planted[:, 8:] += centres[:, fine % 4].T
    masks = hard_masks(planted, torch.stack((coarse, fine), 1))
    apart = bool((masks.sum(0) == 1).all())
    right = int(masks[0, :8].sum() + masks[1, 8:].sum())
    return Measurement(
        f"every feature in one level: {apart}; {right} of 16 planted features in their own level",
        apart and right == 16,
    )


def check_baseline_is_monotone() -> Measurement:
    """Terms of HCE and of HMC, fine to coarse, on random batches."""
    falls, unlimited = 0, 0
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        fine = torch.randint(6, (16,), generator=generator)
        labels = torch.stack((fine // 3, fine, torch.arange(16)), 1)
        features = functional.normalize(torch.randn(16, 2, 8, generator=generator), dim=-1)
        falls += int((HMCE(HMCEConfig("hce")).loss(features, labels).terms.diff() < 0).any())
        unlimited += int((HMCE(HMCEConfig("hmc")).loss(features, labels).terms.diff() < 0).any())
    return Measurement(
        f"a coarser term is below a finer one in {falls} of 20 batches; in {unlimited} without the maximum",
        falls == 0 and unlimited > 0,
    )


def check_textiles() -> Measurement:
    """Linear probes on the bundled network's features, held-out textiles."""
    found = training.evaluate(zoo.load("feature-hmlc/textiles"))
    return Measurement(
        f"nominal or defect {found['coarse']:.3f}, kind {found['fine']:.3f}; untrained encoder "
        f"{found['untrained_coarse']:.3f} and {found['untrained_fine']:.3f}, commonest class "
        f"{found['commonest_coarse']:.3f} and {found['commonest_fine']:.3f}",
        found["coarse"] > found["untrained_coarse"] and found["fine"] > found["untrained_fine"],
        "a small network on simulated textile images of 128 x 128 pixels",
    )
