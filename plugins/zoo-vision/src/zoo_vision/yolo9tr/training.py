"""Training on scenes: cut-outs on photographs, whose boxes are known exactly. Real data, and not the paper's task."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from zoo.nn.descent import descend, one_cycle
from zoo_vision import photographs
from zoo_vision.boxes import Detections, average_precision, overlap
from zoo_vision.photographs import Split
from zoo_vision.yolo9tr.config import YOLO9trConfig
from zoo_vision.yolo9tr.losses import loss
from zoo_vision.yolo9tr.network import DETECT, YOLO9tr

STEPS = 1500
SIDE = 96
_MOST_THINGS = 3
_LEAST_SIDE = 6.0


def batches(split: Split, count: int, batch_size: int, seed: int) -> Iterator[tuple[Tensor, list[Detections]]]:
    """Scenes (batch, 3, 96, 96) in [0, 1] with one to three things, and the boxes of what is visible, of one class."""
    generator = torch.Generator().manual_seed(seed)
    grounds = [photographs.photograph(name, 2 * SIDE) for name in photographs.photograph_names(split)]
    things = photographs.cutout_list(split)
    for _ in range(count):
        scenes, truth = [], []
        for _ in range(batch_size):
            ground = grounds[int(torch.randint(len(grounds), (), generator=generator))]
            number = 1 + int(torch.randint(_MOST_THINGS, (), generator=generator))
            chosen = [things[index] for index in torch.randint(len(things), (number,), generator=generator).tolist()]
            scene = photographs.scene(ground, chosen, SIDE, SIDE, generator)
            seen = (scene.boxes[:, 2:] - scene.boxes[:, :2]).amin(1) >= _LEAST_SIDE
            scenes.append(scene.image)
            truth.append(of_one_class(scene.boxes[seen]))
        yield torch.stack(scenes), truth


def of_one_class(boxes: Tensor) -> Detections:
    """Boxes as detections of class 0 with score 1."""
    return Detections(boxes, torch.ones(len(boxes)), torch.zeros(len(boxes), dtype=torch.long))


def train(
    config: YOLO9trConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Both heads' losses with AdamW, from random weights; three minutes on one core for the preset ``scenes``."""
    # The bundled weights began when a network was built once for each of its layers: so many draws, one layer of each.
    drawn = [YOLO9tr(config).model[place] for place in range(DETECT + 1)]
    model = YOLO9tr(config)
    model.model = nn.ModuleList(drawn)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 4e-3, weight_decay=5e-4)

    def loss_of(batch: tuple[Tensor, list[Detections]]) -> Tensor:
        return loss(model, *batch)

    rates = one_cycle(optimizer, STEPS)
    descend(model, batches("train", STEPS, 8, seed), loss_of, optimizer, rates=rates, clip=10.0, log=log)
    return model, {name: round(value, 3) for name, value in evaluate(model).items()}


def evaluate(model: YOLO9tr, split: Split = "test") -> dict[str, float]:
    """Average precision at overlap 0.5 on 96 scenes of pictures never trained on.

    Beside the network: the eight boxes that are, each in turn, found most often in training scenes, given for every
    scene alike.

    Args:
        model: the network.
        split: whose pictures. "held-out" ones were watched while the recipe was chosen, "test" ones were not.
    """
    truth: list[Detections] = []
    found: list[Detections] = []
    for images, right in batches(split, 6, 16, seed=12):
        with torch.no_grad():
            found += model.detect(images, least_score=0.001, threshold=0.6)
        truth += right
    fixed = usual_boxes()
    return {
        "average_precision": average_precision(found, truth),
        "fixed_boxes": average_precision([fixed] * len(truth), truth),
    }


def usual_boxes(count: int = 8) -> Detections:
    """The boxes of training scenes that overlap most others by half or more, less what those before them hit."""
    known = torch.cat([item.boxes for _, truth in batches("train", 12, 16, seed=11) for item in truth])
    hits = overlap(known, known) >= 0.5
    free = torch.ones(len(known), dtype=torch.bool)
    chosen, scores = [], []
    for _ in range(count):
        gains = (hits & free).sum(1)
        best = int(gains.argmax())
        chosen.append(best)
        scores.append(float(gains[best]) / len(known))
        free &= ~hits[best]
    return Detections(known[chosen], torch.tensor(scores), torch.zeros(count, dtype=torch.long))
