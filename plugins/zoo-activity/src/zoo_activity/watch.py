"""Real inertial recordings: shoulder exercises of the package seglearn, whole subjects held out.

140 recordings at 50 Hz of a smartwatch (three accelerations, three turning rates) worn by ten people who did seven
exercises with either arm (Burns et al. 2018; the package's licence is BSD-3). Only the package's file is read, so
``pip install --no-deps seglearn`` is enough.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import numpy as np

from zoo.targets import missing_dependency

EXERCISES = ("pendulum", "abduction", "forward elevation", "internal rotation", "external rotation", "trapezius", "row")
# Samples a second.
RATE = 50
# Of ten subjects, counted from 1: the last three.
HELD_OUT = (8, 9, 10)


def recordings() -> tuple[tuple[np.ndarray, int, int], ...]:
    """Every recording (samples, 6), its exercise and its subject, from 1 on.

    Raises:
        MissingDependency: seglearn is not installed.
    """
    found = importlib.util.find_spec("seglearn")
    if found is None or not found.submodule_search_locations:
        raise missing_dependency("seglearn", needed_by="the recordings of shoulder exercises")
    return _read(Path(found.submodule_search_locations[0]) / "data" / "watch_dataset.npy")


@functools.cache
def _read(path: Path) -> tuple[tuple[np.ndarray, int, int], ...]:
    held = np.load(path, allow_pickle=True).item()
    return tuple(
        (np.asarray(signal, dtype=np.float32), int(exercise), int(subject))
        for signal, exercise, subject in zip(held["X"], held["y"], held["subject"], strict=True)
    )
