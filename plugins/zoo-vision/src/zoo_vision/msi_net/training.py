"""Training on scenes: what was pasted on a photograph is what stands out.

No recorded gaze travels with packages, so the truth is the mask of a cut-out, smoothed; the network learns to find
the thing that does not belong to the ground. That is real data, and not the paper's task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.descent import descend
from zoo_vision import photographs
from zoo_vision.msi_net import saliency
from zoo_vision.msi_net.config import MSINetConfig
from zoo_vision.msi_net.network import MSINet
from zoo_vision.photographs import Split

STEPS = 900
SIDE = 96


def batches(split: Split, count: int, batch_size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Scenes (batch, 3, 96, 96) from 0 to 255 with one thing each, and their smoothed masks (batch, 1, 96, 96)."""
    for scenes in photographs.single_scenes(split, SIDE, count, batch_size, seed):
        masks = torch.stack([scene.mask for scene in scenes])[:, None].float()
        truth = functional.avg_pool2d(masks, 9, stride=1, padding=4)
        yield torch.stack([scene.image for scene in scenes]) * 255, truth


def train(
    config: MSINetConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """The paper's loss and Adam, from random weights; five minutes on one core for the preset ``scenes``."""
    model = MSINet(config).train()
    for layer in model.encoder.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    # Inputs reach 255: the first layer of VGG16 is trained for that, random weights are not.
    with torch.no_grad():
        next(model.encoder.parameters()).div_(64)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)

    def loss_of(batch: tuple[Tensor, Tensor]) -> Tensor:
        return saliency.loss(model(batch[0]), batch[1])

    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    descend(model, batches("train", STEPS, 8, seed), loss_of, optimizer, rates=rates, log=log)
    ours, mean_map = evaluate(model)
    return model, {"correlation": round(ours, 3), "correlation_of_mean_map": round(mean_map, 3)}


def evaluate(model: nn.Module, split: Split = "test") -> tuple[float, float]:
    """Mean correlation with the truth on 96 scenes of pictures never trained on: the network's, and the mean map's.

    Args:
        model: the network.
        split: whose pictures. "held-out" ones were watched while the recipe was chosen, "test" ones were not.
    """
    average = torch.cat([truth for _, truth in batches("train", 12, 16, seed=11)]).mean(0, keepdim=True)
    ours, baseline = [], []
    for images, truth in batches(split, 6, 16, seed=12):
        with torch.no_grad():
            ours.append(saliency.correlation(model(images), truth))
        baseline.append(saliency.correlation(average.expand_as(truth), truth))
    return float(torch.cat(ours).mean()), float(torch.cat(baseline).mean())
