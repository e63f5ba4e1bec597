"""``zoo predict`` on a real photograph: every entry that answers to one, with the weights it has or without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import zoo
from zoo.cli import cli
from zoo.datasets import handwritten_digits
from zoo_vision import photographs

# The photograph is wide and of odd sides.
WIDTH, HEIGHT = 131, 75
ENTRIES = {offer.entry.id: offer.entry for offer in zoo.entries(plugin="vision") if offer.entry.predict}
# Answers that are pictures of the photograph's own size.
OF_ITS_SIZE = {
    "att-swin-unet": "mask",
    "att-swin-unet-plain": "mask",
    "firm": "transmission",
    "mccl": "map-1",
    "msi-net": "saliency",
    "rasm": "picture",
    "select-and-pack": "selection",
    "sketch2saliency": "saliency",
    "sketch2saliency-photo2sketch": "saliency",
    "yolo9tr": "picture",
}
TABLES = {"ddst-relations": "relations", "focusclip": "texts", "yolo9tr": "detections", "feature-hmlc": "level 1"}


def presets() -> list[str]:
    """Of every entry the presets with bundled weights, and the smallest one without."""
    found = []
    for name, entry in ENTRIES.items():
        bundled = [preset for preset, weights in entry.weights.items() if weights.uri.startswith("package:")]
        found += [f"{name}/{preset}" for preset in bundled]
        found += [f"{name}/{preset}" for preset in ("test", "tiny") if preset in entry.presets][:1]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A photograph of scikit-image, a mask and texts beside it, and a handwritten digit of scikit-learn."""
    place = tmp_path_factory.mktemp("predict")
    skimage = pytest.importorskip("skimage.data")
    photograph = Image.fromarray(skimage.astronaut()).crop((40, 0, 40 + 4 * WIDTH, 4 * HEIGHT))
    photograph.resize((WIDTH, HEIGHT)).save(place / "photo.png")
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[20:50, 30:80] = 255
    Image.fromarray(mask).save(place / "photo-mask.png")
    (place / "photo.txt").write_text("a photograph of a person\na photograph of a dog\n")
    digit = (handwritten_digits()[2][0] * 255).round().byte().numpy()
    Image.fromarray(digit).resize((80, 80), Image.Resampling.NEAREST).save(place / "digit.png")
    return place


def told(name: str, source: Path, out: Path) -> dict[str, Any]:
    result = CliRunner().invoke(cli, ["predict", name, str(source), "--out", str(out)])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


@pytest.mark.parametrize("name", presets())
def test_a_photograph_gets_an_answer(name, folder, tmp_path):
    entry = name.partition("/")[0]
    answer = told(name, folder / "photo.png", tmp_path)
    assert answer
    for value in answer.values():
        if isinstance(value, str) and value.endswith(".png"):
            with Image.open(value) as picture:
                picture.load()
    if entry in OF_ITS_SIZE:
        with Image.open(answer[OF_ITS_SIZE[entry]]) as picture:
            assert picture.size == (WIDTH, HEIGHT)
    elif entry.startswith("a2n"):
        scale = zoo.config(name).scale
        with Image.open(answer["picture"]) as picture:
            assert picture.size == (scale * WIDTH, scale * HEIGHT)
    elif not set(answer) & {"classes", *TABLES.values()}:
        pytest.fail(f"neither picture nor table: {sorted(answer)}")
    for row in answer.get("classes", []):
        assert 0 <= row["probability"] <= 1


@pytest.mark.parametrize(
    "name", [name for name in presets() if name.endswith("/digits") and name != "focusclip/digits"]
)
def test_a_handwritten_digit_is_told(name, folder, tmp_path):
    answer = told(name, folder / "digit.png", tmp_path)
    right = int(handwritten_digits()[3][0])
    concepts = answer.get("concepts")
    best = concepts[0]["concept"] if concepts else answer["classes"][0]["class"]
    assert best == right
    if concepts:
        assert answer["classes"][0]["class"] == ("even", "odd")[right % 2]


def test_what_was_pasted_is_found_by_the_bundled_networks(tmp_path):
    """An animal in the middle of a photograph, neither of which a network has seen: in three of four tries or more."""
    try:
        grounds = [photographs.photograph(name, 192) for name in photographs.photograph_names("test")]
        things = photographs.cutout_list("test", "animals")
    except zoo.errors.MissingDependency as error:
        pytest.skip(str(error))
    right = dict.fromkeys(("msi-net/scenes", "att-swin-unet/scenes"), 0)
    side = 96
    for index in range(4):
        thing = things[5 * index]
        canvas = grounds[index][:side, :side].copy()
        size = max(thing.mask.shape)
        patch = Image.new("RGBA", (size, size))
        cut = Image.fromarray(np.dstack((thing.pixels, thing.mask.astype(np.uint8) * 255)))
        patch.paste(cut, ((size - cut.width) // 2, (size - cut.height) // 2))
        patch = patch.resize((48, 48))
        scene = Image.fromarray(canvas)
        scene.paste(patch, (24, 24), patch)
        inside = np.zeros((side, side), bool)
        inside[24:72, 24:72] = np.asarray(patch)[..., 3] > 127
        scene.save(tmp_path / "scene.png")
        for name in right:
            answer = told(name, tmp_path / "scene.png", tmp_path)
            with Image.open(answer["mask" if "mask" in answer else "saliency"]) as picture:
                values = np.asarray(picture.convert("L"), dtype=float)
            right[name] += int(values[inside].mean() > 2 * values[~inside].mean())
    assert min(right.values()) >= 3, right


@pytest.mark.parametrize("name", sorted(ENTRIES))
@pytest.mark.parametrize("source", ["absent.png", "cut.png", "folder"])
def test_what_is_no_picture_is_told_so(name, source, folder, tmp_path):
    (tmp_path / "cut.png").write_bytes((folder / "photo.png").read_bytes()[:900])
    (tmp_path / "folder").mkdir()
    preset = next((each for each in ("test", "tiny", "tower") if each in ENTRIES[name].presets), None)
    result = CliRunner().invoke(cli, ["predict", f"{name}/{preset}", str(tmp_path / source), "--out", str(tmp_path)])
    assert isinstance(result.exception, zoo.InputError), result.output
    folder_told = "holds no image" if name == "mccl" else "is a folder; expected a file"
    assert (folder_told if source == "folder" else "cannot be read as an image") in str(result.exception)


def test_classes_have_the_names_that_weights_know(folder, tmp_path):
    answer = told("feature-hmlc/textiles", folder / "photo.png", tmp_path)
    assert {row["class"] for row in answer["level 0"]} == {"nominal", "defective"}
    assert {row["class"] for row in answer["level 1"]} == {"nominal", "local defect", "global defect"}
    for name in ("feature-hmlc/textiles", "concept-centric-transformer/digits"):
        with pytest.raises(zoo.ConfigError, match="3 class_names"):
            zoo.load(name, weights=None, class_names=["a", "b", "c"])
    assert set(told("att-swin-unet/scenes", folder / "photo.png", tmp_path)["shares"]) == {"outside", "mask"}
