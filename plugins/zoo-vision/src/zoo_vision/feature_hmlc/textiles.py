"""Textile images with labels on two levels: nominal or defective, and what kind of defect.

2,000 images of 250 x 250 pixels from the package ``conformal-clip-data`` (MIT), whose authors call them simulated:
1,000 nominal ones, 500 with a local and 500 with a global defect. One in four is held out, by a digest of its name.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zoo.errors import MissingDependency
from zoo_vision.photographs import Split, half

SIDE = 128
# Folder -> (coarse, fine).
KINDS = {"nominal": (0, 0), "local": (1, 1), "global": (1, 2)}


@lru_cache(maxsize=2)
def textiles(split: Split) -> tuple[Tensor, Tensor]:
    """Images (n, 1, 128, 128) float32 in [-1, 1], and labels (n, 2): nominal 0 or defect 1; nominal, local, global.

    Raises:
        MissingDependency: conformal-clip-data is not installed.
    """
    spec = find_spec("conformal_clip_data")
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise MissingDependency("textile images are in a package. Run: pip install --no-deps conformal-clip-data")
    pixels, labels = [], []
    for kind, levels in KINDS.items():
        for path in sorted((Path(places[0]) / "data/textile_images/simulated" / kind).glob("*.jpg")):
            if half(f"{kind}/{path.name}") == split:
                with Image.open(path) as image:
                    small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
                pixels.append(np.asarray(small, dtype=np.float32))
                labels.append(levels)
    return torch.from_numpy(np.stack(pixels))[:, None] / 127.5 - 1, torch.tensor(labels)
