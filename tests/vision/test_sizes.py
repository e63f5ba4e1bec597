"""No hidden dependence on size: every network and layer of the plugin takes one image of any sides, or says why not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves

import zoo
from zoo.errors import ZooError
from zoo.targets import resolve

SIDES = ((33, 47), (50, 31), (64, 97))
SMALL = ("tiny", "test")

# Height and width stand before the channels.
CHANNELS_LAST = {"rasm-neighborhood-attention", "select-and-pack-attention"}

# Whose mathematics fix the number of tokens or of regions, and what the error says of it.
FIXED = {
    "ninformer": "expected",
    "concept-centric-transformer": "resize",
    "context-cluster": "equal regions",
    "context-cluster-operator": "equal regions",
    "ddst-relations": "expected",
    "focusclip": "expected",
    "mccl-adversary": "resize",
}
# Sequences of tokens or vectors: there is no height.
WITHOUT_SIDES = {
    "att-swin-unet-cross-contextual",
    "concept-centric-transformer-head",
    "ddst",
    "dynamicvis-region-mixer",
    "mccl-memory",
    "ninformer-block",
    "sketch2saliency-decoder",
}
# What these answer lies on the grid of the image's pixels.
DENSE = {"att-swin-unet", "att-swin-unet-plain", "firm", "mccl", "msi-net", "rasm", "sketch2saliency"}
ENLARGING = {"a2n", "a2n-m"}

ENTRIES = {offer.entry.id: offer.entry for offer in zoo.entries(kind="model", plugin="vision")}


def one(name: str, sides: tuple[int, int]) -> tuple[Any, dict[str, Any]]:
    """The smallest preset of an entry, and its example with a batch of one whose maps have these sides."""
    entry = ENTRIES[name]
    preset = next((each for each in SMALL if each in entry.presets), None)
    model = zoo.load(f"{name}/{preset}" if preset else name, weights=None)
    arguments = resolve(entry.example)(model.config if hasattr(model, "config") else zoo_config(name, preset), 1)
    generator = torch.Generator().manual_seed(0)
    for key, value in arguments.items():
        if isinstance(value, torch.Tensor) and value.ndim >= 4:
            shape = list(value.shape)
            for axis, side in zip((1, 2) if name in CHANNELS_LAST else (-2, -1), sides, strict=True):
                shape[axis] = side
            arguments[key] = torch.rand(shape, generator=generator)
    return model, arguments


def zoo_config(name: str, preset: str | None) -> Any:
    from zoo.configuration import merge

    return merge(ENTRIES[name], preset, {}).instance


def test_every_entry_is_named_or_takes_any_sides():
    assert set(FIXED) | WITHOUT_SIDES | DENSE | ENLARGING <= set(ENTRIES)
    assert not set(FIXED) & WITHOUT_SIDES


@pytest.mark.parametrize("name", sorted(set(ENTRIES) - set(FIXED) - WITHOUT_SIDES))
@pytest.mark.parametrize("sides", SIDES, ids=lambda sides: "x".join(map(str, sides)))
def test_one_image_of_odd_sides(name, sides):
    model, arguments = one(name, sides)
    with torch.no_grad():
        answer = model(**arguments)
    if not isinstance(answer, torch.Tensor | tuple | list | dict):
        answer = vars(answer)
    found = [leaf for leaf in tree_leaves(answer) if isinstance(leaf, torch.Tensor)]
    assert found
    assert all(leaf.isfinite().all() for leaf in found if leaf.is_floating_point())
    if name in DENSE:
        assert tuple(found[0].shape[-2:]) == sides
    if name in ENLARGING:
        assert tuple(found[0].shape[-2:]) == tuple(model.config.scale * side for side in sides)


@pytest.mark.parametrize("name", sorted(FIXED))
def test_what_is_bound_to_a_size_says_so(name):
    model, arguments = one(name, (33, 47))
    with pytest.raises(ZooError, match=FIXED[name]):
        model(**arguments)


PYRAMIDS = (
    "context-cluster",
    "dynamicvis",
    "dynamicvis-classifier",
    "select-and-pack",
    "shiftvit",
    "triplet-attention-mobilenetv2",
    "triplet-attention-resnet",
)


@pytest.mark.parametrize("name", PYRAMIDS)
def test_backbones_give_pyramids_of_four_strides(name):
    model, arguments = one(name, (96, 64))
    # The smallest ResNet has the stem for small images.
    strides = (1, 2, 4, 8) if name == "triplet-attention-resnet" else (4, 8, 16, 32)
    with torch.no_grad():
        maps = model(arguments["images"], features=True)
    assert [tuple(each.shape[2:]) for each in maps] == [(96 // stride, 64 // stride) for stride in strides]


PICTURES = sorted(name for name in ENTRIES if name not in WITHOUT_SIDES and ENTRIES[name].predict)


@pytest.mark.parametrize("name", PICTURES)
def test_what_is_no_batch_of_images_is_refused_by_name(name):
    """The bytes of a picture above all: torch would speak of biases, or take them for what they are not."""
    entry = ENTRIES[name]
    preset = next((each for each in SMALL if each in entry.presets), None)
    model = zoo.load(f"{name}/{preset}" if preset else name, weights=None)
    arguments = resolve(entry.example)(zoo_config(name, preset), 2)
    key = next(iter(arguments))
    images = arguments[key]
    with pytest.raises(ZooError, match="expected floats, as `preprocess` makes them"):
        model(**{**arguments, key: (images * 10).to(torch.uint8)})
    for wrong in (images[..., :0], images[..., 0, :, :], images[:, :2] if images.ndim == 4 else images[:, :, :2]):
        with pytest.raises(ZooError, match="expected"):
            model(**{**arguments, key: wrong})
