"""Pictures in, maps out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError
from zoo_vision import images
from zoo_vision.mccl.config import MCCLConfig
from zoo_vision.mccl.network import MCCL

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


def group_of(source: Any) -> list[Any]:
    """The images that a source means: a list of paths, PIL images or arrays, all in a folder, or a single one.

    Raises:
        InputError: there is none.
    """
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        group = list(source)
    elif isinstance(source, str | Path) and os.path.isdir(source):
        group = sorted(path for path in Path(source).iterdir() if path.suffix.lower() in _SUFFIXES)
    else:
        group = [source]
    if not group:
        raise InputError(f"{source} holds no image; expected {', '.join(_SUFFIXES)}")
    return group


def preprocess(config: MCCLConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A group (see ``group_of``), every image stretched to the config's square, by ImageNet's statistics."""

    def prepare(source: Any) -> dict[str, Tensor]:
        side = config.image_size
        tensors = [
            images.stretched_tensor(image, side, side, images.IMAGENET_MEAN, images.IMAGENET_STD)
            for image in group_of(source)
        ]
        return {"images": torch.cat(tensors)}

    return prepare


def predict(model: MCCL, config: MCCLConfig, source: Any) -> dict[str, Any]:
    """For every image of a group a grey picture of its size, bright where it shows what the group has in common."""
    group = [images.open_image(image) for image in group_of(source)]
    parameter = next(model.parameters())
    tensor = preprocess(config)(group)["images"].to(parameter.device, parameter.dtype)
    with torch.no_grad():
        maps = model(tensor).sigmoid().float()
    found = {}
    for index, (picture, image) in enumerate(zip(group, maps, strict=True)):
        size = (picture.height, picture.width)
        full = functional.interpolate(image[None], size=size, mode="bilinear", align_corners=True)
        found[f"map-{index + 1}"] = images.to_picture(full[0, 0])
    return found
