"""The picture of the card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from zoo.errors import MissingDependency
from zoo.evidence.plots import new_figure, saved
from zoo.targets import require
from zoo_activity.virt.config import VIRTConfig
from zoo_activity.virt.gaze import NAMES, colour_boxes, enlarged, roi_align

_PHOTOGRAPH = Path("/usr/share/doc/opencv-doc/examples/data/squirrel_cls.jpg")


def gaze(path: Path) -> None:
    """The gaze on a photograph: the box of its red pixels, and the crop around it that enters as well."""
    if not _PHOTOGRAPH.is_file():
        raise MissingDependency(f"the photograph needs Debian's package opencv-doc, for {_PHOTOGRAPH.name}")
    config = VIRTConfig()
    photograph = require("PIL.Image", needed_by="pictures").open(_PHOTOGRAPH).convert("RGB")
    picture = photograph.resize((config.image_width, config.image_height))
    image = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None, None].float() / 255
    box = colour_boxes(image, torch.tensor([NAMES.index("red")]), (0, 0, 0), (1, 1, 1))
    wide = enlarged(box, config.crop_scale, config.image_width, config.image_height)
    crop = roi_align(image, wide, config.roi_width, config.roi_height)[0, 0]
    figure = new_figure(figsize=(10, 3.9))
    left, right = figure.subplots(1, 2)
    left.imshow(picture)
    for edges, colour, label in (
        (box, "#e69f00", "red pixels"),
        (wide, "#56b4e9", f"{config.crop_scale:g} times as large"),
    ):
        x1, y1, x2, y2 = edges[0, 0].tolist()
        left.plot((x1, x2, x2, x1, x1), (y1, y1, y2, y2, y1), color=colour, linewidth=2.5, label=label)
    left.legend(loc="lower right", fontsize=9)
    left.set_title(f"the whole image, {config.image_width} x {config.image_height} pixels", fontsize=10)
    right.imshow(crop.permute(1, 2, 0).clamp(0, 1))
    right.set_title(
        f'instruction "red": the crop, as many pixels again ({config.roi_width} x {config.roi_height})', fontsize=10
    )
    for axis in (left, right):
        axis.set_xticks([])
        axis.set_yticks([])
    saved(figure, path)
