"""Real photographs and cut-outs that come with ordinary packages, and scenes made of them.

* ``photographs()``: pictures of scikit-image (mostly public domain), scikit-learn (CC-BY), and of Debian's opencv-doc
  (BSD), mate-backgrounds and lomiri-wallpapers (CC-BY, CC-BY-SA, GPL-2+).
* ``cutouts()``: photographs of single things whose alpha channel is a true mask, from Debian's
  ``tuxpaint-stamps-default`` (GPL-2).
* ``scene(...)``: cut-outs pasted on a photograph; masks and boxes are known exactly.

All are split by picture, and no picture is in two parts: networks learn from "train", recipes are chosen on "held-out",
and "test" is for the last word on a network whose recipe is settled.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from zoo.errors import MissingDependency

Split = Literal["train", "held-out", "test"]

_SKIMAGE = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "retina.jpg", "motorcycle_left.png", "ihc.png")
_SKLEARN = ("china.jpg", "flower.jpg")
_BACKGROUNDS = (Path("/usr/share/backgrounds/mate/nature"), Path("/usr/share/backgrounds"))
_OPENCV = Path("/usr/share/doc/opencv-doc/examples/data")
_OPENCV_PHOTOGRAPHS = (
    "aero1.jpg",
    "aero3.jpg",
    "apple.jpg",
    "baboon.jpg",
    "basketball1.png",
    "board.jpg",
    "building.jpg",
    "butterfly.jpg",
    "fruits.jpg",
    "graf1.png",
    "home.jpg",
    "leuvenA.jpg",
    "orange.jpg",
)
_OPENCV_TEST = (
    "aloeL.jpg",
    "chicky_512.png",
    "ela_original.jpg",
    "licenseplate_motion.jpg",
    "messi5.jpg",
    "rubberwhale1.png",
    "squirrel_cls.jpg",
)
_SKIMAGE_TEST = ("hubble_deep_field.jpg",)
_STAMPS = Path("/usr/share/tuxpaint/stamps")

# A photograph has many colours; a drawing has few. What lies between is small or plain, and kept for tests.
_LEAST_COLOURS, _LEAST_COLOURS_OF_TEST = 200, 140


@dataclass(frozen=True)
class Cutout:
    """One thing, cut out.

    Args:
        name: path of the file below the stamps' folder.
        category: its folder, for instance "animals/birds".
        pixels: (height, width, 3) uint8.
        mask: (height, width) bool, True where the thing is.
    """

    name: str
    category: str
    pixels: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Scene:
    """Cut-outs on a photograph.

    Args:
        image: (3, height, width) float32 in [0, 1].
        masks: (n, height, width) bool, the visible part of each thing.
        boxes: (n, 4) float32 xyxy in pixels around the visible parts.
        names: of the cut-outs, in the order of the masks.
    """

    image: Tensor
    masks: Tensor
    boxes: Tensor
    names: tuple[str, ...]

    @property
    def mask(self) -> Tensor:
        """(height, width) bool: anything that was pasted."""
        return self.masks.any(0)


def half(name: str) -> Split:
    """Train or held-out, of a picture that is not for tests: one in four is held out, by a digest of its name."""
    return "held-out" if hashlib.sha256(name.encode()).digest()[0] < 64 else "train"


def _folder(package: str, inside: str) -> Path | None:
    spec = find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) / inside if places else None


@lru_cache(maxsize=1)
def photographs() -> dict[str, Path]:
    """Name -> file of the photographs, in a fixed order: the same on every machine, so that a seed means the same.

    Raises:
        MissingDependency: a package that holds some of them is not installed.
    """
    found: dict[str, Path] = {}
    for package, inside, names in (("skimage", "data", _SKIMAGE), ("sklearn", "datasets/images", _SKLEARN)):
        folder = _folder(package, inside)
        if folder is None:
            distribution = {"skimage": "scikit-image", "sklearn": "scikit-learn"}[package]
            raise MissingDependency(f"real photographs are in {distribution}. Run: pip install {distribution}")
        found |= {f"{package}/{name}": folder / name for name in names}
    if not all(folder.is_dir() for folder in (_OPENCV, *_BACKGROUNDS)):
        raise MissingDependency(
            "more real photographs are in Debian packages. "
            "Run: apt-get install opencv-doc mate-backgrounds lomiri-wallpapers"
        )
    found |= {f"opencv/{name}": _OPENCV / name for name in _OPENCV_PHOTOGRAPHS}
    for folder in _BACKGROUNDS:
        files = sorted(path for path in folder.glob("*.jpg") if not path.is_symlink())
        found |= {f"{folder.name}/{path.name}": path for path in files}
    return found


@lru_cache(maxsize=1)
def _test_photographs() -> dict[str, Path]:
    """Name -> file of the photographs that are in no other part, from the same packages."""
    photographs()  # says what is missing
    found = {f"opencv/{name}": _OPENCV / name for name in _OPENCV_TEST}
    inside = _folder("skimage", "data")
    assert inside is not None
    return found | {f"skimage/{name}": inside / name for name in _SKIMAGE_TEST}


def photograph(name: str, side: int | None = None) -> np.ndarray:
    """One photograph as (height, width, 3) uint8.

    Args:
        name: one of ``photograph_names``.
        side: the shorter side is reduced to it where it is longer.
    """
    with Image.open((photographs() | _test_photographs())[name]) as image:
        picture = image.convert("RGB")
        if side is not None and min(picture.size) > side:
            factor = side / min(picture.size)
            size = (max(side, round(picture.width * factor)), max(side, round(picture.height * factor)))
            picture = picture.resize(size, Image.Resampling.LANCZOS)
        return np.asarray(picture).copy()


def photograph_names(split: Split) -> list[str]:
    """The photographs of one part of the split: 41, 12 and 8."""
    if split == "test":
        return list(_test_photographs())
    return [name for name in photographs() if half(name) == split]


def crop(pixels: np.ndarray, height: int, width: int, generator: torch.Generator) -> np.ndarray:
    """A random window of a photograph, enlarged first where it is too small."""
    if pixels.shape[0] < height or pixels.shape[1] < width:
        factor = max(height / pixels.shape[0], width / pixels.shape[1])
        size = (max(width, round(pixels.shape[1] * factor)), max(height, round(pixels.shape[0] * factor)))
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    top = int(torch.randint(pixels.shape[0] - height + 1, (), generator=generator))
    left = int(torch.randint(pixels.shape[1] - width + 1, (), generator=generator))
    return pixels[top : top + height, left : left + width]


def to_tensor(pixels: np.ndarray) -> Tensor:
    """(height, width, 3) uint8 to (3, height, width) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float() / 255


@lru_cache(maxsize=1)
def _all_cutouts() -> tuple[tuple[Cutout, int], ...]:
    """Everything with a mask that covers a tenth of its box or more, and its number of colours."""
    if not _STAMPS.is_dir():
        raise MissingDependency(
            "cut-out photographs are in a Debian package. Run: apt-get install tuxpaint-stamps-default"
        )
    found = []
    for path in sorted(_STAMPS.rglob("*.png")):
        name = str(path.relative_to(_STAMPS))
        if name.startswith("symbols") or "cartoon" in name:
            continue
        with Image.open(path) as image:
            if image.mode != "RGBA":
                continue
            image.thumbnail((160, 160), Image.Resampling.LANCZOS)
            pixels = np.asarray(image).copy()
        mask = pixels[..., 3] > 127
        if not 0.1 < mask.mean() < 0.95:
            continue
        colours = len(np.unique(pixels[mask][:, :3] // 16, axis=0))
        found.append((Cutout(name, str(Path(name).parent), pixels[..., :3], mask), colours))
    return tuple(found)


@lru_cache(maxsize=1)
def cutouts() -> tuple[Cutout, ...]:
    """The cut-out photographs to train on and to choose by, at most 160 pixels a side.

    Raises:
        MissingDependency: Debian's tuxpaint-stamps-default is not installed.
    """
    return tuple(item for item, colours in _all_cutouts() if colours >= _LEAST_COLOURS)


@lru_cache(maxsize=1)
def test_cutouts() -> tuple[Cutout, ...]:
    """Cut-outs with fewer colours than those of ``cutouts``, none of the same thing as one of them."""
    known = {_thing(item.name) for item in cutouts()}
    return tuple(
        item
        for item, colours in _all_cutouts()
        if _LEAST_COLOURS_OF_TEST <= colours < _LEAST_COLOURS and _thing(item.name) not in known
    )


def _thing(name: str) -> str:
    """What files of one thing have in common: "animals/mammals/cats/lion-2.png" is another lion."""
    return re.sub(r"(_mirror|-?\d+[a-z]?)*\.png$", "", name)


def cutout_list(split: Split, category: str = "") -> list[Cutout]:
    """The cut-outs of one part of the split whose category begins with ``category``; of all there are 103, 25, 83."""
    found = test_cutouts() if split == "test" else [item for item in cutouts() if half(item.name) == split]
    return [item for item in found if item.category.startswith(category)]


def caption(name: str) -> str:
    """The English line that comes with a cut-out, empty where there is none; a mirrored one has its original's."""
    file = _STAMPS / name.replace("_mirror.png", ".png")
    lines = (
        file.with_suffix(".txt").read_text(encoding="utf-8").splitlines() if file.with_suffix(".txt").is_file() else []
    )
    return lines[0].strip() if lines else ""


def scene(
    background: np.ndarray, things: Sequence[Cutout], height: int, width: int, generator: torch.Generator
) -> Scene:
    """Paste things on a photograph: at random places, a quarter to three fifths of the shorter side, maybe mirrored.

    A thing may hide a part of those before it; masks and boxes are of what remains visible. What is hidden wholly
    has an empty mask and a box of zeros.

    Args:
        background: (H, W, 3) uint8; a window of it is the ground.
        things: what to paste, in order.
        height, width: of the scene, in pixels.
        generator: decides places, sizes and mirrors.
    """
    canvas = crop(background, height, width, generator).copy()
    masks = np.zeros((len(things), height, width), dtype=bool)
    for index, thing in enumerate(things):
        share = 0.25 + 0.35 * float(torch.rand((), generator=generator))
        factor = share * min(height, width) / max(thing.mask.shape)
        size = (max(4, round(thing.mask.shape[1] * factor)), max(4, round(thing.mask.shape[0] * factor)))
        pixels = np.asarray(Image.fromarray(thing.pixels).resize(size, Image.Resampling.BILINEAR))
        mask = np.asarray(Image.fromarray(thing.mask).resize(size, Image.Resampling.NEAREST))
        if float(torch.rand((), generator=generator)) < 0.5:
            pixels, mask = pixels[:, ::-1], mask[:, ::-1]
        top = int(torch.randint(height - size[1] + 1, (), generator=generator))
        left = int(torch.randint(width - size[0] + 1, (), generator=generator))
        window = (slice(top, top + size[1]), slice(left, left + size[0]))
        canvas[window][mask] = pixels[mask]
        masks[:index, window[0], window[1]] &= ~mask
        masks[index, window[0], window[1]] = mask
    visible = torch.from_numpy(masks)
    boxes = torch.stack([box_of(mask) for mask in visible]) if len(things) else torch.zeros(0, 4)
    return Scene(to_tensor(canvas), visible, boxes, tuple(thing.name for thing in things))


def single_scenes(
    split: Split,
    side: int,
    count: int,
    batch_size: int,
    seed: int,
    things: Sequence[Cutout] | None = None,
    blur: float = 0.0,
) -> Iterator[list[Scene]]:
    """Batches of square scenes with one thing each, of photographs and cut-outs of one part of the split.

    Args:
        split: whose pictures.
        side: of a scene, in pixels.
        count: batches.
        batch_size: scenes of each.
        seed: decides all of them.
        things: what is pasted; by default all cut-outs of that part.
        blur: deviation of a Gaussian in pixels that puts the photographs out of focus before anything is pasted.
    """
    generator = torch.Generator().manual_seed(seed)
    grounds = [photograph(name, 2 * side) for name in photograph_names(split)]
    if blur:
        grounds = [np.asarray(Image.fromarray(each).filter(ImageFilter.GaussianBlur(blur))) for each in grounds]
    things = cutout_list(split) if things is None else things
    for _ in range(count):
        scenes = []
        for _ in range(batch_size):
            ground = grounds[int(torch.randint(len(grounds), (), generator=generator))]
            thing = things[int(torch.randint(len(things), (), generator=generator))]
            scenes.append(scene(ground, (thing,), side, side, generator))
        yield scenes


def box_of(mask: Tensor) -> Tensor:
    """(H, W) bool to the box (4,) xyxy around what is True; zeros where nothing is."""
    rows, columns = torch.where(mask)
    if not len(rows):
        return torch.zeros(4)
    return torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], dtype=torch.float32)
