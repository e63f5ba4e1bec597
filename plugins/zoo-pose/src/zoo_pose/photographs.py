"""Real photographs without people that come with ordinary packages: what rendered people stand in front of.

scikit-image's (mostly public domain), scikit-learn's (CC-BY), and those of Debian's opencv-doc (BSD), mate-backgrounds
and lomiri-wallpapers (CC-BY, CC-BY-SA, GPL-2+). Split by photograph: a network never trains on one it is tested on.
"""

from __future__ import annotations

import functools
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from zoo.errors import MissingDependency
from zoo.targets import missing_dependency
from zoo_pose import crops

Split = Literal["train", "held-out"]

# Package -> (folder inside it, distribution that pip installs).
_PACKAGES = {"skimage": ("data", "scikit-image"), "sklearn": ("datasets/images", "scikit-learn")}
_FOLDERS = {
    "opencv": Path("/usr/share/doc/opencv-doc/examples/data"),
    "backgrounds": Path("/usr/share/backgrounds"),
    "nature": Path("/usr/share/backgrounds/mate/nature"),
}
NAMES: dict[Split, tuple[str, ...]] = {
    "train": (
        *(f"skimage/{name}" for name in ("brick.png", "chelsea.png", "coffee.png", "grass.png", "gravel.png")),
        *("skimage/motorcycle_left.png", "sklearn/flower.jpg"),
        *(f"opencv/{name}.jpg" for name in ("aero1", "aloeL", "board", "building", "butterfly", "fruits", "leuvenA")),
        "opencv/graf1.png",
        *(f"backgrounds/{name}.jpg" for name in ("Bridge_by_Sander_Klootwijk", "Dragonfly_by_Bolly")),
        *(f"backgrounds/{name}_by_Aitzol_Berasategi.jpg" for name in ("aitzgorri", "friends", "life")),
        *("backgrounds/Picture_1A_by_freespace.jpg", "backgrounds/seeding_by_Clements_Engelhardt.jpg"),
        *(f"nature/{name}.jpg" for name in ("Dune", "GreenMeadow", "LadyBird", "Storm", "Wood")),
    ),
    "held-out": (
        *("skimage/rocket.jpg", "sklearn/china.jpg", "opencv/home.jpg", "backgrounds/Kleiber_by_Lukas_Baubkus.jpg"),
        *("backgrounds/Wine_by_Jakkub_Mede.jpg", "backgrounds/picosdeeuropa_by_Aitzol_Berasategi.jpg"),
        *("nature/Garden.jpg", "nature/RainDrops.jpg"),
    ),
}


def path(name: str) -> Path:
    """The file of one of ``NAMES``.

    Raises:
        MissingDependency: the package that holds it is not installed.
    """
    source, _, file = name.partition("/")
    if source in _FOLDERS:
        if not (_FOLDERS[source] / file).is_file():
            raise MissingDependency(
                "photographs without people are in Debian packages. "
                "Run: apt-get install opencv-doc mate-backgrounds lomiri-wallpapers"
            )
        return _FOLDERS[source] / file
    inside, distribution = _PACKAGES[source]
    spec = find_spec(source)
    if spec is None or not spec.submodule_search_locations:
        raise missing_dependency(distribution, needed_by="photographs without people")
    return Path(spec.submodule_search_locations[0]) / inside / file


def photograph(name: str, side: int) -> Image.Image:
    """One of ``NAMES``, its shorter side reduced to ``side`` pixels where it is longer."""
    picture = crops.open_picture(path(name))
    factor = min(1.0, side / min(picture.size))
    return picture.resize((round(picture.width * factor), round(picture.height * factor)), Image.Resampling.LANCZOS)


@functools.cache
def _pixels(name: str) -> Tensor:
    return crops.pixels(photograph(name, 200))


def backgrounds(split: Split, count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Random windows of the photographs of a split, (count, 3, height, width) in [0, 1], half of them mirrored.

    A window's shorter side is a third of the photograph's to all of it; bilinear.
    """
    found = []
    for _ in range(count):
        drawn = torch.rand(5, generator=generator)
        whole = _pixels(NAMES[split][int(drawn[0] * len(NAMES[split]))])
        limit = min(whole.shape[1] / height, whole.shape[2] / width)
        scale = limit * (1 / 3 + 2 / 3 * float(drawn[1]))
        tall, wide = round(height * scale), round(width * scale)
        top, left = (
            int(float(d) * (size - part + 1))
            for d, size, part in zip(drawn[2:4], whole.shape[1:], (tall, wide), strict=True)
        )
        window = whole[None, :, top : top + tall, left : left + wide]
        window = functional.interpolate(window, (height, width), mode="bilinear", antialias=True)[0]
        found.append(window.flip(-1) if drawn[4] < 0.5 else window)
    return torch.stack(found)
