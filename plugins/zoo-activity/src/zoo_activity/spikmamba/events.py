"""Events of a camera to frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_activity.numbers import as_numbers
from zoo_activity.spikmamba.config import SpikMambaConfig


def event_frames(events: Tensor, frames: int, size: int) -> Tensor:
    """Where something got brighter, where darker, and where either, in equal spans of time.

    Args:
        events: (count, 4) x, y in pixels, a time in any unit, and a polarity, > 0 for brighter; in any order.
        frames: T.
        size: of the square sensor, in pixels.

    Returns:
        (3, T, size, size) of 0 and 1.

    Raises:
        InputError: no such events, or pixels outside the sensor.
    """
    if events.ndim != 2 or events.shape[1] != 4 or not len(events) or not torch.isfinite(events).all():
        raise InputError(f"events {list(events.shape)}; expected (count, 4) finite x, y, time, polarity, not empty")
    x, y = (events[:, axis].floor().long() for axis in (0, 1))
    if min(x.min(), y.min()) < 0 or max(x.max(), y.max()) >= size:
        raise InputError(f"events outside 0 to {size - 1}; scale x and y to {size} x {size} pixels first")
    start, end = events[:, 2].aminmax()
    share = (events[:, 2] - start) / (end - start).clamp(min=torch.finfo(events.dtype).tiny)
    frame = (share * frames).long().clamp(max=frames - 1)
    video = torch.zeros(3, frames, size, size)
    video[(events[:, 3] <= 0).long(), frame, y, x] = 1
    video[2, frame, y, x] = 1
    return video


def events_from_video(video: Tensor, threshold: float = 0.15) -> Tensor:
    """What an event camera might have seen of a video: an event for each step of the log intensity.

    Each pixel remembers a log intensity, log(1 + I / 10), and moves it by ``threshold``, with an event, while the
    intensity is further away than that; events lie evenly between two frames. A camera of that kind has noise, times
    of microseconds and pixels that rest after an event: none of these is imitated.

    Args:
        video: (frames, height, width) intensities from 0 to 255.
        threshold: of the log intensity, > 0.

    Returns:
        (count, 4) float32: x, y in pixels, time in frames, polarity 1 or -1; in the order of time.

    Raises:
        InputError: no such video, or a threshold that is not positive.
    """
    if video.ndim != 3 or len(video) < 2 or threshold <= 0:
        raise InputError(
            f"video {list(video.shape)}, threshold {threshold}; expected (frames, height, width), at least two frames, "
            "and a positive threshold"
        )
    logs = (video.float() / 10).log1p()
    memory, parts = logs[0].clone(), []
    for index, log in enumerate(logs[1:]):
        steps = ((log - memory) / threshold).trunc()
        memory += steps * threshold
        most = int(steps.abs().max())
        for step in range(most):
            y, x = (steps.abs() > step).nonzero(as_tuple=True)
            count = steps[y, x]
            parts.append(torch.stack((x, y, index + (step + 1) / (count.abs() + 1), count.sign()), -1))
    events = torch.cat(parts) if parts else torch.zeros(0, 4)
    return events[events[:, 2].argsort(stable=True)]


def preprocess(config: SpikMambaConfig) -> Callable[[Any], dict[str, Tensor]]:
    """Events (count, 4) of one clip, as an array or lists, to a batch of one."""

    def prepare(source: Any) -> dict[str, Tensor]:
        if config.in_channels != 3:
            raise InputError(f"events become 3 channels; this network takes {config.in_channels}")
        events = as_numbers(source, torch.float64)
        return {"video": event_frames(events, config.num_frames, config.image_size)[None]}

    return prepare
