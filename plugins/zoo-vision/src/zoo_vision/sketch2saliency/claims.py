"""Checks of the paper's claims."""

from __future__ import annotations

import torch
from torch import Tensor

import zoo
from zoo import Measurement
from zoo.nn.descent import descend
from zoo_vision.sketch2saliency import drawings, training
from zoo_vision.sketch2saliency.config import Photo2SketchConfig
from zoo_vision.sketch2saliency.decoder import Attention2D
from zoo_vision.sketch2saliency.losses import sketch_loss
from zoo_vision.sketch2saliency.network import Photo2Sketch, saliency_of

_TINY = {"encoder_widths": [8, 16, 16], "encoder_depths": [1, 1, 1], "feature_channels": 16, "latent_dim": 10}


def _small(scales: int = 1, **options: int) -> Photo2Sketch:
    torch.manual_seed(0)
    config = Photo2SketchConfig(**_TINY, hidden_dim=16, attention_dim=12, scales=scales, **options)  # type: ignore[arg-type]
    return Photo2Sketch(config).eval()


def check_distribution() -> Measurement:
    """Sums of every step's attention, of random networks of one and of three scales, over 8 x 8 places."""
    sums = []
    for scales in (1, 3):
        with torch.no_grad():
            sums.append(_small(scales).draw(torch.randn(2, 3, 64, 64), 9)[1].sum((2, 3)))
    worst = float((torch.stack(sums) - 1).abs().max())
    return Measurement(f"sums within {worst:.1e} of 1", worst < 1e-5)


def check_range() -> Measurement:
    """Lowest and highest value of maps of free runs, before they are resized."""
    with torch.no_grad():
        maps = saliency_of(_small().draw(torch.randn(4, 3, 64, 96), 20)[1])
    highest = maps.amax((1, 2))
    return Measurement(
        f"from {float(maps.min()):.3f} to exactly {float(highest.min()):g}, no label of saliency anywhere",
        bool((highest == 1).all()) and float(maps.min()) >= 0,
    )


def check_convex() -> Measurement:
    """The looked-at feature against the lowest and highest of its channel, with scores of any size."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    cell = Attention2D(16, 12, 8)
    outside = 0
    for scale in (1.0, 100.0):
        features = torch.randn(8, 16, 5, 7, generator=generator)
        with torch.no_grad():
            weights = cell(cell.conv_f(features).flatten(2).mT * scale, torch.randn(8, 12, generator=generator))
            context = (features.flatten(2) * weights[:, None]).sum(-1)
        low, high = features.flatten(2).aminmax(dim=-1)
        outside += int(((context < low - 1e-5) | (context > high + 1e-5)).sum())
    return Measurement(f"{outside} of 256 numbers outside their channel's range", outside == 0)


def _blobs(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A bright disc over three dim ones: pictures (count, 3, 64, 64), its outline (count, 13, 5), its mask."""
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")

    def discs() -> tuple[Tensor, Tensor]:
        radius = 4 + 8 * torch.rand(count, generator=generator)
        centre = 10 + 44 * torch.rand(count, 2, generator=generator)
        far = (columns - centre[:, :1, None]).square() + (rows - centre[:, 1:, None]).square()
        return radius, far < radius[:, None, None].square()

    pictures = 0.3 * torch.randn(count, 3, 64, 64, generator=generator)
    for _ in range(3):
        pictures = torch.where(discs()[1][:, None], pictures + 0.8, pictures)
    radius, masks = discs()
    outlines = torch.stack([drawings.circle(4 * size) for size in radius.tolist()])
    return torch.where(masks[:, None], pictures + 2.0, pictures), outlines, masks


def check_blobs() -> Measurement:
    """Saliency of free runs inside and outside of a bright disc, after learning to draw its outline."""
    model = _small(max_length=14)
    training.initialise(model)
    generator = torch.Generator().manual_seed(1)

    def loss_of(step: int) -> Tensor:
        pictures, outlines, _ = _blobs(16, generator)
        return sketch_loss(model(pictures, outlines).mixture, outlines)

    descend(model, range(400), loss_of, torch.optim.Adam(model.parameters(), 4e-3), clip=1.0)
    pictures, _, masks = _blobs(64, torch.Generator().manual_seed(2))
    with torch.no_grad():
        maps = model.saliency(pictures)[:, 0]
    inside, outside = float(maps[masks].mean()), float(maps[~masks].mean())
    return Measurement(
        f"{inside:.2f} inside, {outside:.2f} outside, on 64 new pictures after 400 steps",
        inside > 2 * outside,
        "three dim discs lie beside the bright one",
    )


def check_scenes() -> Measurement:
    """The bundled network's maps and the mean mask, by their largest F, on scenes of pictures that served no choice."""
    found = training.evaluate(zoo.load("sketch2saliency/scenes"))
    return Measurement(
        f"F {found['F']:.3f}, mean absolute error {found['MAE']:.3f}; the mean mask of the training "
        f"{found['F of the mean mask']:.3f} and {found['MAE of the mean mask']:.3f}",
        found["F"] > found["F of the mean mask"],
        "a small network that learned to draw outlines of cut-outs on photographs, not human sketches; 96 scenes",
    )
