"""Real data that travels with packages: for trainings that anyone can repeat offline."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.targets import require

HELD_OUT = 360


def handwritten_digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images (1437, 8, 8) in [0, 1], their labels, held-out images (360, 8, 8), their labels.

    scikit-learn's 1,797 digits (UCI, Alpaydin and Kaynak 1998). The split is fixed: a permutation of seed 0, whose
    last 360 images are held out.
    """
    data = require("sklearn.datasets", needed_by="the handwritten digits").load_digits()
    images = torch.from_numpy(data.images).float() / 16
    labels = torch.from_numpy(data.target).long()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    train, held = order[:-HELD_OUT], order[-HELD_OUT:]
    return images[train], labels[train], images[held], labels[held]
