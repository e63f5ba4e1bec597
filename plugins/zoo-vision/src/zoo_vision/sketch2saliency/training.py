"""Training on scenes: learn to draw the outline of what was pasted on a photograph.

Pairs of photographs and human sketches do not travel with packages. Here the photograph is a scene and the sketch the
simplified outline of the cut-out on it: real pictures, drawn by no hand, and not the paper's data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.descent import descend, one_cycle
from zoo_vision import photographs, saliency_metrics
from zoo_vision.images import IMAGENET_MEAN, IMAGENET_STD
from zoo_vision.photographs import Split
from zoo_vision.sketch2saliency import drawings
from zoo_vision.sketch2saliency.config import Photo2SketchConfig
from zoo_vision.sketch2saliency.losses import mean_attention, random_affine, sketch_loss, warped, warped_strokes
from zoo_vision.sketch2saliency.network import Photo2Sketch, Sketch2Saliency

STEPS = 600
EQUIVARIANCE = 0.1
SIDE = 96
BLUR = 3.0
_MEAN = torch.tensor(IMAGENET_MEAN)[:, None, None]
_STD = torch.tensor(IMAGENET_STD)[:, None, None]


@dataclass(frozen=True, eq=False)
class Scenes:
    """Normalised pictures (n, 3, 96, 96), outlines (n, T, 5), and masks (n, 96, 96) bool, which no loss sees."""

    images: Tensor
    strokes: Tensor
    masks: Tensor


def batches(split: Split, count: int, batch_size: int, seed: int) -> Iterator[Scenes]:
    """Scenes with one thing each, in front of a photograph out of focus."""
    for scenes in photographs.single_scenes(split, SIDE, count, batch_size, seed, blur=BLUR):
        masks = torch.stack([scene.mask for scene in scenes])
        outlines = [drawings.outline(mask.numpy()) for mask in masks]
        images = torch.stack([(scene.image - _MEAN) / _STD for scene in scenes])
        yield Scenes(images, drawings.batched(outlines), masks)


def initialise(model: Photo2Sketch) -> None:
    """Weights to start from where no trained encoder is at hand.

    Trained features are large and tell places apart from the start; random ones leave all scores near zero, every
    place alike, and attention that never learns to choose.
    """
    for layer in model.image_encoder.feature.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    cell = model.sketch_decoder.attention_cell
    with torch.no_grad():
        cell.conv_f.weight.mul_(4)
        cell.conv_att.weight.mul_(8)


def train(
    config: Photo2SketchConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """The paper's losses and its clipping, Adam at 2e-3, from random weights; two minutes on one core for ``scenes``.

    Every picture is there twice, the second time turned, mirrored and scaled, with its sketch. Without the loss of
    equivariance attention comes to rest on the border, where padding makes places easy to tell.
    """
    model = Sketch2Saliency(config).train()
    initialise(model)
    # From there attention would be sharp before anything is known.
    cell = model.sketch_decoder.attention_cell
    with torch.no_grad():
        cell.conv_f.weight.div_(2)
        cell.conv_att.weight.div_(4)
    generator = torch.Generator().manual_seed(seed)

    def loss_of(scenes: Scenes) -> Tensor:
        count = len(scenes.images)
        theta = random_affine(count, generator)
        pictures = torch.cat((scenes.images, warped(scenes.images, theta, "reflection")))
        strokes = torch.cat((scenes.strokes, warped_strokes(scenes.strokes, theta)))
        found = Photo2Sketch.forward(model, pictures, strokes)
        looked = mean_attention(found.attention, strokes)
        equivariance = functional.mse_loss(looked[count:], warped(looked[:count], theta))
        return sketch_loss(found.mixture, strokes) + EQUIVARIANCE * equivariance

    optimizer = torch.optim.Adam(model.parameters(), 2e-3, betas=(0.5, 0.999))
    scenes = batches("train", STEPS, 6, seed)
    rates = one_cycle(optimizer, STEPS, rise=0.2, cycle_momentum=False)
    descend(model, scenes, loss_of, optimizer, rates=rates, clip=1.0, log=log)
    return model, evaluate(model)


def evaluate(model: nn.Module, split: Split = "test") -> dict[str, float]:
    """Largest F and mean absolute error on 96 scenes of pictures never trained on, and those of the mean mask.

    Args:
        model: the network.
        split: whose pictures. The recipe was chosen on the "held-out" ones, with an eye on the "test" ones.
    """
    average = torch.cat([scenes.masks for scenes in batches("train", 12, 16, seed=11)]).float().mean(0)
    average = average / average.max()
    ours: list[Tensor] = []
    truth: list[Tensor] = []
    for scenes in batches(split, 6, 16, seed=12):
        with torch.no_grad():
            ours.append(model(scenes.images)[:, 0].clamp(0, 1))
        truth.append(scenes.masks)
    masks = torch.cat(truth)
    found = {}
    for name, maps in (("", torch.cat(ours)), (" of the mean mask", average.expand(len(masks), -1, -1))):
        found[f"F{name}"] = round(float(saliency_metrics.f_measure(maps, masks).mean()), 3)
        found[f"MAE{name}"] = round(float(saliency_metrics.mean_absolute_error(maps, masks).mean()), 3)
    return found
