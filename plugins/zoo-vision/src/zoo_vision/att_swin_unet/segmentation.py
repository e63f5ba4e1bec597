"""Pictures in, masks out, and how good a mask is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError
from zoo_vision import images
from zoo_vision.att_swin_unet.config import AttSwinUNetConfig
from zoo_vision.att_swin_unet.network import AttSwinUNet

THRESHOLD = 0.5


def probabilities(logits: Tensor) -> Tensor:
    """(batch, classes, H, W) to probabilities: one class by a sigmoid, several by a softmax over them."""
    return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)


def labels(logits: Tensor, threshold: float = THRESHOLD) -> Tensor:
    """(batch, classes, H, W) to the class of every pixel, (batch, H, W) int64; of one class 0 or 1."""
    if logits.shape[1] == 1:
        return (logits[:, 0].sigmoid() > threshold).long()
    return logits.argmax(1)


@dataclass(frozen=True)
class Agreement:
    """How well masks agree with the truth, each (batch,), in [0, 1].

    Args:
        dice: 2 |A and B| / (|A| + |B|), which is the F1 score; 1 where both are empty.
        sensitivity: share of the true pixels that were found; 1 where there are none.
        specificity: share of the other pixels that were left out; 1 where there are none.
        accuracy: share of pixels that are right.
    """

    dice: Tensor
    sensitivity: Tensor
    specificity: Tensor
    accuracy: Tensor


def agreement(masks: Tensor, truth: Tensor) -> Agreement:
    """Compare boolean masks of one shape, the batch first.

    Raises:
        InputError: the shapes differ, or one is not boolean.
    """
    if masks.shape != truth.shape or masks.dtype != torch.bool or truth.dtype != torch.bool:
        raise InputError(
            f"masks {list(masks.shape)} of {masks.dtype} and truth {list(truth.shape)} of {truth.dtype}; expected two "
            "boolean tensors of one shape"
        )
    found, true = masks.flatten(1), truth.flatten(1)
    both, neither = (found & true).sum(1), (~found & ~true).sum(1)
    size = found.shape[1]

    def share(part: Tensor, whole: Tensor) -> Tensor:
        return torch.where(whole > 0, part / whole.clamp(min=1), 1.0)

    return Agreement(
        dice=share(2 * both, found.sum(1) + true.sum(1)),
        sensitivity=share(both, true.sum(1)),
        specificity=share(neither, size - true.sum(1)),
        accuracy=(both + neither) / size,
    )


def preprocess(config: AttSwinUNetConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A path, PIL image or array, grey or in colour, stretched to the config's square, in [0, 1]."""

    def prepare(source: Any) -> dict[str, Tensor]:
        return {"images": images.stretched_tensor(source, config.image_size, config.image_size)}

    return prepare


def predict(model: AttSwinUNet, config: AttSwinUNetConfig, source: Any) -> dict[str, Any]:
    """The mask as a picture of the source's size, and which share of the picture every class has.

    One class is drawn white; several get greys, class 0 black.
    """
    picture = images.open_image(source)
    parameter = next(model.parameters())
    tensor = preprocess(config)(picture)["images"].to(parameter.device, parameter.dtype)
    with torch.no_grad():
        logits = model(tensor).float()
    full = functional.interpolate(logits, size=(picture.height, picture.width), mode="bilinear", align_corners=False)
    found = labels(full)[0]
    top = max(1, config.num_classes - 1)
    shares = torch.bincount(found.flatten(), minlength=top + 1) / found.numel()
    names = ["outside", "mask"] if config.num_classes == 1 else [str(index) for index in range(config.num_classes)]
    return {
        "mask": images.to_picture(found.float() / top),
        "shares": {name: round(value, 4) for name, value in zip(names, shares.tolist(), strict=True)},
    }
