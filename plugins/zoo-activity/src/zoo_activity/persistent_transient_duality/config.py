"""The schemas of the network and of the task."""

from __future__ import annotations

from dataclasses import dataclass

import zoo

SWITCHES = ("learned", "always", "never")
# The coordinates of a joint, and the first values of an object's state: its position.
SPACE = 3


@dataclass
class DualityConfig:
    """Config of the network; numbers of humans and objects are those of the input."""

    dim: int = zoo.field(256, "width of the persistent channel", minimum=1)
    transient_dim: int = zoo.field(256, "width of the transient channel", minimum=1)
    num_joints: int = zoo.field(18, "joints of a human; joint 0 is the root", minimum=1)
    object_dim: int = zoo.field(6, "values of an object's state; the first three are its position", minimum=SPACE)
    num_classes: int = zoo.field(0, "classes of objects; 0 for none", minimum=0)
    num_humans: int = zoo.field(1, "humans (or hands) of the example", minimum=1)
    num_objects: int = zoo.field(4, "objects of the example", minimum=0)
    observed: int = zoo.field(10, "observed steps of the example", minimum=1)
    horizon: int = zoo.field(10, "steps to forecast", minimum=1)
    transient: bool = zoo.field(True, "whether there is a transient channel")
    switch: str = zoo.field("learned", "when the transient channel runs", choices=SWITCHES)
    egocentric: bool = zoo.field(True, "transient input relative to the human's root, not in world coordinates")
    temperature: float = zoo.field(1.0, "in training: of the switch's logistic noise; 0 for none", minimum=0.0)


@dataclass
class SwitchingConfig:
    """Config of the task in which walkers stop to circle an object."""

    num_episodes: int = zoo.field(200, "episodes that are asked", minimum=1)
    observed: int = zoo.field(10, "observed steps", minimum=2)
    horizon: int = zoo.field(10, "steps to forecast", minimum=1)
    num_objects: int = zoo.field(2, "objects of an episode", minimum=1)
    radius: float = zoo.field(0.3, "distance at which a walker begins to circle", unit="m", minimum=0.01)
    speed: float = zoo.field(0.08, "of the walk", unit="m per step", minimum=0.0)
    turn: float = zoo.field(0.7, "angle of the circling", unit="rad per step", minimum=0.0)
    seed: int = zoo.field(0, "of the episodes", minimum=0)
