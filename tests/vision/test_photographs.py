"""Scenes made of real photographs and cut-outs: what is known of them is true."""

from __future__ import annotations

import pytest
import torch

from zoo.errors import MissingDependency
from zoo_vision import photographs


@pytest.fixture(scope="module")
def things():
    try:
        return photographs.cutout_list("train")
    except MissingDependency as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def ground():
    try:
        names = photographs.photograph_names("train")
    except MissingDependency as error:
        pytest.skip(str(error))
    return photographs.photograph(names[0], 128)


def test_no_picture_is_in_both_halves(things):
    held = {item.name for item in photographs.cutout_list("held-out")}
    assert held
    assert not held & {item.name for item in things}
    assert set(map(photographs.half, held)) == {"held-out"}


def test_tests_have_pictures_of_their_own(things):
    used = {split: {item.name for item in photographs.cutout_list(split)} for split in ("train", "held-out", "test")}
    assert not used["test"] & (used["train"] | used["held-out"])
    # No second picture of the same thing either.
    assert "vehicles/construction/dumper" in {photographs._thing(name) for name in used["train"] | used["held-out"]}
    assert photographs._thing("animals/mammals/cats/lion-2.png") == "animals/mammals/cats/lion"
    names = {split: set(photographs.photograph_names(split)) for split in used}
    assert not names["test"] & (names["train"] | names["held-out"])
    assert photographs.photograph(sorted(names["test"])[0], 64).shape[2] == 3


def test_masks_and_boxes_are_those_of_what_was_pasted(things, ground):
    made = photographs.scene(ground, things[:3], 96, 128, torch.Generator().manual_seed(0))
    empty = photographs.scene(ground, (), 96, 128, torch.Generator().manual_seed(0))
    assert made.image.shape == (3, 96, 128)
    assert made.masks.shape == (3, 96, 128)
    # Outside the mask nothing changed: the same window of the same photograph.
    assert torch.equal(made.image[:, ~made.mask], empty.image[:, ~made.mask])
    assert not (made.masks.sum(0) > 1).any()
    for mask, box in zip(made.masks, made.boxes, strict=True):
        x1, y1, x2, y2 = box.int().tolist()
        assert mask[y1:y2, x1:x2].sum() == mask.sum()
        assert mask[y1].any()
        assert mask[y2 - 1].any()
        assert mask[:, x1].any()
        assert mask[:, x2 - 1].any()


def test_a_seed_makes_one_scene(things, ground):
    first, second = (photographs.scene(ground, things[:2], 64, 64, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first.image, second.image)


def test_captions_are_those_of_the_package_and_mirrored_ones_have_their_originals(things):
    assert photographs.caption("animals/birds/gander.png") == "A gander."
    mirrored = "vehicles/construction/dumper_mirror.png"
    assert photographs.caption(mirrored) == photographs.caption("vehicles/construction/dumper.png")
    assert photographs.caption("nothing/of/that/name.png") == ""
    only = next(photographs.single_scenes("train", 32, 1, 3, seed=0, things=things[:1]))
    assert {scene.names for scene in only} == {(things[0].name,)}
