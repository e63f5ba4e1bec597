"""The two heads without anchors, and boxes from what they give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo_vision.yolo9tr.blocks import Conv
from zoo_vision.yolo9tr.config import STRIDES, YOLO9trConfig

_GROUPS = 4


class Distances(nn.Module):
    """The mean of a distribution over 0, 1, .., reg_max - 1: a 1 x 1 convolution whose weights are those constants."""

    def __init__(self, reg_max: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(reg_max, 1, 1, bias=False).requires_grad_(False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The constants."""
        weight = self.conv.weight
        with torch.no_grad():
            weight.copy_(torch.arange(weight.shape[1], dtype=weight.dtype, device=weight.device).view_as(weight))

    def forward(self, logits: Tensor) -> Tensor:
        """(batch, 4 reg_max, cells) to (batch, 4, cells), in cells."""
        bins = logits.unflatten(1, (4, -1)).softmax(2)
        return self.conv(bins.transpose(1, 2))[:, 0]


def _box_branch(dim: int, width: int, reg_max: int, eps: float) -> nn.Sequential:
    return nn.Sequential(
        Conv(dim, width, 3, eps=eps),
        Conv(width, width, 3, groups=_GROUPS, eps=eps),
        nn.Conv2d(width, 4 * reg_max, 1, groups=_GROUPS),
    )


def _class_branch(dim: int, width: int, num_classes: int, eps: float) -> nn.Sequential:
    return nn.Sequential(Conv(dim, width, 3, eps=eps), Conv(width, width, 3, eps=eps), nn.Conv2d(width, num_classes, 1))


class DualDetect(nn.Module):
    """Branches of boxes and classes for two times three maps: ``cv2``, ``cv3`` auxiliary, ``cv4``, ``cv5`` main."""

    def __init__(self, config: YOLO9trConfig) -> None:
        super().__init__()
        self.config = config
        branches = [branch for dims in (config.aux_channels, config.main_channels) for branch in self._branches(dims)]
        self.cv2, self.cv3, self.cv4, self.cv5 = branches
        self.dfl, self.dfl2 = Distances(config.reg_max), Distances(config.reg_max)
        self.reset_parameters()

    def _branches(self, dims: Sequence[int]) -> tuple[nn.ModuleList, nn.ModuleList]:
        config = self.config
        box, bins, count = config.box_branch, config.reg_max, config.num_classes
        width = box or math.ceil(max(dims[0] // 4, 4 * bins, 16) / _GROUPS) * _GROUPS
        classes = config.class_branch or max(dims[0], min(2 * count, 128))
        return (
            nn.ModuleList(_box_branch(dim, width, bins, config.eps) for dim in dims),
            nn.ModuleList(_class_branch(dim, classes, count, config.eps) for dim in dims),
        )

    def reset_parameters(self) -> None:
        """Boxes of equal chances; classes as rare as five objects of each in a 640 x 640 image."""
        for boxes, classes in ((self.cv2, self.cv3), (self.cv4, self.cv5)):
            for box, label, stride in zip(boxes, classes, STRIDES, strict=True):
                nn.init.ones_(box[-1].bias)  # type: ignore[index]
                rate = 5 / self.config.num_classes / (640 / stride) ** 2
                nn.init.constant_(label[-1].bias, math.log(rate))  # type: ignore[index]

    def forward(self, aux: Sequence[Tensor], main: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Raw answers of both heads: per map (batch, 4 reg_max + num_classes, H, W), boxes first."""
        return self._raw(aux, self.cv2, self.cv3), self._raw(main, self.cv4, self.cv5)

    @staticmethod
    def _raw(maps: Sequence[Tensor], boxes: nn.ModuleList, classes: nn.ModuleList) -> list[Tensor]:
        triples = zip(maps, boxes, classes, strict=True)
        return [torch.cat((box(x), label(x)), 1) for x, box, label in triples]

    def decode(self, raw: Sequence[Tensor], distances: Distances) -> Tensor:
        """Boxes in pixels and class probabilities.

        Args:
            raw: of one head.
            distances: ``dfl`` of the auxiliary head, ``dfl2`` of the main one.

        Returns:
            (batch, 4 + num_classes, cells): centre x and y, width, height, probabilities; cells by stride, then row.
        """
        flat = torch.cat([answers.flatten(2) for answers in raw], 2)
        logits, classes = flat.split((4 * self.config.reg_max, self.config.num_classes), 1)
        centres, strides = cells(raw)
        near, far = distances(logits).chunk(2, 1)
        boxes = torch.cat((centres + (far - near) / 2, near + far), 1) * strides
        return torch.cat((boxes, classes.sigmoid()), 1)


def cells(raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Centres (2, cells) of all cells as x, y in cells, and their strides (1, cells), in the type of the maps."""
    centres, strides = [], []
    for answers, stride in zip(raw, STRIDES, strict=True):
        height, width = answers.shape[2:]
        options: dict[str, Any] = {"dtype": answers.dtype, "device": answers.device}
        rows, columns = torch.meshgrid(
            torch.arange(height, **options) + 0.5, torch.arange(width, **options) + 0.5, indexing="ij"
        )
        centres.append(torch.stack((columns.flatten(), rows.flatten())))
        strides.append(torch.full((1, height * width), float(stride), **options))
    return torch.cat(centres, 1), torch.cat(strides, 1)
